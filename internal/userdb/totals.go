package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RebuildTotal sets the total of a user to the sum of the ledger lines and
// returns what it was and is. It holds the user's row before it reads the lines,
// so that a commit under way comes wholly before or wholly after it. It returns
// race.ErrNotFound when there is no such account.
func (s *Store) RebuildTotal(ctx context.Context, userID string) (before, after int64, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		user, err := queries.LockUser(ctx, userID)
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
		before, after = user.TotalPoint, sum
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
	user, err := s.queries.User(ctx, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, race.ErrNotFound
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the total of user %s: %w", userID, err)
	}
	sum, err := s.queries.SumOfLines(ctx, userID)
	if err != nil {
		return 0, 0, fmt.Errorf("sum up the ledger of user %s: %w", userID, err)
	}
	return user.TotalPoint, sum, nil
}
