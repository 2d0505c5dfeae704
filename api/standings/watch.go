package standings

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

const (
	// progressEvery is after how many reads credits are counted again.
	progressEvery = 2
	// maxMissed is how many missed versions a reader who reconnects gets; the list
	// of versions has the others.
	maxMissed = 100
)

// Tally counts the revisions of a race's records by their state.
type Tally struct {
	Pending    int `json:"pending"`
	Credited   int `json:"credited"`
	Rejected   int `json:"rejected"`
	Superseded int `json:"superseded"`
	Total      int `json:"total"`

	Ahead            int `json:"ahead,omitempty"`
	EstimatedSeconds int `json:"estimated_seconds,omitempty"`
}

// CountCredits counts the credits of a race by status.
type CountCredits func(ctx context.Context, raceID string) (Tally, error)

// watches reads the races that somebody follows live.
type watches struct {
	store *maindb.Store
	board *board
	count CountCredits
}

// watch is one race that is being followed.
type watch struct {
	looks int // how often it was read

	mu       sync.Mutex
	versions []maindb.StandingsHead // the newest, in order
	tally    *Tally                 // nil until it was counted
	counts   int                    // how often the tally has changed
	changed  chan struct{}          // closed at the next change
}

// live returns what polls the races for all readers.
func (w watches) live(log *slog.Logger) *server.Live[*watch] {
	return &server.Live[*watch]{Log: log, Look: w.look, New: func() *watch { return &watch{changed: make(chan struct{})} }}
}

func (w watches) look(ctx context.Context, raceID string, _ int, watched *watch) error {
	counting := watched.looks%progressEvery == 0
	watched.looks++
	latest, err := w.board.latest(ctx, raceID)
	if err != nil {
		return err
	}
	if known := watched.latest(); latest.Version > known {
		heads, err := w.store.StandingsBefore(ctx, raceID, 0, maxMissed)
		if err != nil {
			return err
		}
		slices.Reverse(heads)
		watched.advance(heads)
	}
	if !counting {
		return nil
	}
	tally, err := w.count(ctx, raceID)
	if err != nil {
		return err
	}
	watched.counted(tally)
	return nil
}

func (w *watch) latest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.versions) == 0 {
		return 0
	}
	return w.versions[len(w.versions)-1].Version
}

func (w *watch) advance(heads []maindb.StandingsHead) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions = heads
	w.wake()
}

func (w *watch) counted(tally Tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tally != nil && *w.tally == tally {
		return
	}
	w.tally = &tally
	w.counts++
	w.wake()
}

// wake wakes every reader. The caller must hold the lock.
func (w *watch) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// bookmark is how far a reader has been informed.
type bookmark struct {
	version int // 0: nothing yet
	counts  int
}

// news returns what is new to a reader, and a channel that is closed when there is
// more. A reader without a version, or with one that does not exist, gets only the
// latest.
func (w *watch) news(after *bookmark) (versions []maindb.StandingsHead, tally *Tally, more <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.versions); n > 0 {
		latest := w.versions[n-1].Version
		from := n - 1
		if after.version > 0 && after.version <= latest {
			from = n
			for from > 0 && w.versions[from-1].Version > after.version {
				from--
			}
		}
		versions = w.versions[from:]
		after.version = latest
	}
	if after.counts != w.counts {
		tally, after.counts = w.tally, w.counts
	}
	return versions, tally, w.changed
}
