package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// postAttempts is how often a bib may be given up between finding it held and
// asking by whom.
const postAttempts = 5

// PostRecord adds a record with its first revision and puts it on its way. The
// first record of a race makes the race provisional. A record of the race that
// already has the ID is returned as it is, with added false. Errors:
// race.ErrNotFound without such a race, *race.ConflictError when another record
// holds the bib or the race is void.
//
// What is posted is a statement as a file makes them, since timing software
// posts too; only a disqualification with a reason is a person's decision.
func (s *Store) PostRecord(ctx context.Context, raceID, recordID string, result race.Result, change Change) (record race.Record, added bool, err error) {
	posted := firstRevision(raceID, recordID, result, race.ByPost, change)
	if result.Status == race.Disqualified && change.Reason != "" {
		posted.origin, posted.Decided = race.ByHand, true
	}
	for range postAttempts {
		err := s.post(ctx, shareRace, posted)
		if errors.Is(err, errScheduled) { // once in the life of a race
			err = s.post(ctx, holdLiveRace, posted)
		}
		if err == nil {
			return posted.Record, true, nil
		}
		if !mysql.IsDuplicate(err) {
			return race.Record{}, false, err
		}
		existing, err := s.Record(ctx, raceID, recordID)
		if err == nil || !errors.Is(err, race.ErrNotFound) {
			return existing, false, err
		}
		if err := s.bibConflict(ctx, raceID, result.Bib); err != nil {
			return race.Record{}, false, err
		}
	}
	return race.Record{}, false, fmt.Errorf("record %s: its bib or its ID is in use", recordID)
}

func (s *Store) post(ctx context.Context, hold holder, r revision) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		status, err := hold(ctx, q, r.RaceID)
		if err != nil {
			return err
		}
		if err := writeRevisions(ctx, tx, []revision{r}, now); err != nil {
			return err
		}
		return startResults(ctx, q, r.RaceID, status, now)
	})
}

// startResults makes a race provisional that has got its first record. The
// transaction holds a race that is still scheduled.
func startResults(ctx context.Context, q *gen.Queries, raceID string, status race.Status, now time.Time) error {
	if status != race.Scheduled {
		return nil
	}
	if err := q.StartResults(ctx, now, raceID); err != nil {
		return fmt.Errorf("make race %s provisional: %w", raceID, err)
	}
	return nil
}

// bibConflict names the record that holds the bib; nil when none does.
func (s *Store) bibConflict(ctx context.Context, raceID, bib string) error {
	recordID, err := s.queries.RecordHoldingBib(ctx, raceID, nullString(race.BibKey(bib)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the holder of a bib: %w", err)
	}
	return &race.ConflictError{
		Field:   "bib",
		Message: fmt.Sprintf("bib %s already has the record %s: correct that one", bib, recordID),
	}
}
