package bridge

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// link is one side of the bridge. It logs when that side goes away and when it
// is back, not every failure in between.
type link struct {
	name string
	log  *slog.Logger

	mu    sync.Mutex
	since time.Time // of the outage; zero when there is none
}

// report takes the outcome of a call.
func (l *link) report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && l.since.IsZero():
		l.since = time.Now()
		l.log.Warn(l.name+" does not answer: messages wait", "error", err)
	case err == nil && !l.since.IsZero():
		l.log.Info(l.name+" answers again", "outage", time.Since(l.since).Round(time.Millisecond))
		l.since = time.Time{}
	}
}

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
