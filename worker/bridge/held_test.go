package bridge

import (
	"testing"
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

	older := h.take([]queue.Received{sent(time.Second), sent(time.Minute), {}})
	younger := h.take([]queue.Received{sent(2 * time.Second)})
	unknown := h.take([]queue.Received{{}})
	require.Equal(t, time.Minute, h.age(now))
	older()
	require.Equal(t, 2*time.Second, h.age(now))
	younger()
	unknown()
	require.Zero(t, h.age(now))
}
