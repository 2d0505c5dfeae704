package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// insertSplits writes the readings of those revisions that set them. One row holds
// all readings of a record: 30,000 records with 10 readings each take 0.2 to 0.4 s
// in addition to the second that the records take; with a row for each reading it
// would be 1.4 to 2.5 s.
func insertSplits(ctx context.Context, tx *sql.Tx, revisions []revision) error {
	var timed []revision
	var times []string
	for _, r := range revisions {
		if r.splits == nil {
			continue
		}
		text, err := json.Marshal(r.splits)
		if err != nil {
			return fmt.Errorf("encode the splits of record %s: %w", r.ID, err)
		}
		timed, times = append(timed, r), append(times, string(text)) // MySQL takes no binary string for JSON
	}
	i := -1
	const into = `INSERT INTO official_record_split (race_id, record_id, revision, times) VALUES `
	return insertRows(ctx, tx, into, timed, func(args []any, r revision) []any {
		i++
		return append(args, r.RaceID, r.ID, r.Revision, times[i])
	})
}

// SplitsRevision is the readings of a record from a revision on.
type SplitsRevision struct {
	Revision int
	Splits   race.Splits
}

// splitsHistory is what was ever read of a record, the first revision first.
type splitsHistory []SplitsRevision

// at returns the readings as of a revision. They are never nil.
func (h splitsHistory) at(revision int) race.Splits {
	splits := race.Splits{}
	for _, state := range h {
		if state.Revision <= revision {
			splits = state.Splits
		}
	}
	return splits
}

func (h splitsHistory) latest() race.Splits {
	if len(h) == 0 {
		return race.Splits{}
	}
	return h[len(h)-1].Splits
}

// SplitsOfRecord returns the readings of a record, once for every revision that set
// them, the first one first.
func (s *Store) SplitsOfRecord(ctx context.Context, raceID, recordID string) ([]SplitsRevision, error) {
	return splitsOfRecord(ctx, s.queries, raceID, recordID)
}

func splitsOfRecord(ctx context.Context, q *gen.Queries, raceID, recordID string) (splitsHistory, error) {
	rows, err := q.SplitsOfRecord(ctx, raceID, recordID)
	if err != nil {
		return nil, fmt.Errorf("read the splits of record %s: %w", recordID, err)
	}
	history := make(splitsHistory, len(rows))
	for i, row := range rows {
		history[i].Revision = int(row.Revision)
		if err := json.Unmarshal(row.Times, &history[i].Splits); err != nil {
			return nil, fmt.Errorf("read the splits of record %s, revision %d: %w", recordID, row.Revision, err)
		}
	}
	return history, nil
}

// SplitsOfRace returns the latest readings of every record of a race that has any,
// removed ones included, by record ID.
func (s *Store) SplitsOfRace(ctx context.Context, raceID string) (map[string]race.Splits, error) {
	histories, err := readSplits(ctx, s.queries, raceID)
	if err != nil {
		return nil, err
	}
	latest := make(map[string]race.Splits, len(histories))
	for recordID, history := range histories {
		latest[recordID] = history.latest()
	}
	return latest, nil
}

func readSplits(ctx context.Context, q *gen.Queries, raceID string) (map[string]splitsHistory, error) {
	rows, err := q.SplitsOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read the splits of race %s: %w", raceID, err)
	}
	histories := make(map[string]splitsHistory, len(rows))
	for _, row := range rows {
		state := SplitsRevision{Revision: int(row.Revision)}
		if err := json.Unmarshal(row.Times, &state.Splits); err != nil {
			return nil, fmt.Errorf("read the splits of record %s, revision %d: %w", row.RecordID, row.Revision, err)
		}
		histories[row.RecordID] = append(histories[row.RecordID], state)
	}
	return histories, nil
}

// SplitsMark identifies a state of a race's splits, so that places at timing points
// are computed again only after a change.
type SplitsMark struct{ Written, Revisions int64 }

// SplitsMark returns the mark of a race's splits.
func (s *Store) SplitsMark(ctx context.Context, raceID string) (SplitsMark, error) {
	row, err := s.queries.SplitsMark(ctx, raceID)
	if err != nil {
		return SplitsMark{}, fmt.Errorf("sum up the splits of race %s: %w", raceID, err)
	}
	return SplitsMark(row), nil
}

// patchedSplits returns the readings that a record has after a patch, nil if they
// stay as they are. Somebody who did not start has none. The error is a
// *race.InvalidError if they do not fit the result.
func patchedSplits(ctx context.Context, q *gen.Queries, next race.Record, patch RecordPatch) (race.Splits, error) {
	if patch.Splits == nil && patch.Gun == nil && patch.Net == nil && patch.Status == nil {
		return nil, nil
	}
	history, err := splitsOfRecord(ctx, q, next.RaceID, next.ID)
	if err != nil || len(history) == 0 && patch.Splits == nil {
		return nil, err
	}
	known := history.latest()
	splits := maps.Clone(known)
	if next.Result.Status == race.DidNotStart {
		splits = race.Splits{}
	}
	for key, t := range patch.Splits {
		if splits[key] = t; t == 0 {
			delete(splits, key)
		}
	}
	if maps.Equal(splits, known) && next.Result.Status == race.DidNotStart {
		return nil, nil
	}
	row, err := q.Race(ctx, next.RaceID)
	r, err := foundRace(next.RaceID, row, err)
	if err != nil {
		return nil, err
	}
	if wrong := race.CheckResultSplits(r, splits, next.Result); len(wrong) > 0 {
		return nil, &race.InvalidError{Fields: wrong}
	}
	if maps.Equal(splits, known) {
		return nil, nil
	}
	return splits, nil
}
