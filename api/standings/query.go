package standings

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Query selects rows of a race's standings.
type Query struct {
	RaceID   string `path:"race_id"`
	Field    string `query:"field" enum:"runner,wheelchair,handcycle" doc:"Each field is ranked separately. When left out: runner, or with bib whichever field has the bib."`
	Sex      string `query:"sex" enum:"M,F,X" doc:"Only this sex category."`
	Division string `query:"division" maxLength:"100" doc:"Only this division, in the order of its own places."`
	Bib      string `query:"bib" maxLength:"16" doc:"Only this bib; leading zeros and case do not matter." example:"284"`
	Q        string `query:"q" maxLength:"100" doc:"Only runners whose name contains this, whatever its case and accents, or whose bib it is."`
	Version  int    `query:"version" minimum:"1" maximum:"2147483647" doc:"An earlier version; the latest when left out."`
}

// filter is the part of the query that needs no names.
func (q Query) filter() filter {
	f := filter{field: race.Field(q.Field), sex: race.Sex(q.Sex), division: q.Division, bib: race.BibKey(q.Bib)}
	if f.field == "" && f.bib == "" {
		f.field = race.Runner
	}
	return f
}

// selection is what a query selects from a version.
type selection struct {
	version *loaded // nil: the race has no standings yet
	rows    []*standings.Row
	names   map[string]name
	next    int  // position after the last row; 0 at the end
	named   bool // all names could be read
}

// selector answers queries from memory.
type selector struct {
	board *board
	names *names
}

// pick returns up to limit rows of a version from a position on; 0 means no limit.
// When names cannot be read, the rows come without them and without ages; only a search
// fails, since it would find too little.
func (s selector) pick(ctx context.Context, q Query, loaded *loaded, position, limit int) (_ selection, err error) {
	picked := selection{version: loaded}
	view := loaded.view(q.filter())
	view = view[min(position, len(view)):]
	if q.Q != "" {
		return s.search(ctx, picked, q, view, position, limit)
	}
	if limit > 0 && len(view) > limit {
		view = view[:limit]
		picked.next = position + limit
	}
	for _, i := range view {
		picked.rows = append(picked.rows, &loaded.rows[i])
	}
	picked.names, err = s.namesOf(ctx, q.RaceID, picked.rows)
	if picked.named = err == nil; !picked.named {
		picked.hideAges()
	}
	return picked, nil
}

// hideAges hides the ages of those runners of whom it is not known whether they do.
func (s *selection) hideAges() {
	if s.names == nil {
		s.names = map[string]name{}
	}
	for _, row := range s.rows {
		if _, known := s.names[row.UserID]; !known {
			s.names[row.UserID] = name{noAge: true}
		}
	}
}

func (s selector) search(ctx context.Context, picked selection, q Query, view []int, position, limit int) (selection, error) {
	all := make([]*standings.Row, len(view))
	for i, index := range view {
		all[i] = &picked.version.rows[index]
	}
	names, err := s.namesOf(ctx, q.RaceID, all)
	if err != nil {
		return selection{}, fmt.Errorf("search names: %w", err)
	}
	picked.names, picked.named = names, true
	wanted, bib := fold(strings.TrimSpace(q.Q)), race.BibKey(q.Q)
	for i, row := range all {
		if race.BibKey(row.Result.Bib) != bib && !strings.Contains(names[row.UserID].folded, wanted) {
			continue
		}
		if limit > 0 && len(picked.rows) == limit {
			picked.next = position + i
			break
		}
		picked.rows = append(picked.rows, row)
	}
	return picked, nil
}

// namesOf returns what the public may read of the runners of some rows of a race, by
// user ID. Whoever has claimed a result decides about the name that it had before, too,
// which is in older versions.
func (s selector) namesOf(ctx context.Context, raceID string, rows []*standings.Row) (map[string]name, error) {
	latest, err := s.board.latest(ctx, raceID)
	if err != nil {
		return nil, err
	}
	claimants, err := s.board.claimantsOf(ctx, raceID)
	if err != nil {
		return nil, err
	}
	userIDs := usersOf(rows)
	for _, row := range rows {
		if account := claimants[row.UserID]; account != "" {
			userIDs = append(userIDs, account)
		}
	}
	known, err := s.names.of(ctx, userIDs)
	today := race.DateOf(s.names.now().UTC())
	for _, row := range rows {
		shown, ok := known[row.UserID]
		if !ok {
			continue
		}
		shown = shown.publicly(shown.wishes, row.Age, today, latest.consent)
		if account := claimants[row.UserID]; account != "" {
			shown = shown.publicly(known[account].wishes, row.Age, today, latest.consent)
		}
		known[row.UserID] = shown
	}
	return known, err
}

