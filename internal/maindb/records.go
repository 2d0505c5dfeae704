package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RecordFilter selects records of a race. The zero value selects all live ones.
type RecordFilter struct {
	Status  race.ResultStatus // empty: any
	Bib     string            // however it is written; empty: any
	Removed bool              // removed records too
}

// Record returns a record of the race, removed or not, or race.ErrNotFound.
func (s *Store) Record(ctx context.Context, raceID, recordID string) (race.Record, error) {
	row, err := s.queries.Record(ctx, recordID, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return race.Record{}, race.ErrNotFound
	}
	if err != nil {
		return race.Record{}, fmt.Errorf("read record %s: %w", recordID, err)
	}
	return recordOf(row), nil
}

// Revisions returns all revisions of a record, the first one first, and none when
// there is no such record.
func (s *Store) Revisions(ctx context.Context, recordID string) ([]race.Revision, error) {
	rows, err := s.queries.Revisions(ctx, recordID)
	if err != nil {
		return nil, fmt.Errorf("read revisions of record %s: %w", recordID, err)
	}
	revisions := make([]race.Revision, len(rows))
	for i, row := range rows {
		revisions[i] = race.Revision{
			RecordID: row.RecordID,
			Number:   int(row.Revision),
			Result:   resultOf(row.Bib, row.GunMs, row.NetMs, row.Status, row.FinishSequence),
			Removed:  row.Removed,

			TimeConfirmed: row.TimeConfirmed,

			Reason:    row.Reason,
			ChangedBy: row.ChangedBy,
			ChangedAt: row.ChangedAt,
			Origin:    race.Origin(row.Origin),
			Decided:   row.Decided,
			ImportID:  row.ImportID.String,
		}
	}
	return revisions, nil
}

