package userdb

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestChangesWaitForTheLog: a change stays until the log has taken it.
func TestChangesWaitForTheLog(t *testing.T) {
	t.Parallel()
	db, _ := mysqltest.New(t, Migrations())
	s := NewAccounts(db, time.Now)
	actor := race.Actor{Kind: race.ByOperator, ID: "o", AccountID: "o"}
	ctx := race.WithActor(t.Context(), actor)
	err := mysql.InTx(ctx, db, func(tx *sql.Tx) error {
		return writeChange(ctx, s.queries.WithTx(tx), time.Now().UTC(), race.Change{Action: "account.suspended", Reason: "spam", After: map[string]bool{"suspended": true}})
	})
	require.NoError(t, err)

	down := errors.New("main_db is down")
	_, err = s.LogChanges(t.Context(), func(context.Context, race.Change) error { return down })
	require.ErrorIs(t, err, down)

	var logged []race.Change
	moved, err := s.LogChanges(t.Context(), func(_ context.Context, c race.Change) error {
		logged = append(logged, c)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, moved)
	require.Equal(t, actor, logged[0].Actor)
	require.NotEmpty(t, logged[0].ID)
	require.Equal(t, "spam", logged[0].Reason)

	moved, err = s.LogChanges(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, moved)
}
