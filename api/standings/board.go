package standings

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// headLifetime is how old the cached head of a race's latest version may be:
	// any number of readers of one race cost four small queries a second.
	headLifetime = 250 * time.Millisecond
	maxHeads     = 10_000
	// maxRows is how many rows of versions are kept in memory, some 300 bytes each.
	maxRows = 400_000
	// maxCompared is how many rows the cached comparisons may refer to, in addition
	// to those of the versions themselves.
	maxCompared = 200_000
	// loadTimeout bounds a query that several callers wait for, since it must not
	// end when one of them goes away.
	loadTimeout = 15 * time.Second
)

// Versions reads the versions of standings. Tests count how often a crowd of readers
// asks for one.
type Versions interface {
	// Race returns race.ErrNotFound when there is none.
	Race(ctx context.Context, raceID string) (race.Race, error)
	// LatestStandings returns the zero value when there is no version.
	LatestStandings(ctx context.Context, raceID string) (maindb.StandingsHead, error)
	// Standings returns race.ErrNotFound if there is no such version, and a
	// *maindb.NotKeptError when its rows were dropped.
	Standings(ctx context.Context, raceID string, version int) (maindb.StandingsHead, []standings.Row, error)
	// Publication returns the zero value when nobody requested one.
	Publication(ctx context.Context, raceID string) (maindb.Publication, error)
	ClaimedResults(ctx context.Context, raceID string) ([]maindb.ClaimedResult, error)
}

// current is the latest version of a race, as of at most headLifetime ago.
type current struct {
	maindb.StandingsHead             // Version 0: there is none
	protestUntil         time.Time   // zero: no protest window is open
	race                 race.Status // where the race stands
	consent              int         // below which age somebody is a minor in the race's country
}

// board caches the versions that are being read, so that not every reader costs a
// query. Versions never change, so only which one is the latest must be read again.
type board struct {
	store Versions
	now   func() time.Time

	// comparing limits how many comparisons are computed at once: anybody may ask
	// for any two versions, and comparing 30,000 entries takes some 20 ms of a
	// processor core.
	comparing chan struct{}

	heads       *cache.Cache[string, current] // by race ID
	versions    *cache.Cache[versionKey, *loaded]
	comparisons *cache.Cache[comparisonKey, *compared]
	claimants   *cache.Cache[string, map[string]string] // by race ID
}

type comparisonKey struct {
	raceID   string
	from, to int
}

// compared is what differs between two versions. It never changes.
type compared struct {
	standings.Comparison
	rulesChanged bool
	moved        int // entries of both that have another place
	rows         int // of both versions, which it refers to
}

type versionKey struct {
	raceID  string
	version int
}

func newBoard(store Versions, now func() time.Time) *board {
	return &board{
		store: store, now: now, comparing: make(chan struct{}, 1),
		heads: cache.New[string](cache.Config[current]{Limit: maxHeads, Lifetime: headLifetime, LoadTimeout: loadTimeout, Now: now}),
		versions: cache.New[versionKey](cache.Config[*loaded]{
			Limit: maxRows, Weight: func(l *loaded) int { return len(l.rows) }, LoadTimeout: loadTimeout,
		}),
		comparisons: cache.New[comparisonKey](cache.Config[*compared]{
			Limit: maxCompared, Weight: func(c *compared) int { return c.rows }, LoadTimeout: loadTimeout,
		}),
		claimants: cache.New[string](cache.Config[map[string]string]{
			Limit: maxNames, Weight: func(c map[string]string) int { return len(c) + 1 }, Lifetime: nameLifetime, LoadTimeout: loadTimeout, Now: now,
		}),
	}
}

// claimantsOf returns which account has claimed the result of a person of the race's
// start list, by the person's user ID: versions from before the claim name the person.
func (b *board) claimantsOf(ctx context.Context, raceID string) (map[string]string, error) {
	return b.claimants.Get(ctx, raceID, func(ctx context.Context) (map[string]string, error) {
		claimed, err := b.store.ClaimedResults(ctx, raceID)
		if err != nil {
			return nil, err
		}
		accounts := make(map[string]string, len(claimed))
		for _, c := range claimed {
			accounts[userdb.StandInID(raceID, c.BibKey)] = c.UserID
			accounts[c.From] = c.UserID // another one when operators have merged people
		}
		return accounts, nil
	})
}

// latest returns the latest version of a race, or race.ErrNotFound if there is no
// such race.
func (b *board) latest(ctx context.Context, raceID string) (current, error) {
	return b.heads.Get(ctx, raceID, func(ctx context.Context) (current, error) {
		return b.readLatest(maindb.FromWriter(ctx), raceID) // shared with the race's owner, who must see it at once
	})
}

func (b *board) readLatest(ctx context.Context, raceID string) (current, error) {
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
	latest := current{StandingsHead: head, race: found.Status, consent: race.ConsentAge(found.Country)}
	if publication.Open() {
		latest.protestUntil = publication.EndsAt
	}
	return latest, nil
}

// forget makes the next reader of this process ask for the latest version.
func (b *board) forget(raceID string) { b.heads.Forget(raceID) }

// load returns a version with its rows, race.ErrNotFound, or a problem (410) that
// names the nearest versions with rows when those of this one were dropped.
func (b *board) load(ctx context.Context, raceID string, version int) (*loaded, error) {
	return b.versions.Get(ctx, versionKey{raceID, version}, func(ctx context.Context) (*loaded, error) {
		head, rows, err := b.store.Standings(ctx, raceID, version)
		if gone, ok := errors.AsType[*maindb.NotKeptError](err); ok {
			return nil, notKept(gone)
		}
		if err != nil {
			return nil, err
		}
		return &loaded{StandingsHead: head, raceID: raceID, rows: rows, views: map[filter][]int{}, pages: map[pageKey]answer{}}, nil
	})
}

// compare returns what differs between two versions of a race, or
// race.ErrNotFound. Concurrent callers share one comparison.
func (b *board) compare(ctx context.Context, raceID string, from, to int) (*compared, error) {
	return b.comparisons.Get(ctx, comparisonKey{raceID, from, to}, func(ctx context.Context) (*compared, error) {
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
		found := &compared{
			Comparison: standings.Compare(earlier.rows, later.rows), rulesChanged: len(before.Changed(after)) > 0,
			rows: len(earlier.rows) + len(later.rows),
		}
		for _, ch := range found.Changes {
			if ch.From != nil && ch.To != nil && ch.From.Place != ch.To.Place {
				found.moved++
			}
		}
		return found, nil
	})
}
