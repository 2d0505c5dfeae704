package userdb_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TestNoticePreferences: what somebody chooses is logged once, the link of a mail
// switches off one kind and nothing else, and nothing of it survives the account.
func TestNoticePreferences(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	uta, bo := b.account(t, "uta").UserID, b.account(t, "bo").UserID
	signing, err := b.ledger.Unsubscribers(t.Context(), []string{uta, bo})
	require.NoError(t, err)
	again, err := b.ledger.Unsubscribers(t.Context(), []string{uta, bo})
	require.NoError(t, err)
	require.Equal(t, signing, again)
	require.NotEqual(t, signing[uta], signing[bo])

	until := b.clock().Add(time.Hour).UTC().Truncate(time.Microsecond)
	off := []notice.Choice{{Kind: notice.PlaceMoved, Channel: notice.Email, State: notice.Off}}
	for range 2 { // the second changes nothing
		is, err := b.store.ChooseNotices(t.Context(), uta, off, &until)
		require.NoError(t, err)
		require.Equal(t, notice.Preferences{Chosen: off, PausedUntil: until}, is)
	}
	link, ok := notice.ParseToken(signing[uta].Token(notice.ResultPosted))
	require.True(t, ok)
	_, state, err := b.store.Unsubscription(t.Context(), link)
	require.NoError(t, err)
	require.Equal(t, notice.On, state, "reading changes nothing")
	for range 2 {
		require.NoError(t, b.store.Unsubscribe(t.Context(), link))
	}
	is, err := b.store.Preferences(t.Context(), uta)
	require.NoError(t, err)
	require.Len(t, is.Chosen, 2)
	others, err := b.store.Preferences(t.Context(), bo)
	require.NoError(t, err)
	require.Equal(t, notice.Preferences{}, others)

	var logged []race.Change
	_, err = b.store.LogChanges(t.Context(), func(_ context.Context, c race.Change) error {
		if c.Action != "account.created" {
			logged = append(logged, c)
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, logged, 2)
	require.Equal(t, "account.notices_changed", logged[0].Action)
	require.Equal(t, map[string]any{"result-posted/email": "off"}, logged[1].After)

	require.NoError(t, b.store.EraseAccount(t.Context(), uta))
	require.ErrorIs(t, b.store.Unsubscribe(t.Context(), link), userdb.ErrLink)
	_, err = b.store.Preferences(t.Context(), uta)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.ChooseNotices(t.Context(), uta, off, nil)
	require.ErrorIs(t, err, race.ErrNotFound)
}
