package e2e_test

import (
	"testing"
	"time"
)

const (
	// patience is how long something that usually takes up to a second may stand still.
	patience = 90 * time.Second
	// glance is the time between the first two looks. The pauses grow to longGlance, so
	// that tests that wait leave the processor to what they wait for.
	glance     = 50 * time.Millisecond
	longGlance = 500 * time.Millisecond
)

// eventually calls ask until it returns no error. It fails t when the error has been the
// same for as long as limit, or after five times that: a slow machine is no failure as
// long as there is progress. Unlike require.Eventually it calls ask on the test's
// goroutine and reports what it was waiting for.
func eventually(t *testing.T, limit time.Duration, ask func() error) {
	t.Helper()
	began := time.Now()
	last, changed := "", began
	for pause := glance; ; pause = min(pause*5/4, longGlance) {
		err := ask()
		if err == nil {
			return
		}
		now := time.Now()
		if text := err.Error(); text != last {
			last, changed = text, now
		}
		if now.Sub(changed) > limit || now.Sub(began) > 5*limit {
			t.Fatalf("after %s still: %v", now.Sub(began).Round(time.Second), err)
		}
		select {
		case <-time.After(pause):
		case <-t.Context().Done():
			t.Fatalf("called off while waiting: %v", err)
		}
	}
}