func usersOf(rows []*standings.Row) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.UserID
	}
	return ids
}

// at returns the version of a page and the position where the page begins. A cursor
// stays on the version of the previous page.
func at(q Query, cursor string, latest int) (version, position int, err error) {
	if version = q.Version; version == 0 {
		version = latest
	}
	if err := server.ReadCursor(cursor, &version, &position); err != nil {
		return 0, 0, err
	}
	if cursor != "" && (version < 1 || q.Version != 0 && q.Version != version) {
		return 0, 0, server.BadCursor()
	}
	return version, position, nil
}

const (
	// Together with pageLifetime, nameLifetime is how long a name may still be
	// shown after its runner has left: half a minute. The process through which a name
	// was changed forgets it at once.
	nameLifetime = 30*time.Second - pageLifetime
	maxNames     = 200_000
)

// names adds runners' names to standings, which never store them: when a runner
// leaves, the name also disappears from old versions.
type names struct {
	store *userdb.Store
	now   func() time.Time

	mu        sync.Mutex
	known     map[string]name
	forgotten int // how often names were forgotten: what was being read then is not kept
}

type name struct {
	plain  string
	folded string // the form that is searched
	hidden string // what is shown instead of plain by a runner who hides it
	wishes race.Discretion
	noAge  bool // the age is hidden; set by publicly
	at     time.Time
}

func newNames(store *userdb.Store, now func() time.Time) *names {
	return &names{store: store, now: now, known: map[string]name{}}
}

// publicly returns what the public reads of somebody with those wishes, who had an age
// on race day.
func (n name) publicly(wishes race.Discretion, age int, today race.Date, consent int) name {
	hidesName, hidesAge := wishes.Hides(age, today, consent)
	if n.noAge = n.noAge || hidesAge; hidesName {
		n.plain, n.folded = n.hidden, fold(n.hidden)
	}
	return n
}

// of returns the names of users by ID. The empty ID, nobody, has no name.
func (n *names) of(ctx context.Context, userIDs []string) (map[string]name, error) {
	found := make(map[string]name, len(userIDs))
	var missing []string
	now := n.now()
	n.mu.Lock()
	for _, id := range userIDs {
		if known, ok := n.known[id]; ok && now.Sub(known.at) < nameLifetime {
			found[id] = known
		} else if id != "" {
			missing = append(missing, id)
		}
	}
	forgotten := n.forgotten
	n.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	runners, err := n.store.Runners(ctx, missing)
	if err != nil {
		return found, err
	}
	for _, id := range missing {
		runner := runners[id]
		found[id] = name{
			plain: runner.Name, folded: fold(runner.Name), hidden: race.Initials(runner.Name), wishes: runner.Discretion(), at: now,
		}
	}
	n.keep(missing, found, forgotten)
	return found, nil
}

// forget has names read again.
func (n *names) forget(userIDs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forgotten++
	for _, id := range userIDs {
		delete(n.known, id)
	}
}

func (n *names) keep(userIDs []string, found map[string]name, forgotten int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.forgotten != forgotten {
		return
	}
	if len(n.known)+len(userIDs) > maxNames {
		clear(n.known)
	}
	for _, id := range userIDs {
		n.known[id] = found[id]
	}
}

// unheard reports whether a character is left out of what is searched: an accent, or one
// that nobody sees and that a name which was copied from a page may have at its end.
func unheard(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Cf) }

// fold returns the searchable form of a name, without case and accents, so that
// "nunez" finds Núñez.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80
	}
	if plain {
		return strings.ToLower(s)
	}
	folder := transform.Chain(norm.NFD, runes.Remove(runes.Predicate(unheard)), cases.Fold(), norm.NFC)
	folded, _, err := transform.String(folder, s)
	if err != nil {
		return strings.ToLower(s)
	}
	return folded
}
