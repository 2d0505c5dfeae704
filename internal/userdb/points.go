package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// PointLine is one line of a runner's ledger.
type PointLine struct {
	ID         int64 // increasing: later lines have higher IDs
	RaceID     string
	RecordID   string
	Revision   int
	Points     int64       // negative in a reversal
	Parts      *race.Parts // what Points were computed from; nil: nothing, or not kept
	Rule       string
	Edition    string
	Reason     string
	WorkflowID string
	CreatedAt  time.Time
}

// Points is a runner's total and some of the ledger lines that add up to it.
type Points struct {
	Total int64
	Lines []PointLine // newest first
}

// Points returns the total of a user and up to limit ledger lines older than
// the line before, or the newest ones when that is 0. It returns
// race.ErrNotFound when there is no such account or its owner has left.
func (s *Store) Points(ctx context.Context, userID string, before int64, limit int) (Points, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.queries.PointLines(ctx, before, userID, int32(min(limit, math.MaxInt32))) //nolint:gosec // bounded
	if err != nil {
		return Points{}, fmt.Errorf("read the points of user %s: %w", userID, err)
	}
	if len(rows) == 0 {
		return Points{}, race.ErrNotFound
	}
	points := Points{Total: rows[0].TotalPoint}
	for _, row := range rows {
		if !row.PointID.Valid {
			break // the one row of a user without lines
		}
		points.Lines = append(points.Lines, PointLine{
			ID: row.PointID.Int64, RaceID: row.RaceID.String, RecordID: row.RecordID.String, Revision: int(row.Revision.Int32),
			Points: row.Points.Int64, Parts: partsOf(row.Parts), Rule: row.Rule.String, Edition: row.Edition.String, Reason: row.Reason.String,
			WorkflowID: row.WorkflowID.String, CreatedAt: row.CreatedAt.Time,
		})
	}
	return points, nil
}

// RebuildTotal sets the total of a user to the sum of the ledger lines and returns
// the total before and after. It locks the user's row before it reads the lines, so
// that a concurrent commit comes wholly before or wholly after it. It returns
// race.ErrNotFound when there is no such account.
func (s *Ledger) RebuildTotal(ctx context.Context, userID string) (before, after int64, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		total, err := queries.LockTotal(ctx, userID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return err
		}
		sum, err := queries.SumOfLines(ctx, userID)
		if err != nil {
			return err
		}
		before, after = total, sum
		if before == after {
			return nil
		}
		return queries.SetTotal(ctx, sum, s.now(), userID)
	})
	if errors.Is(err, race.ErrNotFound) {
		return 0, 0, race.ErrNotFound
	}
	if err != nil {
		return 0, 0, fmt.Errorf("rebuild the total of user %s: %w", userID, err)
	}
	return before, after, nil
}

// Total returns the total of a user and the sum of the ledger lines, which should be
// the same, or race.ErrNotFound when there is no such account.
func (s *Store) Total(ctx context.Context, userID string) (total, lines int64, err error) {
	row, err := s.queries.TotalAndLines(ctx, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, race.ErrNotFound
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the total of user %s and its lines: %w", userID, err)
	}
	return row.TotalPoint, row.SumOfLines, nil
}
