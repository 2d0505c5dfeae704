package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

func TestAgeIsThatOfTheOldestMessageInHand(t *testing.T) {
	t.Parallel()
	now := time.Now()
	sent := func(ago time.Duration) queue.Received { return queue.Received{SentAt: now.Add(-ago)} }
	h := &held{batches: map[int]time.Time{}}
	require.Zero(t, h.age(now))

	older := h.add([]queue.Received{sent(time.Second), sent(time.Minute), {}})
	younger := h.add([]queue.Received{sent(2 * time.Second)})
	unknown := h.add([]queue.Received{{}})
	require.Equal(t, time.Minute, h.age(now))
	older()
	require.Equal(t, 2*time.Second, h.age(now))
	younger()
	unknown()
	require.Zero(t, h.age(now))
}

func TestRacesTakeTurnsToStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		starts := newTurns(1)
		require.True(t, starts.acquire(t.Context(), "big")) // under way while the others line up
		var order []string
		line := func(ctx context.Context, raceID string) {
			go func() {
				if starts.acquire(ctx, raceID) {
					order = append(order, raceID)
					starts.release()
				}
			}()
			synctest.Wait()
		}
		for range 5 {
			line(t.Context(), "big")
		}
		leaving, leave := context.WithCancel(t.Context())
		line(leaving, "gone")
		line(t.Context(), "small")
		line(t.Context(), "small")
		leave()
		synctest.Wait()
		starts.release()
		synctest.Wait()
		require.Equal(t, []string{"big", "small", "big", "small", "big", "big", "big"}, order)
		require.Equal(t, 1, starts.free)
	})
}
