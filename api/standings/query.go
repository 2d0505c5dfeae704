package standings

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
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

// filter is what the query selects by without names.
func (q Query) filter() filter {
	f := filter{field: race.Field(q.Field), sex: race.Sex(q.Sex), division: q.Division, bib: race.BibKey(q.Bib)}
	if f.field == "" && f.bib == "" {
		f.field = race.Runner
	}
	return f
}

// selection is what a query takes of a version.
type selection struct {
	version *loaded // nil: the race has no standings yet
	rows    []*standings.Row
	names   map[string]name
	next    int  // position behind the last row; 0: that was the end
	named   bool // all names could be read
}

// selector answers queries from memory.
type selector struct {
	board *board
	names *names
}

// pick returns up to limit rows of a version from a position on, a limit of 0
// being none. When the ledger's names cannot be read rows come without them,
// but for a search, which would find too little.
func (s selector) pick(ctx context.Context, q Query, loaded *loaded, position, limit int) (_ selection, err error) {
	picked := selection{version: loaded}
	view := loaded.view(q.filter())
	view = view[min(position, len(view)):]
	if q.Q != "" {
		return s.search(ctx, picked, q.Q, view, position, limit)
	}
	if limit > 0 && len(view) > limit {
		view = view[:limit]
		picked.next = position + limit
	}
	for _, i := range view {
		picked.rows = append(picked.rows, &loaded.rows[i])
	}
	picked.names, err = s.names.of(ctx, usersOf(picked.rows))
	picked.named = err == nil
	return picked, nil
}

func (s selector) search(ctx context.Context, picked selection, q string, view []int, position, limit int) (selection, error) {
	all := make([]*standings.Row, len(view))
	for i, index := range view {
		all[i] = &picked.version.rows[index]
	}
	names, err := s.names.of(ctx, usersOf(all))
	if err != nil {
		return selection{}, fmt.Errorf("search names: %w", err)
	}
	picked.names, picked.named = names, true
	wanted, bib := fold(strings.TrimSpace(q)), race.BibKey(q)
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

func usersOf(rows []*standings.Row) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.UserID
	}
	return ids
}

// at says which version a page is of, and where in it the page begins: a cursor
// stays on the version of the page before.
func at(q Query, cursor string, latest int) (version, position int, err error) {
	parts, err := server.DecodeCursor(cursor, 2)
	if err != nil {
		return 0, 0, err
	}
	if parts == nil {
		if q.Version != 0 {
			return q.Version, 0, nil
		}
		return latest, 0, nil
	}
	version, versionErr := strconv.Atoi(parts[0])
	position, positionErr := strconv.Atoi(parts[1])
	if versionErr != nil || positionErr != nil || version < 1 || position < 0 || q.Version != 0 && q.Version != version {
		return 0, 0, badCursor()
	}
	return version, position, nil
}
