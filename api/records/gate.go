package records

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// gate lets readers in: a race's records are its organizer's until the race is
// official, and everybody's from then on.
type gate struct {
	races raceReader
}

// open tells whether the caller owns the race. Whoever may not read gets 401 or
// 403; races are public, so an unknown one is 404 to all.
func (g gate) open(ctx context.Context, raceID string) (owner bool, err error) {
	if uuid.Validate(raceID) != nil {
		return false, race.ErrNotFound
	}
	r, err := g.races.Race(ctx, raceID)
	if err != nil {
		return false, err
	}
	caller := server.CallerFrom(ctx)
	switch {
	case caller.Type == auth.Organizer && caller.UserID == r.OrganizerID:
		return true, nil
	case r.Status == race.Official:
		return false, nil
	case r.Status == race.Void:
		return false, huma.Error403Forbidden("the race was voided: only its organizer sees its records")
	case caller.UserID == "":
		return false, server.Unauthorized("the results of this race are not official yet; its organizer can log in at POST /v1/login")
	}
	return false, huma.Error403Forbidden("the results of this race are not official yet: until then only its organizer sees them")
}
