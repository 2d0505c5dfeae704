package telemetry

import (
	"log/slog"
	"sync"
	"time"
)

// Link is the way to something that the program depends on. It logs when that
// goes away and when it is back, not every failure in between.
type Link struct {
	name string
	log  *slog.Logger

	mu    sync.Mutex
	since time.Time // of the outage; zero when there is none
}

// NewLink returns a link that is up. name stands in the lines it logs.
func NewLink(name string, log *slog.Logger) *Link { return &Link{name: name, log: log} }

// Report takes the outcome of a call.
func (l *Link) Report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && l.since.IsZero():
		l.since = time.Now()
		l.log.Warn("no answer: work waits", "of", l.name, "error", err)
	case err == nil && !l.since.IsZero():
		l.log.Info("answers again", "of", l.name, "outage", time.Since(l.since).Round(time.Millisecond).String())
		l.since = time.Time{}
	}
}
