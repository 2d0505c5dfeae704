package userdb

import (
	"context"
	"fmt"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// creditChunk is how many record IDs one statement asks for.
const creditChunk = 1000

// CreditTotals counts the credits of a race, whatever revision they are of.
type CreditTotals struct {
	Credited  int
	Rejected  int
	Revisions int // the sum of the revisions last applied
}

// Credits returns what the ledger says of the records, by record ID. A record
// that is missing was never credited nor rejected.
func (s *Store) Credits(ctx context.Context, recordIDs []string) (map[string]race.Credit, error) {
	credits := make(map[string]race.Credit, len(recordIDs))
	for ids := range slices.Chunk(recordIDs, creditChunk) {
		rows, err := s.queries.Credits(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read credits: %w", err)
		}
		for _, row := range rows {
			credits[row.RecordID] = creditOf(row)
		}
	}
	return credits, nil
}

// CreditsOfRace returns up to limit credits of the race with that status
// (race.Credited or race.Rejected) by their record ID, starting behind the ID
// after.
func (s *Store) CreditsOfRace(ctx context.Context, raceID string, status race.CreditStatus, after string, limit int) ([]race.Credit, error) {
	rows, err := s.queries.CreditsOfRace(ctx, gen.CreditsOfRaceParams{
		RaceID: raceID, Status: string(status), After: after,
		Limit: int32(limit), //nolint:gosec // a page is at most 1,000
	})
	if err != nil {
		return nil, fmt.Errorf("read %s credits of race %s: %w", status, raceID, err)
	}
	credits := make([]race.Credit, len(rows))
	for i, row := range rows {
		credits[i] = creditOf(row)
	}
	return credits, nil
}

// Settled is the revision of a record that the ledger holds, and its outcome.
type Settled struct {
	RecordID string
	Revision int
	Status   race.CreditStatus // race.Credited, race.Rejected or race.Reversed
}

// SettledRevisions returns what the ledger holds of the race's records, in no
// order: 50,000 of them from an index alone, where Credits would read as many
// rows.
func (s *Store) SettledRevisions(ctx context.Context, raceID string) ([]Settled, error) {
	rows, err := s.queries.SettledRevisions(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read settled revisions of race %s: %w", raceID, err)
	}
	settled := make([]Settled, len(rows))
	for i, row := range rows {
		settled[i] = Settled{RecordID: row.RecordID, Revision: int(row.Revision), Status: race.CreditStatus(row.Status)}
	}
	return settled, nil
}

// CreditTotals counts the credits of the race from an index alone.
func (s *Store) CreditTotals(ctx context.Context, raceID string) (CreditTotals, error) {
	rows, err := s.queries.CountCredits(ctx, raceID)
	if err != nil {
		return CreditTotals{}, fmt.Errorf("count credits of race %s: %w", raceID, err)
	}
	var totals CreditTotals
	for _, row := range rows {
		switch race.CreditStatus(row.Status) {
		case race.Credited:
			totals.Credited = int(row.Credits)
		case race.Rejected:
			totals.Rejected = int(row.Credits)
		case race.Reversed: // of a record that does not exist
			continue
		case race.Pending, race.Superseded: // never in the ledger
		}
		totals.Revisions += int(row.Revisions)
	}
	return totals, nil
}

// CreditRevisionsOfRaces returns the sum of the revisions last applied of each of
// the races that has credits, by race ID.
func (s *Store) CreditRevisionsOfRaces(ctx context.Context, raceIDs []string) (map[string]int64, error) {
	revisions := make(map[string]int64, len(raceIDs))
	for ids := range slices.Chunk(raceIDs, creditChunk) {
		rows, err := s.queries.CreditRevisionsOfRaces(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("sum up the credits of %d races: %w", len(ids), err)
		}
		for _, row := range rows {
			revisions[row.RaceID] = row.Revisions
		}
	}
	return revisions, nil
}
