// Package standings answers the calls about places: a race's standings with their
// versions and what changed between two, finalizing them, live updates, and a
// runner's own results.
package standings

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Config holds the dependencies of the calls.
type Config struct {
	Store    *maindb.Store
	Versions Versions // nil: Store
	Ledger   *userdb.Store
	// WorkflowID names the workflow that credits a revision, TraceURL its page in
	// the Temporal Web UI.
	WorkflowID func(raceID, recordID string, revision int) string
	TraceURL   func(workflowID string) string
	// Wake requests that the standings of a race are recomputed. It takes at most a
	// few seconds; if it fails, the sweep makes up for it.
	Wake         func(ctx context.Context, raceID string)
	CountCredits CountCredits
	Splits       *splits.Reader  // shows readings at timing points
	Stopping     <-chan struct{} // closed when the program stops: live streams end
	Now          func() time.Time
	Log          *slog.Logger
}

// Register adds the calls to the API. It returns a reader of the same standings.
func Register(api huma.API, cfg Config) *Reader {
	if cfg.Versions == nil {
		cfg.Versions = cfg.Store
	}
	board := newBoard(cfg.Versions, cfg.Now)
	from := selector{board: board, names: newNames(cfg.Ledger, cfg.Now)}
	read := reading{selector: from, credits: cfg.Ledger, splits: cfg.Splits, log: cfg.Log}
	read.register(api)
	read.registerExport(api)
	derived{read}.register(api)
	newResultsExport(read, cfg.Store).register(api)
	versions{store: cfg.Store, board: board}.register(api)
	own := results{
		store: cfg.Store, databases: reconcile.Databases{Records: cfg.Store, Ledger: cfg.Ledger}, board: board, workflowID: cfg.WorkflowID, traceURL: cfg.TraceURL,
	}
	own.register(api)
	publish := publishing{now: cfg.Now, store: cfg.Store, board: board, wake: cfg.Wake}
	publish.register(api)
	reader := &Reader{comparison: comparison{selector: from, store: cfg.Store}, credits: cfg.Ledger, own: own, publishing: publish}
	reader.register(api)
	reader.registerLatest(api)
	events{
		board: board, stopping: cfg.Stopping,
		live: watches{store: cfg.Store, board: board, count: cfg.CountCredits}.live(cfg.Log),
	}.register(api)
	return reader
}

// maxViews is how many views of a version are cached: fields, sexes and divisions
// are few, but a caller may invent some.
const maxViews = 100

// loaded is a version with its rows in the order in which they are listed.
type loaded struct {
	raceID string
	maindb.StandingsHead
	rows []standings.Row

	mu    sync.Mutex
	views map[filter][]int
	pages map[pageKey]answer
}

// filter selects rows. An empty part selects all of them.
type filter struct {
	field    race.Field
	sex      race.Sex
	division string
	bib      string // in the form of race.BibKey
}

// selects reports whether the filter selects a row.
func (f filter) selects(r *standings.Row) bool {
	return (f.field == "" || r.Field == f.field) && (f.sex == "" || r.Sex == f.sex) &&
		(f.division == "" || r.Division == f.division) && (f.bib == "" || race.BibKey(r.Result.Bib) == f.bib)
}

// view returns the indexes of the rows that a filter selects, in the order of the
// ranking that it shows: a division that is ranked by another time than the race
// has its own order. The slice must not be changed.
func (l *loaded) view(f filter) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.views[f]; ok {
		return known
	}
	view := []int{}
	for i := range l.rows {
		if f.selects(&l.rows[i]) {
			view = append(view, i)
		}
	}
	if f.division != "" {
		slices.SortStableFunc(view, func(a, b int) int { return lastIfNone(l.rows[a].DivisionPlace, l.rows[b].DivisionPlace) })
	}
	if len(l.views) < maxViews && f.bib == "" { // a race has too many bibs to cache a view of each
		l.views[f] = view
	}
	return view
}

// lastIfNone compares places; zero means none and comes last.
func lastIfNone(a, b int) int {
	if (a == 0) != (b == 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

const (
	// pageLifetime is how long readers get the same cached bytes: a crowd reads the
	// same few pages.
	pageLifetime = time.Second
	// maxPages is how many pages of a version are cached, some 25 kB each.
	maxPages = 200
)

// pageKey identifies a page of a version.
type pageKey struct {
	filter
	position, limit int
	protestUntil    time.Time
}

// answer is a page as encoded for its first reader.
type answer struct {
	body page
	tag  string
	at   time.Time
}

// EncodedJSON returns the page as encoded for its first reader, or nil.
func (p page) EncodedJSON() []byte { return p.encoded }

var _ server.Encoded = page{}

// page returns a cached page.
func (l *loaded) page(key pageKey, now time.Time) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.pages[key]
	return known, ok && now.Sub(known.at) < pageLifetime
}

// keepPage caches a page.
func (l *loaded) keepPage(key pageKey, a answer) error {
	var err error
	if a.body.encoded, err = server.Encode(a.body); err != nil {
		return err
	}
	a.body.Items = nil // encoded
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pages) >= maxPages {
		clear(l.pages)
	}
	l.pages[key] = a
	return nil
}
