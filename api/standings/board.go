package standings

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/singleflight"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

const (
	// headLifetime is how old what is known of a race's latest version may be: a
	// crowd on one race costs four small queries a second.
	headLifetime = 250 * time.Millisecond
	maxHeads     = 10_000
	// maxRows is how many rows of versions are kept in memory, some 300 bytes each.
	maxRows = 400_000
	// maxCompared is how many rows the remembered comparisons may refer to, beside
	// those of the versions themselves.
	maxCompared = 200_000
	// loadTimeout bounds a query that several callers wait for, whoever of them
	// goes away.
	loadTimeout = 15 * time.Second
)

// boardStore reads versions.
type boardStore interface {
	// Race returns race.ErrNotFound when there is none.
	Race(ctx context.Context, raceID string) (race.Race, error)
	// LatestStandings returns the zero value when there is no version.
	LatestStandings(ctx context.Context, raceID string) (maindb.StandingsHead, error)
	// Standings returns race.ErrNotFound without such a version, and a
	// *maindb.NotKeptError when its rows were dropped.
	Standings(ctx context.Context, raceID string, version int) (maindb.StandingsHead, []standings.Row, error)
	// Publication returns the zero value when nobody asked for one.
	Publication(ctx context.Context, raceID string) (maindb.Publication, error)
}

// current is the latest version of a race, as of a moment ago.
type current struct {
	maindb.StandingsHead             // Version 0: there is none
	protestUntil         time.Time   // zero: no protest window is open
	race                 race.Status // where the race stands
	at                   time.Time
}

// board keeps the versions that are being read in memory: readers of one
// process cost no query each. Versions never change, so only which one is the
// latest is ever asked again.
type board struct {
	store boardStore
	now   func() time.Time
	group singleflight.Group

	// comparing has a slot for each comparison that may be worked out at once:
	// anybody may ask for any two versions, and one of 30,000 entries takes some
	// 20 ms of a processor.
	comparing chan struct{}

	mu       sync.Mutex
	heads    map[string]current
	versions map[versionKey]*loaded
	recent   []versionKey // of versions, the least recently read first
	rows     int          // of all versions together

	comparisons map[comparisonKey]*compared
	compared    int // rows that the comparisons refer to
}

type comparisonKey struct {
	raceID   string
	from, to int
}

// compared is what differs between two versions, which never changes.
type compared struct {
	standings.Comparison
	rulesChanged bool
}

type versionKey struct {
	raceID  string
	version int
}

func newBoard(store boardStore, now func() time.Time) *board {
	return &board{
		store: store, now: now, heads: map[string]current{}, versions: map[versionKey]*loaded{},
		comparing: make(chan struct{}, 1), comparisons: map[comparisonKey]*compared{},
	}
}

// latest returns the latest version of a race, or race.ErrNotFound without such
// a race.
func (b *board) latest(ctx context.Context, raceID string) (current, error) {
	b.mu.Lock()
	head, known := b.heads[raceID]
	b.mu.Unlock()
	if known && b.now().Sub(head.at) < headLifetime {
		return head, nil
	}
	return shared(ctx, &b.group, "head/"+raceID, func(ctx context.Context) (current, error) {
		return b.readLatest(ctx, raceID)
	})
}

func (b *board) readLatest(ctx context.Context, raceID string) (current, error) {
	at := b.now()
	found, err := b.store.Race(ctx, raceID)
	if err != nil {
		return current{}, err
	}
	head, err := b.store.LatestStandings(ctx, raceID)
	if err != nil {
		return current{}, err
	}
	publication, err := b.store.Publication(ctx, raceID)
	if err != nil {
		return current{}, err
	}
	latest := current{StandingsHead: head, race: found.Status, at: at}
	if publication.Open() {
		latest.protestUntil = publication.EndsAt
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.heads) >= maxHeads {
		clear(b.heads)
	}
	b.heads[raceID] = latest
	return latest, nil
}

