package standings

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

const (
	// pollInterval is how often a watched race is read, however many readers watch
	// it.
	pollInterval = 500 * time.Millisecond
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

// watches polls the races that somebody follows live, once for all readers of this
// process, from the first reader of a race until the last has left.
type watches struct {
	store *maindb.Store
	board *board
	count CountCredits
	log   *slog.Logger

	mu    sync.Mutex
	races map[string]*watch
}

// watch is one race that is being followed.
type watch struct {
	readers int // guarded by watches.mu
	stop    context.CancelFunc

	mu       sync.Mutex
	versions []maindb.StandingsHead // the newest, in order
	tally    *Tally                 // nil until it was counted
	counts   int                    // how often the tally has changed
	changed  chan struct{}          // closed at the next change
}

// join follows a race until leave is called.
func (w *watches) join(raceID string) (watched *watch, leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	watched = w.races[raceID]
	if watched == nil {
		// All who watch share it: it must neither end with the first one's request nor be
		// part of its trace.
		polling, stop := context.WithCancel(context.Background())
		watched = &watch{stop: stop, changed: make(chan struct{})}
		w.races[raceID] = watched
		go w.poll(polling, raceID, watched)
	}
	watched.readers++
	return watched, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		watched.readers--
		if watched.readers == 0 {
			watched.stop()
			delete(w.races, raceID)
		}
	}
}

// poll reads a race until ctx ends. While a database is down, readers keep what was
// read last.
func (w *watches) poll(ctx context.Context, raceID string, watched *watch) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	failing := false
	for looks := 0; ; looks++ {
		err := w.look(ctx, raceID, watched, looks%progressEvery == 0)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			w.log.WarnContext(ctx, "cannot read a race that is followed live: readers get no news until a retry succeeds", "race_id", raceID, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *watches) look(ctx context.Context, raceID string, watched *watch, counting bool) error {
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