// ListRecords returns up to limit records of a race by their ID, which is the order
// in which they were posted, starting after the ID after.
func (s *Store) ListRecords(ctx context.Context, raceID string, filter RecordFilter, after string, limit int) ([]race.Record, error) {
	status := string(filter.Status)
	if status == "" {
		status = "%"
	}
	var rows []gen.OfficialRecord
	var err error
	if filter.Bib == "" {
		rows, err = s.queries.ListRecords(ctx, gen.ListRecordsParams{
			RaceID: raceID, After: after, Status: status, Removed: filter.Removed, Limit: count32(limit),
		})
	} else {
		rows, err = s.queries.ListRecordsOfBib(ctx, gen.ListRecordsOfBibParams{
			RaceID: raceID, BibKey: race.BibKey(filter.Bib), After: after,
			Status: status, Removed: filter.Removed, Limit: count32(limit),
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list records of race %s: %w", raceID, err)
	}
	return recordsOf(rows), nil
}

// RecordsByID returns those of the records that are in the race, removed or
// not, by their ID.
func (s *Store) RecordsByID(ctx context.Context, raceID string, recordIDs []string) (map[string]race.Record, error) {
	found := make(map[string]race.Record, len(recordIDs))
	for ids := range slices.Chunk(recordIDs, chunk) {
		rows, err := s.queries.RecordsByID(ctx, raceID, ids)
		if err != nil {
			return nil, fmt.Errorf("read records of race %s: %w", raceID, err)
		}
		for _, row := range rows {
			found[row.RecordID] = recordOf(row)
		}
	}
	return found, nil
}

// CountRevisions returns how many records were ever posted to the race, removed
// ones included, and how many revisions they have together.
func (s *Store) CountRevisions(ctx context.Context, raceID string) (records, revisions int, err error) {
	row, err := s.queries.CountRevisions(ctx, raceID)
	if err != nil {
		return 0, 0, fmt.Errorf("count revisions of race %s: %w", raceID, err)
	}
	return int(row.Records), int(row.Revisions), nil
}

// RevisionsOfRecords returns the latest revision of each record of the race, by
// record ID, removed records included.
func (s *Store) RevisionsOfRecords(ctx context.Context, raceID string) (map[string]int, error) {
	rows, err := s.queries.RevisionsOfRecords(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read revisions of race %s: %w", raceID, err)
	}
	latest := make(map[string]int, len(rows))
	for _, row := range rows {
		latest[row.RecordID] = int(row.Revision)
	}
	return latest, nil
}

func recordsOf(rows []gen.OfficialRecord) []race.Record {
	records := make([]race.Record, len(rows))
	for i, row := range rows {
		records[i] = recordOf(row)
	}
	return records
}

func recordOf(row gen.OfficialRecord) race.Record {
	return race.Record{
		ID:       row.RecordID,
		RaceID:   row.RaceID,
		Revision: int(row.Revision),
		Result:   resultOf(row.Bib, row.GunMs, row.NetMs, row.Status, row.FinishSequence),
		Removed:  row.Removed,
		HoldsBib: row.HeldBib.Valid,
		Decided:  row.Decided,

		TimeConfirmed: row.TimeConfirmed,
	}
}

func resultOf(bib string, gun, net sql.NullInt64, status string, sequence sql.NullInt32) race.Result {
	return race.Result{
		Bib:      bib,
		Gun:      race.Time(gun.Int64),
		Net:      race.Time(net.Int64),
		Status:   race.ResultStatus(status),
		Sequence: int(sequence.Int32),
	}
}

// A value that was not taken or given is NULL.

func nullTime(t race.Time) sql.NullInt64 { return sql.NullInt64{Int64: int64(t), Valid: t != 0} }

func nullSequence(n int) sql.NullInt32 { return sql.NullInt32{Int32: count32(n), Valid: n != 0} }

func nullString(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// count32 narrows a number that its caller has bounded.
func count32(n int) int32 { return int32(n) } //nolint:gosec // limits, revisions and finish sequences fit

// OwnResult is a runner's live record in a race.
type OwnResult struct {
	Record race.Record
	Race   race.Race // only ID, name, date, distance, status and what ranks it overall
	Field  race.Field
}

// ResultsOf returns up to limit results of a runner after a position, the newest
// race first.
func (s *Store) ResultsOf(ctx context.Context, userID string, after RacePosition, limit int) ([]OwnResult, error) {
	date, id := endOfDates, endOfIDs
	if after.ID != "" {
		date, id = after.Date.Midnight(), after.ID
	}
	rows, err := s.queries.ResultsOfUserBefore(ctx, gen.ResultsOfUserBeforeParams{
		UserID: userID, RaceDate: date, RaceID: id, Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list the results of user %s: %w", userID, err)
	}
	results := make([]OwnResult, len(rows))
	for i, row := range rows {
		results[i] = OwnResult{
			Record: race.Record{
				ID: row.RecordID, RaceID: row.RaceID, Revision: int(row.Revision), HoldsBib: true,
				Result: resultOf(row.Bib, row.GunMs, row.NetMs, row.Status, row.FinishSequence),
			},
			Race: race.Race{
				ID: row.RaceID, Name: row.Name, Date: race.DateOf(row.RaceDate), Distance: race.Distance(row.DistanceMm),
				Status: race.Status(row.RaceStatus), Ranking: race.Ranking{Basis: race.Basis(row.RankingBasis)},
			},
			Field: race.Field(row.Field),
		}
	}
	return results, nil
}

// Seasons returns the calendar years that have races that count for a leaderboard, the
// latest first, at most limit.
func (s *Store) Seasons(ctx context.Context, limit int) ([]int, error) {
	rows, err := s.queries.Seasons(ctx, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list seasons: %w", err)
	}
	seasons := make([]int, len(rows))
	for i, year := range rows {
		seasons[i] = int(year)
	}
	return seasons, nil
}

// RacesOfSeason returns the races of a calendar year that count for its leaderboard, by
// date: those with results, of verified organizers, whose points are computed from the
// time.
func (s *Store) RacesOfSeason(ctx context.Context, year int) ([]string, error) {
	first := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
	races, err := s.queries.RacesOfSeason(ctx, first, first.AddDate(1, 0, -1))
	if err != nil {
		return nil, fmt.Errorf("list the races of %d: %w", year, err)
	}
	return races, nil
}

// Entrant is what a race knows about the runner of a record.
type Entrant struct {
	Sex race.Sex
	Age int // on race day, or race.UnknownAge
}

// Entrants returns the runners of a race's records by record ID.
func (s *Store) Entrants(ctx context.Context, raceID string) (map[string]Entrant, error) {
	rows, err := s.queries.EntrantsOfRecords(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the entrants of race %s: %w", raceID, err)
	}
	entrants := make(map[string]Entrant, len(rows))
	for _, row := range rows {
		e := Entrant{Sex: race.Sex(row.Sex), Age: race.UnknownAge}
		if row.Age.Valid {
			e.Age = int(row.Age.Int16)
		}
		entrants[row.RecordID] = e
	}
	return entrants, nil
}
