package bridge

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff waits longer after each failure.
type backoff struct {
	first, most time.Duration
	next        time.Duration
}

func (b *Bridge) newBackoff() *backoff {
	return &backoff{first: b.cfg.RetryAfter, most: b.cfg.MaxRetryAfter, next: b.cfg.RetryAfter}
}

func (b *backoff) reset() { b.next = b.first }

// wait waits between half and all of the pause that is due; false when ctx ended
// first.
func (b *backoff) wait(ctx context.Context) bool {
	pause := b.next/2 + rand.N(b.next/2+1) //nolint:gosec // jitter needs no secret randomness
	b.next = min(2*b.next, b.most)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
