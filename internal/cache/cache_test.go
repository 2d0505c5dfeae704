package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/cache"
)

type bundle struct {
	*cache.Cache[string, string]
	loads atomic.Int32
	now   time.Time
}

func setup(limit int, lifetime time.Duration) *bundle {
	b := &bundle{now: time.Unix(1_700_000_000, 0)}
	b.Cache = cache.New[string](cache.Config[string]{
		Limit: limit, Weight: func(s string) int { return len(s) }, Lifetime: lifetime, LoadTimeout: time.Minute,
		Now: func() time.Time { return b.now },
	})
	return b
}

func (b *bundle) get(t *testing.T, key string) {
	t.Helper()
	value, err := b.Get(t.Context(), key, func(context.Context) (string, error) {
		b.loads.Add(1)
		return key, nil
	})
	require.NoError(t, err)
	require.Equal(t, key, value)
}

func TestTheLeastRecentlyUsedIsEvictedFirst(t *testing.T) {
	t.Parallel()
	b := setup(6, 0)
	b.get(t, "aaa")
	b.get(t, "bbb")
	b.get(t, "aaa")
	b.get(t, "ccc") // b goes
	require.EqualValues(t, 3, b.loads.Load())
	b.get(t, "aaa")
	b.get(t, "ccc")
	require.EqualValues(t, 3, b.loads.Load())
	b.get(t, "bbb")
	require.EqualValues(t, 4, b.loads.Load())
	b.get(t, "larger than all")
	b.get(t, "larger than all")
	require.EqualValues(t, 5, b.loads.Load(), "the value read last is kept")
}

func TestAValueIsLoadedAgainAfterItsLifetime(t *testing.T) {
	t.Parallel()
	b := setup(100, time.Second)
	b.get(t, "a")
	b.now = b.now.Add(999 * time.Millisecond)
	b.get(t, "a")
	require.EqualValues(t, 1, b.loads.Load())
	b.now = b.now.Add(time.Millisecond)
	b.get(t, "a")
	require.EqualValues(t, 2, b.loads.Load())
	b.Forget("a")
	b.Forget("never loaded")
	b.get(t, "a")
	require.EqualValues(t, 3, b.loads.Load())
}

func TestManyShareOneLoad(t *testing.T) {
	t.Parallel()
	b := setup(100, 0)
	started, release := make(chan struct{}), make(chan struct{})
	first, leave := context.WithCancel(t.Context())
	load := func(ctx context.Context) (string, error) {
		b.loads.Add(1)
		close(started)
		<-release
		return "a", ctx.Err()
	}
	var group sync.WaitGroup
	group.Go(func() {
		_, err := b.Get(first, "a", load)
		require.ErrorIs(t, err, context.Canceled)
	})
	<-started
	leave()
	group.Wait()
	close(release)
	b.get(t, "a")
	require.LessOrEqual(t, b.loads.Load(), int32(2))
}

func TestAnErrorIsNotKept(t *testing.T) {
	t.Parallel()
	b := setup(100, 0)
	_, err := b.Get(t.Context(), "a", func(context.Context) (string, error) { return "", errors.New("down") })
	require.EqualError(t, err, "down")
	b.get(t, "a")
}
