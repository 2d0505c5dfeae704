package maindb_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

func TestReserveKeyKeepsTheFirst(t *testing.T) {
	t.Parallel()
	bundle := setup(t)
	ctx := t.Context()
	key, first, second := [32]byte{1}, [32]byte{2}, [32]byte{3}

	got, err := bundle.store.ReserveKey(ctx, key, first, "01970000-0000-7000-8000-000000000001", "")
	require.NoError(t, err)
	want := maindb.Reservation{ResourceID: "01970000-0000-7000-8000-000000000001", RequestHash: first}
	require.Equal(t, want, got)

	got, err = bundle.store.ReserveKey(ctx, key, second, uuid.NewString(), "")
	require.NoError(t, err)
	require.Equal(t, want, got, "the first request's ID and hash, no answer yet")

	require.NoError(t, bundle.store.SaveResponse(ctx, key, 201, []byte(`{"race_id":"ü"}`)))
	require.NoError(t, bundle.store.SaveResponse(ctx, key, 500, []byte(`later`)))
	got, err = bundle.store.ReserveKey(ctx, key, first, uuid.NewString(), "")
	require.NoError(t, err)
	want.Response = &maindb.StoredResponse{Status: 201, Body: []byte(`{"race_id":"ü"}`)}
	require.Equal(t, want, got, "the first answer stays")
}

func TestReserveKeyAtTheSameTimeGivesOneID(t *testing.T) {
	t.Parallel()
	bundle := setup(t)
	const requests = 12
	ids := make([]string, requests)
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() {
			got, err := bundle.store.ReserveKey(t.Context(), [32]byte{9}, [32]byte{9}, uuid.NewString(), "")
			if err == nil {
				ids[i] = got.ResourceID
			}
		})
	}
	group.Wait()
	require.NotEmpty(t, ids[0])
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestPurgeKeys(t *testing.T) {
	t.Parallel()
	bundle := setup(t)
	ctx := t.Context()
	old, recent := [32]byte{1}, [32]byte{2}
	_, err := bundle.store.ReserveKey(ctx, old, old, "old", "")
	require.NoError(t, err)
	bundle.clock.Advance(time.Hour)
	_, err = bundle.store.ReserveKey(ctx, recent, recent, "recent", "")
	require.NoError(t, err)

	purged, err := bundle.store.PurgeKeys(ctx, time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 1, purged)
	got, err := bundle.store.ReserveKey(ctx, old, old, "new", "")
	require.NoError(t, err)
	require.Equal(t, "new", got.ResourceID)
	got, err = bundle.store.ReserveKey(ctx, recent, recent, "new", "")
	require.NoError(t, err)
	require.Equal(t, "recent", got.ResourceID)
}
