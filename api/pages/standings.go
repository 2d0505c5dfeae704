package pages

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strconv"

	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

const (
	// rowsPerPage is how many rows a page has; 100 rows take some 6 kB compressed.
	rowsPerPage = 100
	// rowsForPrint is how many rows a page for a printer has.
	rowsForPrint = 1000
	// rowsAround is how many rows are shown on either side of somebody.
	rowsAround = 50
	// maxHits is how many runners a search lists.
	maxHits = 100
)

type standingsView struct {
	*raceView
	version  apistandings.Version
	field    race.Field
	sex      race.Sex
	division string
	unplaced bool // the list of those without a place

	fields    []choice // that are in the version, when there are several
	sexes     []choice
	divisions []string
	basis     race.Basis // of the clock that ranks this list
	hasGun    bool
	hasNet    bool
	hasPoints bool

	rows        []standingsRow
	from        int // position of the first row, from 0
	placed, out int // rows with and without a place in this list
	page, pages int // 0: the rows around somebody
	rowCount    int // per page
	q           string
	hits        []hit
	moreHits    bool
	searched    bool
	missing     bool // the bib that was asked for is not in this list
	old         bool // not the latest version
}

// choice is a value of a filter.
type choice struct {
	title   string
	chosen  bool
	address string
}

type standingsRow struct {
	*standings.Row
	place int // in the list that is shown
	name  string
	found bool // who was searched for
}

type hit struct {
	standingsRow
	address string
}

func (s *site) standings(ctx context.Context, r *request) (page, error) {
	found, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	v := &standingsView{raceView: found}
	p := page{
		title: r.T("standings.of", "Race", found.Name), description: r.describe(found), keep: keepShort,
	}
	number, err := r.number("version")
	if err != nil {
		return page{}, err
	}
	v.old = number != 0 && number != found.latest.Version
	number = cmp.Or(number, found.latest.Version)
	if number == 0 {
		p.body = noStandingsBody(r, found, race.DateOf(s.Now().UTC()))
		return p, nil
	}
	if v.version, err = s.Standings.Version(ctx, found.ID, number); err != nil {
		return page{}, err
	}
	if err := s.fillStandings(ctx, r, v); err != nil {
		return page{}, err
	}
	p.body, p.version = standingsBody(r, v, race.DateOf(s.Now().UTC())), number
	if !v.old && r.get("version") == "" {
		p.follow = found.ID
	}
	if v.q != "" || r.get("bib") != "" || v.old || v.rowCount != rowsPerPage || v.page > 1 {
		p.hidden = v.old || v.q != ""
	}
	return p, nil
}

func (s *site) fillStandings(ctx context.Context, r *request, v *standingsView) error {
	rules, err := v.version.Rules()
	if err != nil {
		return err
	}
	if err := v.choose(r, rules); err != nil {
		return err
	}
	selected := v.version.Select(apistandings.Query{Field: string(v.field), Sex: string(v.sex), Division: v.division})
	// Those without a place come last.
	v.placed = sort.Search(len(selected), func(i int) bool { return v.placeOf(&v.version.Rows[selected[i]]) == 0 })
	v.out = len(selected) - v.placed
	if v.q = r.get("q"); v.q != "" {
		if done, err := s.search(ctx, r, v, selected); done || err != nil {
			return err
		}
	}
	if v.page == 0 {
		if err := v.paginate(r, selected); err != nil {
			return err
		}
	}
	s.nameRows(ctx, r, v)
	return nil
}

// choose reads the filters and finds out what there is to choose from.
func (v *standingsView) choose(r *request, rules maindb.Ruleset) error {
	field, err := r.oneOf("field", string(race.Runner), string(race.Wheelchair), string(race.Handcycle))
	if err != nil {
		return err
	}
	sex, err := r.oneOf("sex", string(race.Female), string(race.Male), string(race.NonBinary))
	if err != nil {
		return err
	}
	list, err := r.oneOf("list", "unplaced")
	if err != nil {
		return err
	}
	v.field, v.sex, v.division, v.unplaced = cmp.Or(race.Field(field), race.Runner), race.Sex(sex), r.get("division"), list != ""
	v.basis = rules.Ranking.Basis
	if v.division != "" && rules.Ranking.DivisionsBasis != "" {
		v.basis = rules.Ranking.DivisionsBasis
	}
	fields, sexes, divisions := map[race.Field]bool{}, map[race.Sex]bool{}, map[string]bool{}
	for i := range v.version.Rows {
		row := &v.version.Rows[i]
		fields[row.Field] = true
		if row.Field == v.field {
			sexes[row.Sex], divisions[row.Division] = true, true
			v.hasGun, v.hasNet, v.hasPoints = v.hasGun || row.Result.Gun != 0, v.hasNet || row.Result.Net != 0, v.hasPoints || row.Credited
		}
	}
	for _, f := range []race.Field{race.Runner, race.Wheelchair, race.Handcycle} {
		if fields[f] && len(fields) > 1 {
			v.fields = append(v.fields, choice{
				title: r.T("field." + string(f)), chosen: f == v.field,
				address: r.here("field", unless(string(f), string(race.Runner)), "sex", "", "division", "", "page", "", "q", "", "bib", "", "list", ""),
			})
		}
	}
	for _, x := range []race.Sex{"", race.Female, race.Male, race.NonBinary} {
		if x == "" || sexes[x] {
			v.sexes = append(v.sexes, choice{
				title: r.T("sex." + string(cmp.Or(x, "all"))), chosen: x == v.sex && v.division == "",
				address: r.here("sex", string(x), "division", "", "page", "", "q", "", "bib", ""),
			})
		}
	}
	for _, d := range rules.Divisions {
		if divisions[d.Name] {
			v.divisions = append(v.divisions, d.Name)
		}
	}
	return nil
}