// forget makes the next reader of this process ask for the latest version.
func (b *board) forget(raceID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.heads, raceID)
}

// load returns a version with its rows, race.ErrNotFound, or a problem (410) that
// names the nearest versions with rows when those of this one were dropped.
func (b *board) load(ctx context.Context, raceID string, version int) (*loaded, error) {
	key := versionKey{raceID, version}
	b.mu.Lock()
	found := b.versions[key]
	if found != nil {
		b.touch(key)
	}
	b.mu.Unlock()
	if found != nil {
		return found, nil
	}
	return shared(ctx, &b.group, fmt.Sprintf("version/%s/%d", raceID, version), func(ctx context.Context) (*loaded, error) {
		head, rows, err := b.store.Standings(ctx, raceID, version)
		if gone, ok := errors.AsType[*maindb.NotKeptError](err); ok {
			return nil, huma.Error410Gone(gone.Error())
		}
		if err != nil {
			return nil, err
		}
		read := &loaded{StandingsHead: head, rows: rows, views: map[filter][]int{}, pages: map[pageKey]answer{}}
		b.keep(key, read)
		return read, nil
	})
}

// keep remembers a version in the place of those that were not read for longest.
func (b *board) keep(key versionKey, read *loaded) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.versions[key] != nil {
		return
	}
	b.versions[key] = read
	b.recent = append(b.recent, key)
	b.rows += len(read.rows)
	for b.rows > maxRows && len(b.recent) > 1 {
		oldest := b.recent[0]
		b.rows -= len(b.versions[oldest].rows)
		delete(b.versions, oldest)
		b.recent = b.recent[1:]
	}
}

// compare returns what differs between two versions of a race, or
// race.ErrNotFound. However many ask, two versions are compared once.
func (b *board) compare(ctx context.Context, raceID string, from, to int) (*compared, error) {
	key := comparisonKey{raceID, from, to}
	b.mu.Lock()
	known := b.comparisons[key]
	b.mu.Unlock()
	if known != nil {
		return known, nil
	}
	return shared(ctx, &b.group, fmt.Sprintf("compare/%s/%d/%d", raceID, from, to), func(ctx context.Context) (*compared, error) {
		select {
		case b.comparing <- struct{}{}:
			defer func() { <-b.comparing }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		earlier, err := b.load(ctx, raceID, from)
		if err != nil {
			return nil, err
		}
		later, err := b.load(ctx, raceID, to)
		if err != nil {
			return nil, err
		}
		before, err := earlier.Rules()
		if err != nil {
			return nil, fmt.Errorf("standings %d of race %s: %w", from, raceID, err)
		}
		after, err := later.Rules()
		if err != nil {
			return nil, fmt.Errorf("standings %d of race %s: %w", to, raceID, err)
		}
		result := &compared{
			Comparison: standings.Compare(earlier.rows, later.rows), rulesChanged: len(before.Changed(after)) > 0,
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		rows := len(earlier.rows) + len(later.rows)
		if b.compared += rows; b.compared > maxCompared {
			clear(b.comparisons)
			b.compared = rows
		}
		b.comparisons[key] = result
		return result, nil
	})
}

// touch moves a version to the end of the queue of those to be forgotten.
func (b *board) touch(key versionKey) {
	for i, known := range b.recent {
		if known == key {
			copy(b.recent[i:], b.recent[i+1:])
			b.recent[len(b.recent)-1] = key
			return
		}
	}
}

// shared makes one call for all who ask for the same at once. The call goes on
// when the first of them goes away.
func shared[T any](ctx context.Context, group *singleflight.Group, key string, call func(context.Context) (T, error)) (T, error) {
	done := group.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		return call(ctx)
	})
	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case result := <-done:
		if result.Err != nil {
			return none, result.Err
		}
		value, ok := result.Val.(T)
		if !ok {
			return none, fmt.Errorf("%s: a %T", key, result.Val)
		}
		return value, nil
	}
}
