package maindb_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestNothingIsWrittenAfterLeaving: of calls that are under way while somebody leaves,
// what is written before is erased and the others are refused.
func TestNothingIsWrittenAfterLeaving(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, userID := t.Context(), uuid.NewString()
	record := func() error {
		_, err := b.store.CreateUnofficialRecord(ctx, race.UnofficialRecord{
			ID: uuid.NewString(), UserID: userID, Date: race.Date{Year: 2026, Month: 5, Day: 9}, Distance: 5_000_000, Time: 1_300_000, Title: "secret",
		})
		return err
	}
	require.NoError(t, record())
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for {
				if err := record(); err != nil {
					require.ErrorIs(t, err, race.ErrLeft)
					return
				}
			}
		})
	}
	_, err := b.store.Leave(ctx, userID)
	require.NoError(t, err)
	calls.Wait()
	_, err = b.store.Leave(ctx, userID)
	require.NoError(t, err, "again, after a crash in between")
	exported, err := b.store.Export(ctx, userID)
	require.NoError(t, err)
	require.Empty(t, exported["unofficial_record"])
	require.Len(t, exported["account_mark"], 1)
}