func unless(value, standard string) string {
	if value == standard {
		return ""
	}
	return value
}

// placeOf returns a row's place in the list that is shown.
func (v *standingsView) placeOf(row *standings.Row) int {
	switch {
	case v.division != "" && v.sex == "":
		return row.DivisionPlace
	case v.division != "":
		return row.DivisionPlace
	case v.sex != "":
		return row.SexPlace
	}
	return row.Place
}

// search finds who the reader is looking for. One hit leads to the rows around it,
// several to a list; it reports whether the page is complete.
func (s *site) search(ctx context.Context, r *request, v *standingsView, selected []int) (done bool, err error) {
	v.searched = true
	positions, err := s.Standings.Search(ctx, v.version, selected, v.q, maxHits+1)
	if err != nil {
		return false, err
	}
	isBib := func(position int) bool {
		return race.BibKey(v.version.Rows[selected[position]].Result.Bib) == race.BibKey(v.q)
	}
	if exact := slices.IndexFunc(positions, isBib); exact >= 0 {
		positions = positions[exact : exact+1]
	}
	if len(positions) == 1 {
		v.around(selected, positions[0])
		return false, nil
	}
	if v.moreHits = len(positions) > maxHits; v.moreHits {
		positions = positions[:maxHits]
	}
	rows := make([]*standings.Row, len(positions))
	for i, position := range positions {
		rows[i] = &v.version.Rows[selected[position]]
	}
	names := s.names(ctx, r, v.version, rows)
	for _, row := range rows {
		v.hits = append(v.hits, hit{
			standingsRow{Row: row, place: v.placeOf(row), name: names[row.UserID]},
			r.here("q", "", "page", "", "bib", row.Result.Bib) + "#found",
		})
	}
	return len(v.hits) > 0, nil
}

// around shows the rows on either side of a position.
func (v *standingsView) around(selected []int, position int) {
	v.unplaced = position >= v.placed
	first, last := 0, v.placed
	if v.unplaced {
		first, last = v.placed, len(selected)
	}
	v.from = max(first, position-rowsAround)
	v.take(selected[v.from:min(last, position+rowsAround+1)])
	v.rows[position-v.from].found = true
	v.rowCount = rowsPerPage
}

// paginate shows the page that was asked for, or the rows around a bib.
func (v *standingsView) paginate(r *request, selected []int) error {
	if bib := r.get("bib"); bib != "" && len(v.rows) == 0 {
		key := race.BibKey(bib)
		position := slices.IndexFunc(selected, func(i int) bool { return race.BibKey(v.version.Rows[i].Result.Bib) == key })
		if position >= 0 {
			v.around(selected, position)
			return nil
		}
		v.missing = true
	}
	if len(v.rows) > 0 {
		return nil
	}
	count, err := r.oneOf("rows", strconv.Itoa(rowsForPrint))
	if err != nil {
		return err
	}
	v.rowCount = rowsPerPage
	if count != "" {
		v.rowCount = rowsForPrint
	}
	first, total := 0, v.placed
	if v.unplaced {
		first, total = v.placed, v.out
	}
	v.pages = max(1, (total+v.rowCount-1)/v.rowCount)
	if v.page, err = r.number("page"); err != nil {
		return err
	}
	v.page = max(v.page, 1)
	if v.page > v.pages {
		return &badParameter{"page", "error.page"}
	}
	v.from = first + (v.page-1)*v.rowCount
	v.take(selected[v.from:min(first+total, v.from+v.rowCount)])
	return nil
}

func (v *standingsView) take(indexes []int) {
	v.rows = make([]standingsRow, len(indexes))
	for i, index := range indexes {
		row := &v.version.Rows[index]
		v.rows[i] = standingsRow{Row: row, place: v.placeOf(row)}
	}
}

func (s *site) nameRows(ctx context.Context, r *request, v *standingsView) {
	rows := make([]*standings.Row, len(v.rows))
	for i := range v.rows {
		rows[i] = v.rows[i].Row
	}
	names := s.names(ctx, r, v.version, rows)
	for i := range v.rows {
		v.rows[i].name = names[v.rows[i].UserID]
	}
}

// csv is the address of the list as a table.
func (v *standingsView) csv() string {
	version := ""
	if v.old {
		version = strconv.Itoa(v.version.Version)
	}
	return with("/v1/races/"+v.ID+"/standings.csv", "field", string(v.field), "sex", string(v.sex), "division", v.division, "version", version)
}

// pageLinks returns the numbers of the pages to link to; 0 stands for a gap.
func (v *standingsView) pageLinks() (numbers []int) {
	last := 0
	for n := 1; n <= v.pages; n++ {
		if n != 1 && n != v.pages && (n < v.page-1 || n > v.page+1) {
			continue
		}
		if n > last+1 {
			numbers = append(numbers, 0)
		}
		numbers, last = append(numbers, n), n
	}
	return numbers
}

// title says which list this is.
func (v *standingsView) title(l *locale) string {
	text := l.T("sex.all")
	switch {
	case v.division != "":
		text = v.division
	case v.sex != "":
		text = l.T("sex." + string(v.sex))
	}
	if v.field != race.Runner {
		text = l.T("field."+string(v.field)) + " · " + text
	}
	if v.unplaced {
		text += " · " + l.T("standings.unplaced")
	}
	return text
}
