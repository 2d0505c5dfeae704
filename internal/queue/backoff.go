package queue

import (
	"context"
	"time"

	"github.com/sethvargo/go-retry"
)

// Backoff is how long a reader of a queue waits after one failure and the next, with
// jitter. Make one with NewBackoff after each success.
type Backoff struct{ durations retry.Backoff }

// NewBackoff returns a Backoff that begins with first and doubles up to longest.
func NewBackoff(first, longest time.Duration) *Backoff {
	doubling := retry.NewExponential(max(first, time.Millisecond))
	return &Backoff{retry.WithJitterPercent(25, retry.WithCappedDuration(longest, doubling))}
}

// Wait waits for the next duration. It returns false if ctx ended first.
func (b *Backoff) Wait(ctx context.Context) bool {
	d, _ := b.durations.Next() // it never stops
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
