package server

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RaceReader finds a race.
type RaceReader interface {
	// Race returns race.ErrNotFound when there is none.
	Race(ctx context.Context, raceID string) (race.Race, error)
}

// authorize lets through what the access table allows. It answers 401 before
// 403 before 404, and only then whether the race is the caller's own: races are
// public, so their existence is no secret.
func authorize(api huma.API, races RaceReader, log *slog.Logger) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		rule := Access[op.Method+" "+op.Path]
		caller := CallerFrom(ctx.Context())
		if err := allow(ctx.Context(), rule.Who, caller); err != nil {
			writeError(api, ctx, err)
			return
		}
		if rule.Who != Owner && rule.Who != OwnerOrOperator {
			next(ctx)
			return
		}
		r, err := ownRace(ctx.Context(), races, ctx.Param("race_id"), caller)
		if err != nil {
			writeError(api, ctx, translate(ctx.Context(), log, err))
			return
		}
		next(huma.WithContext(ctx, WithRace(ctx.Context(), r)))
	}
}

// allow decides by the caller's role alone.
func allow(ctx context.Context, who Who, caller Caller) error {
	if who == Anyone {
		return nil
	}
	if caller.UserID == "" {
		return Unauthenticated(ctx)
	}
	var needed auth.UserType
	switch who {
	case Holder:
		return nil
	case Runner:
		needed = auth.Runner
	case Organizer, Owner:
		needed = auth.Organizer
	case OwnerOrOperator:
		if needed = auth.Organizer; caller.Type == auth.Operator {
			return nil
		}
	case Operator:
		needed = auth.Operator
	case Anyone:
		return nil
	default:
		return huma.Error403Forbidden("nobody may make this call")
	}
	if caller.Type != needed {
		return huma.Error403Forbidden(fmt.Sprintf("this call is for accounts of type %q; yours is %q", needed, caller.Type))
	}
	return nil
}

// ownRace returns the race if it is the caller's, or if the caller is an operator
// whom the access table has let through.
func ownRace(ctx context.Context, races RaceReader, raceID string, caller Caller) (race.Race, error) {
	if uuid.Validate(raceID) != nil {
		return race.Race{}, race.ErrNotFound
	}
	r, err := races.Race(ctx, raceID)
	if err != nil {
		return race.Race{}, err
	}
	if caller.Type != auth.Operator && r.OrganizerID != caller.UserID {
		return race.Race{}, huma.Error403Forbidden("the race belongs to another organizer")
	}
	return r, nil
}
