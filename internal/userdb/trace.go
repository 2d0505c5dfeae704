package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// CommittedCredit is a credit and when it was committed.
type CommittedCredit struct {
	race.Credit
	CommittedAt time.Time
}

// CreditOf returns the credit of a record, or race.ErrNotFound when it was never
// credited nor rejected.
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

// RecordLine is a line of the ledger, with whose it is.
type RecordLine struct {
	PointLine
	UserID   string
	Reversal bool // it takes back what an older revision had earned
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

// CreditSum counts the credits of a race and identifies the revisions that they
// are of, so that two databases can be compared without reading each.
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
