package userdb_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestRebuildTotal(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 1)
	runner := b.runners[0]
	b.apply(t, b.credited(uuid.NewString(), 1, runner, 700))
	b.apply(t, b.credited(uuid.NewString(), 1, runner, 55))
	_, err := b.db.ExecContext(t.Context(), "UPDATE user SET total_point = 7 WHERE user_id = ?", runner)
	require.NoError(t, err)

	total, lines, err := b.store.Total(t.Context(), runner)
	require.NoError(t, err)
	require.Equal(t, [2]int64{7, 755}, [2]int64{total, lines})
	for _, wrong := range []int64{7, 755} { // the second time it is right already
		before, after, err := b.store.RebuildTotal(t.Context(), runner)
		require.NoError(t, err)
		require.Equal(t, [2]int64{wrong, 755}, [2]int64{before, after})
	}
	require.Equal(t, map[string]int64{runner: 755}, b.totals(t))

	_, _, err = b.store.RebuildTotal(t.Context(), uuid.NewString())
	require.ErrorIs(t, err, race.ErrNotFound)
	_, _, err = b.store.Total(t.Context(), uuid.NewString())
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestRebuildTotalWhileCreditsAreCommitted(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 1)
	var working errgroup.Group
	for range 4 {
		working.Go(func() error {
			for range 20 {
				if _, err := b.store.ApplyCredit(t.Context(), b.credited(uuid.NewString(), 1, b.runners[0], 10)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 20 {
		before, after, err := b.store.RebuildTotal(t.Context(), b.runners[0])
		require.NoError(t, err)
		require.Equal(t, before, after, "nothing was wrong")
	}
	require.NoError(t, working.Wait())
	require.Equal(t, map[string]int64{b.runners[0]: 800}, b.totals(t))
}
