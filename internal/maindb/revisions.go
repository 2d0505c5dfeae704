package maindb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// chunk is how many rows one multi-row statement carries: enough that round
// trips no longer count, few enough to stay far below max_allowed_packet.
const chunk = 1000

// reviseForBibs sends every live record of those bibs on its way again: each
// gets a new revision with the same result, made by the system for the given
// reason, and a row in the outbox. It holds the race for the rest of tx and
// returns how many records there were.
func (s *Store) reviseForBibs(ctx context.Context, tx *sql.Tx, raceID string, bibKeys []string, reason string) (int, error) {
	if len(bibKeys) == 0 {
		return 0, nil
	}
	q, now := s.queries.WithTx(tx), s.now()
	if _, err := holdRace(ctx, q, raceID); err != nil {
		return 0, err
	}
	bibKeys = slices.Compact(slices.Sorted(slices.Values(bibKeys)))
	total := 0
	for keys := range slices.Chunk(bibKeys, chunk) {
		err := q.AddRevisionsOfBibs(ctx, gen.AddRevisionsOfBibsParams{
			Reason: reason, ChangedBy: race.SystemActor, ChangedAt: now, RaceID: raceID, BibKeys: keys,
		})
		if err != nil {
			return 0, fmt.Errorf("add revisions of %d bibs: %w", len(keys), err)
		}
		err = q.EnqueueNextRevisionsOfBibs(ctx, gen.EnqueueNextRevisionsOfBibsParams{
			CreatedAt: now, Tracelink: traceOf(ctx), RaceID: raceID, BibKeys: keys,
		})
		if err != nil {
			return 0, fmt.Errorf("enqueue revisions of %d bibs: %w", len(keys), err)
		}
		revised, err := q.AdvanceRecordsOfBibs(ctx, now, raceID, keys)
		if err != nil {
			return 0, fmt.Errorf("revise records of %d bibs: %w", len(keys), err)
		}
		total += int(revised)
	}
	return total, nil
}

// reviseAll sends every live record of the race on its way again, as
// reviseForBibs does for some.
func (s *Store) reviseAll(ctx context.Context, tx *sql.Tx, raceID, reason string) (int, error) {
	q, now := s.queries.WithTx(tx), s.now()
	if _, err := holdRace(ctx, q, raceID); err != nil {
		return 0, err
	}
	err := q.AddRevisionsOfRace(ctx, gen.AddRevisionsOfRaceParams{
		Reason: reason, ChangedBy: race.SystemActor, ChangedAt: now, RaceID: raceID,
	})
	if err != nil {
		return 0, fmt.Errorf("add revisions of all records: %w", err)
	}
	if err := q.EnqueueNextRevisionsOfRace(ctx, now, traceOf(ctx), raceID); err != nil {
		return 0, fmt.Errorf("enqueue revisions of all records: %w", err)
	}
	revised, err := q.AdvanceRecordsOfRace(ctx, now, raceID)
	if err != nil {
		return 0, fmt.Errorf("revise all records: %w", err)
	}
	return int(revised), nil
}
