package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// creditChunk is how many record IDs one statement has.
const creditChunk = 1000

// CreditTotals counts the credits of a race, whatever revision they are of.
type CreditTotals struct {
	Credited  int
	Rejected  int
	Revisions int // the sum of the revisions last applied
}

// Credits returns the credits of the records by record ID. A record that is missing
// was never credited or rejected.
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
// (race.Credited or race.Rejected) by their record ID, starting after the ID after.
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

// SettledRevisions returns what the ledger holds about the race's records, in no
// particular order. It reads only an index, where Credits would read a row for each
// record.
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

// CreditTotals counts the credits of the race. It reads only an index.
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

// CreditRevisionsOfRaces returns, by race ID, the sum of the revisions last applied
// for each race that has credits.
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

// RaceCredits returns the credits of a race by record ID, with only revision,
// status, runner and points set.
func (s *Store) RaceCredits(ctx context.Context, raceID string) (map[string]race.Credit, error) {
	rows, err := s.queries.CreditsOfWholeRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read the credits of race %s: %w", raceID, err)
	}
	credits := make(map[string]race.Credit, len(rows))
	for _, row := range rows {
		credits[row.RecordID] = race.Credit{
			RecordID: row.RecordID, RaceID: raceID, Revision: int(row.Revision), Status: race.CreditStatus(row.Status),
			UserID: row.UserID.String, Points: row.Points, AppliedAt: row.UpdatedAt,
			Fingerprint: fingerprintOf(row.Fingerprint),
		}
	}
	return credits, nil
}

// CommittedCredit is a credit and when it was committed.
type CommittedCredit struct {
	race.Credit
	CommittedAt time.Time
}

// CreditOf returns the credit of a record, or race.ErrNotFound when it was never
// credited or rejected.
func (s *Store) CreditOf(ctx context.Context, recordID string) (CommittedCredit, error) {
	row, err := s.queries.CreditRow(ctx, recordID)
	if errors.Is(err, sql.ErrNoRows) {
		return CommittedCredit{}, race.ErrNotFound
	}
	if err != nil {
		return CommittedCredit{}, fmt.Errorf("read the credit of record %s: %w", recordID, err)
	}
	return CommittedCredit{Credit: creditOf(row), CommittedAt: row.UpdatedAt}, nil
}

// RecordLine is a line of the ledger with the runner that it belongs to.
type RecordLine struct {
	PointLine
	UserID   string
	Reversal bool // it reverses what an older revision had earned
}

// LinesOfRecords returns the ledger lines of each of the records, by record ID,
// the oldest first.
func (s *Store) LinesOfRecords(ctx context.Context, recordIDs []string) (map[string][]RecordLine, error) {
	lines := make(map[string][]RecordLine, len(recordIDs))
	for ids := range slices.Chunk(recordIDs, creditChunk) {
		rows, err := s.queries.LinesOfRecords(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read the ledger lines of %d records: %w", len(ids), err)
		}
		for _, row := range rows {
			lines[row.RecordID] = append(lines[row.RecordID], RecordLine{
				PointLine: PointLine{
					ID: row.PointID, RaceID: row.RaceID, RecordID: row.RecordID, Revision: int(row.Revision),
					Points: row.Points, Rule: row.Rule, Edition: row.Edition, Reason: row.Reason,
					WorkflowID: row.WorkflowID, CreatedAt: row.CreatedAt,
				},
				UserID: row.UserID, Reversal: row.Entry == entryReversal,
			})
		}
	}
	return lines, nil
}

// CreditSum counts the credits of a race and identifies their revisions, so that
// the two databases can be compared without reading each credit.
type CreditSum struct {
	Credited    int
	Rejected    int
	Fingerprint int64 // sum of the CRC-32 of each record's ID followed by its revision
}

// CreditSums returns the sum of a race, or of up to limit races that have credits
// after the ID after when raceID is empty, by race ID. A million credits took
// 0.65 s on two busy cores.
func (s *Store) CreditSums(ctx context.Context, raceID, after string, limit int) (map[string]CreditSum, error) {
	if raceID == "" {
		raceID = "%"
	}
	rows, err := s.queries.CreditSums(ctx, raceID, after, number(limit))
	if err != nil {
		return nil, fmt.Errorf("sum up credits: %w", err)
	}
	sums := make(map[string]CreditSum, len(rows))
	for _, row := range rows {
		sums[row.RaceID] = CreditSum{Credited: int(row.Credited), Rejected: int(row.Rejected), Fingerprint: row.Fingerprint}
	}
	return sums, nil
}

// RejectedOfRace returns the credits of a race that are rejected for a reason
// that contains the given one, whatever revision they are of, by record ID.
func (s *Store) RejectedOfRace(ctx context.Context, raceID, reason string) ([]Settled, error) {
	rows, err := s.queries.RejectedOfRace(ctx, raceID, reason)
	if err != nil {
		return nil, fmt.Errorf("read rejected credits of race %s: %w", raceID, err)
	}
	rejected := make([]Settled, len(rows))
	for i, row := range rows {
		rejected[i] = Settled{RecordID: row.RecordID, Revision: int(row.Revision), Status: race.Rejected}
	}
	return rejected, nil
}
