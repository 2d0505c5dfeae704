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

// SetCalendarFeed gives somebody who works on a race an address of its calendar, by the
// hash of its token. It replaces an earlier one. It returns race.ErrNotFound when they do
// not work on the race.
func (s *Store) SetCalendarFeed(ctx context.Context, raceID, userID string, tokenHash []byte) error {
	return s.onBoard(ctx, raceID, func(b *board) error {
		may, err := b.mayHave(ctx, userID)
		if err != nil {
			return err
		}
		if !may {
			return race.ErrNotFound
		}
		if err := b.q.SetCalendarFeed(ctx, gen.SetCalendarFeedParams{RaceID: raceID, UserID: userID, TokenHash: tokenHash, CreatedAt: s.now()}); err != nil {
			return fmt.Errorf("set the calendar feed of user %s: %w", userID, err)
		}
		return writeChanges(ctx, b.tx, s.now(), ofFeed(raceID, userID, "calendar.opened"))
	})
}

func ofFeed(raceID, userID, action string) race.Change {
	return race.Change{Action: action, RaceID: raceID, Subject: race.Subject{Kind: "calendar", ID: userID}}
}

// CalendarFeedSince returns since when somebody has had an address of a race's calendar,
// or race.ErrNotFound when they have none.
func (s *Store) CalendarFeedSince(ctx context.Context, raceID, userID string) (time.Time, error) {
	since, err := s.queries.CalendarFeed(ctx, raceID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return since, race.ErrNotFound
	}
	if err != nil {
		return since, fmt.Errorf("read the calendar feed of user %s: %w", userID, err)
	}
	return since, nil
}

// RevokeCalendarFeed ends somebody's address of a race's calendar, or returns
// race.ErrNotFound when they have none.
func (s *Store) RevokeCalendarFeed(ctx context.Context, raceID, userID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		n, err := s.queries.WithTx(tx).DeleteCalendarFeed(ctx, raceID, userID)
		if err != nil {
			return fmt.Errorf("revoke the calendar feed of user %s: %w", userID, err)
		}
		if n == 0 {
			return race.ErrNotFound
		}
		return writeChanges(ctx, tx, s.now(), ofFeed(raceID, userID, "calendar.closed"))
	})
}

// OpenCalendarFeed returns the race whose calendar is at the address with a token, its
// tasks, and whose address it is. It returns race.ErrNotFound when there is no such
// address.
func (s *Store) OpenCalendarFeed(ctx context.Context, tokenHash []byte) (r race.Race, tasks []race.Task, userID string, err error) {
	feed, err := s.queries.CalendarFeedByToken(ctx, tokenHash)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil, "", race.ErrNotFound
	}
	if err != nil {
		return r, nil, "", fmt.Errorf("find a calendar feed: %w", err)
	}
	if r, err = s.Race(ctx, feed.RaceID); err != nil {
		return r, nil, "", err
	}
	tasks, err = s.Tasks(ctx, r.ID)
	return r, tasks, feed.UserID, err
}
