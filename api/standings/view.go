package standings

import (
	"cmp"
	"slices"
	"sync"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// maxViews is how many views of a version are kept: fields, sexes and divisions
// are few, but a caller may invent some.
const maxViews = 100

// loaded is a version with its rows in the order in which they are listed.
type loaded struct {
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
	bib      string // as race.BibKey writes it
}

// takes reports whether the filter selects a row.
func (f filter) takes(r *standings.Row) bool {
	return (f.field == "" || r.Field == f.field) && (f.sex == "" || r.Sex == f.sex) &&
		(f.division == "" || r.Division == f.division) && (f.bib == "" || race.BibKey(r.Result.Bib) == f.bib)
}

// view returns the indexes of the rows that a filter takes, in the order of the
// ranking that it shows: of a division that is ranked by another time than the
// race, its own. It must not be changed.
func (l *loaded) view(f filter) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.views[f]; ok {
		return known
	}
	view := []int{}
	for i := range l.rows {
		if f.takes(&l.rows[i]) {
			view = append(view, i)
		}
	}
	if f.division != "" {
		slices.SortStableFunc(view, func(a, b int) int { return lastIfNone(l.rows[a].DivisionPlace, l.rows[b].DivisionPlace) })
	}
	if len(l.views) < maxViews && f.bib == "" { // a race has too many bibs to remember a view of each
		l.views[f] = view
	}
	return view
}

// lastIfNone compares places, of which zero is none.
func lastIfNone(a, b int) int {
	if (a == 0) != (b == 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}
