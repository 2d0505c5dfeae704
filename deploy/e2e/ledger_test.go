package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// participants returns the user ID behind each bib of the race.
func (s *system) participants(t *testing.T, raceID string) map[string]string {
	t.Helper()
	users := map[string]string{}
	err := scan(t.Context(), s.mainDB, func(rows *sql.Rows) error {
		var bib, userID string
		err := rows.Scan(&bib, &userID)
		users[bib] = userID
		return err
	}, "SELECT bib_key, user_id FROM participant WHERE race_id = ? AND bib_key IS NOT NULL", raceID)
	require.NoError(t, err)
	return users
}

// settled waits until no credit of the race is pending, and checks that the ledger, the
// totals and the API agree with the book.
func (s *system) settled(t *testing.T, organizer *caller, raceID string, b *book) {
	t.Helper()
	eventually(t, patience, func() error {
		if p := organizer.credits(t, raceID); p.Pending > 0 {
			return fmt.Errorf("credits: %+v", p)
		}
		return nil
	})
	require.Equal(t, b.progress(), organizer.credits(t, raceID))

	lines, err := s.ledger(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, sorted(b.lines), lines)
	totals, err := s.totals(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, b.totals(), totals)
	s.creditsEqual(t, raceID, b)
	require.NoError(t, s.balanced(t.Context()))
}

// ledger reads the race's lines, sorted.
func (s *system) ledger(ctx context.Context, raceID string) ([]line, error) {
	var lines []line
	err := scan(ctx, s.userDB, func(rows *sql.Rows) error {
		var l line
		err := rows.Scan(&l.recordID, &l.revision, &l.entry, &l.userID, &l.points)
		lines = append(lines, l)
		return err
	}, "SELECT record_id, revision, entry, user_id, points FROM point WHERE race_id = ?", raceID)
	return sorted(lines), err
}

// totals reads total_point of everybody on the race's start list.
func (s *system) totals(ctx context.Context, raceID string) (map[string]int64, error) {
	totals := map[string]int64{}
	err := scan(ctx, s.userDB, func(rows *sql.Rows) error {
		var userID string
		var total int64
		err := rows.Scan(&userID, &total)
		totals[userID] = total
		return err
	}, "SELECT user_id, total_point FROM user WHERE user_id IN (SELECT user_id FROM main_db.participant WHERE race_id = ?)", raceID)
	return totals, err
}

// creditsEqual compares the credit of each record: status, revision, runner, points and
// reason.
func (s *system) creditsEqual(t *testing.T, raceID string, b *book) {
	t.Helper()
	seen := 0
	err := scan(t.Context(), s.userDB, func(rows *sql.Rows) error {
		var recordID, reason, workflowID string
		var got outcome
		var revision int
		if err := rows.Scan(&recordID, &revision, &got.status, &got.userID, &got.points, &reason, &workflowID); err != nil {
			return err
		}
		seen++
		want := b.latest[recordID]
		require.Contains(t, reason, want.reason)
		want.reason = ""
		require.Equal(t, want, got, recordID)
		require.Equal(t, b.revision[recordID], revision, recordID)
		require.Equal(t, creditID(raceID, recordID, revision), workflowID)
		return nil
	}, "SELECT record_id, revision, status, COALESCE(user_id, ''), points, reason, workflow_id FROM credit WHERE race_id = ?", raceID)
	require.NoError(t, err)
	require.Len(t, b.latest, seen)
}

// balanced checks the invariant of every account: the total is the sum of its ledger
// lines.
func (s *system) balanced(ctx context.Context) error {
	const unequal = `SELECT COUNT(*) FROM user AS u
		LEFT JOIN (SELECT user_id, SUM(points) AS points FROM point GROUP BY user_id) AS p ON p.user_id = u.user_id
		WHERE u.total_point <> COALESCE(p.points, 0)`
	n, err := tryCount(ctx, s.userDB, unequal)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d accounts have a total that is not the sum of their ledger lines", n)
	}
	return err
}

// scan runs a query and calls a function with each row.
func scan(ctx context.Context, db *sql.DB, each func(*sql.Rows) error, query string, args ...any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
