package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// A holder keeps writers of a race's records apart until the transaction ends
// and returns where the race stands, or race.ErrNotFound.
type holder func(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error)

// holdRace keeps every other writer of the race's records out.
func holdRace(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error) {
	status, err := q.HoldRaceForRecords(ctx, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", race.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("hold race %s: %w", raceID, err)
	}
	return race.Status(status), nil
}

// errVoid is the answer to whoever would change the records of a void race.
var errVoid = &race.ConflictError{Message: "the race is void: its records no longer change"}

// holdLiveRace is holdRace for those who change results: it returns a
// *race.ConflictError for a void race.
func holdLiveRace(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error) {
	status, err := holdRace(ctx, q, raceID)
	if err == nil && status == race.Void {
		return "", errVoid
	}
	return status, err
}

// errScheduled says that a race has no records yet, so that the first one has
// to change the race, which a shared hold of it does not allow.
var errScheduled = errors.New("the race is still scheduled")

// shareRace keeps those out that change records, but not those that add one. It
// returns errScheduled for a race without records and a *race.ConflictError for
// a void one.
func shareRace(ctx context.Context, q *gen.Queries, raceID string) (race.Status, error) {
	status, err := q.ShareRaceForRecords(ctx, raceID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", race.ErrNotFound
	case err != nil:
		return "", fmt.Errorf("share race %s: %w", raceID, err)
	case race.Status(status) == race.Scheduled:
		return "", errScheduled
	case race.Status(status) == race.Void:
		return "", errVoid
	}
	return race.Status(status), nil
}
