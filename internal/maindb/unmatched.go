package maindb

import (
	"context"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
)

// Unmatched is a revision that a valid message named and main_db did not have, so
// that it was rejected without a record that could show the rejection.
type Unmatched struct {
	RaceID     string
	RecordID   string
	Revision   int
	Reason     string // at most 500 characters
	RejectedAt time.Time
}

// AddUnmatched records that a revision was rejected because main_db does not have
// it. A revision is recorded once; RejectedAt is set by the store.
func (s *Outcomes) AddUnmatched(ctx context.Context, u Unmatched) error {
	err := s.queries.InsertUnmatched(ctx, gen.InsertUnmatchedParams{
		RaceID: u.RaceID, RecordID: u.RecordID, Revision: count32(u.Revision), Reason: u.Reason, RejectedAt: s.now(),
	})
	if err != nil {
		return fmt.Errorf("record the unmatched revision %d of record %s: %w", u.Revision, u.RecordID, err)
	}
	return nil
}

// Unmatched returns up to limit revisions that main_db still does not have, of one
// race or of all when raceID is empty, in the order of race, record and revision
// and after the given one, and how many there are. Revisions that have appeared in
// the meantime, as after a restore, are left out.
func (s *Store) Unmatched(ctx context.Context, raceID string, after Unmatched, limit int) (found []Unmatched, total int, err error) {
	first, last := raceID, raceID
	if raceID == "" {
		last = lastID
	}
	rows, err := s.queries.Unmatched(ctx, gen.UnmatchedParams{
		FirstRace: first, LastRace: last, AfterRace: after.RaceID, AfterRecord: after.RecordID,
		AfterRevision: count32(after.Revision), Limit: count32(limit),
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list unmatched revisions: %w", err)
	}
	count, err := s.queries.CountUnmatched(ctx, first, last)
	if err != nil {
		return nil, 0, fmt.Errorf("count unmatched revisions: %w", err)
	}
	return unmatchedOf(rows), int(count), nil
}

// UnmatchedOfRecord returns what was rejected of a record because main_db did not
// have it, the first revision first.
func (s *Store) UnmatchedOfRecord(ctx context.Context, recordID string) ([]Unmatched, error) {
	rows, err := s.queries.UnmatchedOfRecord(ctx, recordID)
	if err != nil {
		return nil, fmt.Errorf("read the unmatched revisions of record %s: %w", recordID, err)
	}
	return unmatchedOf(rows), nil
}

func unmatchedOf(rows []gen.UnmatchedRevision) []Unmatched {
	found := make([]Unmatched, len(rows))
	for i, row := range rows {
		found[i] = Unmatched{
			RaceID: row.RaceID, RecordID: row.RecordID, Revision: int(row.Revision), Reason: row.Reason, RejectedAt: row.RejectedAt,
		}
	}
	return found
}

// PurgeUnmatched deletes the unmatched revisions that were rejected longer than
// keep ago, and returns how many it deleted.
func (s *Store) PurgeUnmatched(ctx context.Context, keep time.Duration) (int, error) {
	purged, err := s.queries.PurgeUnmatched(ctx, s.now().Add(-keep))
	if err != nil {
		return 0, fmt.Errorf("purge unmatched revisions: %w", err)
	}
	return int(purged), nil
}
