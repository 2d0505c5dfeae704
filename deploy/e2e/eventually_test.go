package e2e_test

import (
	"testing"
	"time"
)

// How long the tests wait for something that usually takes up to a second, and how often
// they check.
const (
	patience = 90 * time.Second
	glance   = 50 * time.Millisecond
)

// eventually calls ask until it returns no error, and fails t with the last error at the
// limit. Unlike require.Eventually it calls ask on the test's goroutine and reports what
// it was waiting for.
func eventually(t *testing.T, limit time.Duration, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s still: %v", limit, err)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("called off while waiting: %v", err)
		}
	}
}
