package maindb_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestUnofficialRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	userID := newID()
	run := func(day int) race.UnofficialRecord {
		return race.UnofficialRecord{
			ID: newID(), UserID: userID, Date: race.Date{Year: 2026, Month: time.May, Day: day},
			Distance: 5_000_000, Time: 1_500_500, Title: "Parkrun", Note: "windy", CreatedAt: b.clock.Now(),
		}
	}
	first, second := run(9), run(2)
	for _, r := range []race.UnofficialRecord{first, second, first} { // the last one after an answer that was lost
		got, err := b.store.CreateUnofficialRecord(ctx, r)
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	page, err := b.store.ListUnofficialRecords(ctx, userID, maindb.UnofficialPosition{}, 1)
	require.NoError(t, err)
	require.Equal(t, []race.UnofficialRecord{first}, page)
	page, err = b.store.ListUnofficialRecords(ctx, userID, maindb.UnofficialPosition{Date: first.Date, ID: first.ID}, 5)
	require.NoError(t, err)
	require.Equal(t, []race.UnofficialRecord{second}, page)

	second.Title, second.Time = "Stadtlauf", 1_400_000
	got, err := b.store.UpdateUnofficialRecord(ctx, userID, second.ID, func(r *race.UnofficialRecord) error {
		r.Title, r.Time = second.Title, second.Time
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, second, got)
	got, err = b.store.UnofficialRecord(ctx, userID, second.ID)
	require.NoError(t, err)
	require.Equal(t, second, got)

	stranger := newID()
	_, err = b.store.UnofficialRecord(ctx, stranger, first.ID)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.UpdateUnofficialRecord(ctx, stranger, first.ID, func(*race.UnofficialRecord) error { return nil })
	require.ErrorIs(t, err, race.ErrNotFound)
	require.ErrorIs(t, b.store.DeleteUnofficialRecord(ctx, stranger, first.ID), race.ErrNotFound)

	require.NoError(t, b.store.DeleteUnofficialRecord(ctx, userID, first.ID))
	_, err = b.store.Leave(ctx, userID)
	require.NoError(t, err)
	page, err = b.store.ListUnofficialRecords(ctx, userID, maindb.UnofficialPosition{}, 5)
	require.NoError(t, err)
	require.Empty(t, page)
}
