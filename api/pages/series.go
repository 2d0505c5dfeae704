package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/series"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	ranking "github.com/mrmrthon/mrmrthon/internal/series"
)

const (
	ownSeriesPath = organizePath + "/series"
	// seriesPerPage is how many series the list of all has on a page.
	seriesPerPage = 50
	// maxOwnSeries is above how many series an organizer may have.
	maxOwnSeries = 100
	// maxOwnRaces is how many of their races an organizer can choose from, the newest.
	maxOwnRaces = 300
)

func seriesPath(seriesID string) string { return "/series/" + seriesID }

// seriesList lists the series of all organizers.
func (s *site) seriesList(ctx context.Context, r *request) (page, error) {
	part := server.Page{Limit: seriesPerPage, Cursor: r.get("after")}
	var after string
	if err := part.Seek(&after); err != nil {
		return page{}, err
	}
	found, err := s.Races.ListSeries(ctx, "", after, seriesPerPage+1)
	if err != nil {
		return page{}, err
	}
	found, cursor := server.Cut(part, found, func(last maindb.Series) []any { return []any{last.ID} })
	more := ""
	if cursor != "" {
		more = r.here("after", cursor)
	}
	return page{title: r.T("series.list"), description: r.T("series.about"), body: seriesListBody(r, found, more), keep: keepShort}, nil
}

// seriesView is the standings of a series.
type seriesView struct {
	series.Standings
	people      map[string]standings.Person
	field       string
	sex         string
	division    string
	fields      []choice
	sexes       []choice
	total       int
	page, pages int
	old         bool
}

// seriesQuery reads the filters of a page about a series.
func (r *request) seriesQuery() (series.Query, error) {
	q := series.Query{Path: series.Path{SeriesID: r.series}, Field: string(race.Runner)}
	field, err := r.oneOf("field", string(race.Runner), string(race.Wheelchair), string(race.Handcycle))
	if err != nil {
		return q, err
	}
	if field != "" {
		q.Field = field
	}
	if q.Sex, err = r.oneOf("sex", string(race.Female), string(race.Male), string(race.NonBinary)); err != nil {
		return q, err
	}
	q.Division = r.get("division")
	q.Version, err = r.number("version")
	return q, err
}

func (s *site) seriesStandings(ctx context.Context, r *request) (page, error) {
	q, err := r.seriesQuery()
	if err != nil {
		return page{}, err
	}
	v := seriesView{field: q.Field, sex: q.Sex, division: q.Division, old: q.Version != 0}
	if v.page, err = r.number("page"); err != nil {
		return page{}, err
	}
	v.page = max(v.page, 1)
	if v.Standings, err = s.Series.Read(ctx, q); err != nil {
		return page{}, err
	}
	v.total = len(v.Rows)
	if v.pages = max(1, (v.total+rowsPerPage-1)/rowsPerPage); v.page > v.pages {
		return page{}, &badParameter{"page", "error.page"}
	}
	first := (v.page - 1) * rowsPerPage
	v.Rows = v.Rows[first:min(first+rowsPerPage, v.total)]
	v.people = s.seriesPeople(ctx, r, v.Rows)
	for _, field := range []race.Field{race.Runner, race.Wheelchair, race.Handcycle} {
		v.fields = append(v.fields, choice{r.T("field." + string(field)), v.field == string(field), r.here("field", unless(string(field), string(race.Runner)), "page", "")})
	}
	v.sexes = append(v.sexes, choice{r.T("sex.all"), v.sex == "", r.here("sex", "", "page", "")})
	for _, sex := range []race.Sex{race.Female, race.Male, race.NonBinary} {
		v.sexes = append(v.sexes, choice{r.T("sex." + string(sex)), v.sex == string(sex), r.here("sex", string(sex), "page", "")})
	}
	return page{
		title: v.Name, description: r.T("series.describe", "Races", len(v.Races)), body: seriesBody(r, v), keep: keepShort, hidden: v.page > 1 || v.old,
	}, nil
}

// seriesPeople returns what the public may read of the runners of rows.
func (s *site) seriesPeople(ctx context.Context, r *request, rows []*ranking.Row) map[string]standings.Person {
	people, ok := s.Series.People(ctx, rows)
	if !ok {
		r.nameless = true
	}
	return people
}

// seriesRunnerView is how a runner's total in a series came about.
type seriesRunnerView struct {
	series.Standings
	row    *ranking.Row
	name   string
	field  string
	counts int // results that count
}

func (s *site) seriesRunner(ctx context.Context, r *request) (page, error) {
	q, err := r.seriesQuery()
	if err != nil {
		return page{}, err
	}
	v := seriesRunnerView{field: q.Field}
	if v.Standings, err = s.Series.Read(ctx, q); err != nil {
		return page{}, err
	}
	i := slices.IndexFunc(v.Rows, func(row *ranking.Row) bool { return row.UserID == r.runner })
	if i < 0 {
		return page{}, race.ErrNotFound
	}
	v.row = v.Rows[i]
	v.name = s.seriesPeople(ctx, r, []*ranking.Row{v.row})[v.row.UserID].Name
	for j := range v.row.Results {
		if v.row.Results[j].Why == ranking.Counts {
			v.counts++
		}
	}
	return page{title: r.shown(v.name) + " · " + v.Name, body: seriesRunnerBody(r, v), keep: keepShort, hidden: q.Version != 0}, nil
}

// score writes thousandths of a point.
func score(thousandths int64) string { return decimal(float64(thousandths) / ranking.Whole) }

// inRace is what a runner has in a race of a series: the score, in brackets when it does
// not count since others are better.
func inRace(row *ranking.Row, raceID string) string {
	text := ""
	for i := range row.Results {
		switch result := &row.Results[i]; {
		case result.RaceID != raceID:
		case result.Why == ranking.Counts:
			return score(result.Score())
		case result.Why == ranking.BeyondBest:
			text = "(" + score(result.Score()) + ")"
		}
	}
	return text
}

// ownSeriesPages adds the pages by which organizers make series.
func (s *site) ownSeriesPages(get, post func(path string, act action)) {
	get(ownSeriesPath, s.ownSeries)
	get(ownSeriesPath+"/new", s.newSeriesForm)
	post(ownSeriesPath+"/new", s.createSeries)
	get(ownSeriesPath+"/{series_id}", s.seriesForm)
	post(ownSeriesPath+"/{series_id}", s.changeSeries)
	post(ownSeriesPath+"/{series_id}/delete", s.deleteSeries)
}

func (s *site) ownSeries(ctx context.Context, v *visit) (page, error) {
	found, err := s.Races.ListSeries(ctx, v.caller.UserID, "", maxOwnSeries)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("series.own"), body: ownSeriesBody(v, found)}, nil
}

// seriesFormView is the form of a series.
type seriesFormView struct {
	maindb.Series             // without an ID: a new one
	races         []race.Race // that the organizer can choose from
	was           url.Values
	divisions     settingsView // the rows of the divisions
}

// divisionRows is the list of divisions in a form, as that of a race has it.
var divisionRows = &settingsPart{list: "divisions", row: []string{"name", "sex", "min_age", "max_age", "field"}}

func (s *site) newSeriesForm(ctx context.Context, v *visit) (page, error) {
	return s.seriesPage(ctx, v, seriesFormView{})
}

// seriesPage draws the form. A new one shows the series as it is.
func (s *site) seriesPage(ctx context.Context, v *visit, f seriesFormView) (page, error) {
	if !v.form.sent {
		v.form.values, v.form.sent = seriesValues(f.Series), true // so that every field shows its value
	}
	if f.was == nil {
		f.was = seriesValues(f.Series)
	}
	f.divisions = settingsView{settingsPart: divisionRows, rows: min(divisionRows.compact(v.form.values)+emptyRows, maxRows)}
	if v.form.get("do") == "more" {
		f.divisions.rows = min(f.divisions.rows-emptyRows+moreRows, maxRows)
	}
	var before string
	for len(f.races) < maxOwnRaces {
		found, err := s.Races.RacesOf(ctx, v.caller.UserID, before, seriesPerPage)
		if err != nil {
			return page{}, err
		}
		for _, own := range found {
			if own.Role == race.Owner {
				f.races = append(f.races, own.Race)
			}
		}
		if len(found) < seriesPerPage {
			break
		}
		before = found[len(found)-1].Race.ID
	}
	title := v.T("series.new")
	if f.ID != "" {
		title = f.Name
	}
	return page{title: title, body: seriesFormBody(v, f)}, nil
}

func inSeries(raceID string) string     { return "race." + raceID }
func multiplierOf(raceID string) string { return "multiplier." + raceID }

// seriesValues are the fields of the form. Races have fields of their own, by their IDs:
// the list of an organizer's races grows.
func seriesValues(n maindb.Series) url.Values {
	values := url.Values{"name": {n.Name}, "best": {number(n.Best)}, "min_races": {number(n.MinRaces)}, "ages_on": {""}}
	if !n.AgesOn.IsZero() {
		values.Set("ages_on", n.AgesOn.String())
	}
	for i := range ranking.Ties {
		values.Set(tieField(i), "")
		if i < len(n.Ties) {
			values.Set(tieField(i), string(n.Ties[i]))
		}
	}
	for _, r := range n.Races {
		values.Set(inSeries(r.ID), "yes")
		values.Set(multiplierOf(r.ID), score(r.Multiplier))
	}
	setDivisionRows(values, n.Divisions)
	return values
}

func tieField(i int) string { return "ties[" + strconv.Itoa(i) + "]" }

// seriesChange reads the form. ids are the races in the order of the change, so that what
// is wrong with one is said beside it.
func (v *visit) seriesChange() (in series.NewBody, ids []string) {
	in = series.NewBody{
		Name: v.form.get("name"), Best: v.whole("best"), MinRaces: v.whole("min_races"), AgesOn: v.form.get("ages_on"),
		Races: []series.RaceBody{}, Ties: []ranking.Tie{}, Divisions: v.divisionBodies(),
	}
	for i := range ranking.Ties {
		if tie := v.form.get(tieField(i)); tie != "" {
			in.Ties = append(in.Ties, ranking.Tie(tie))
		}
	}
	for name := range v.form.values {
		if id, ok := strings.CutPrefix(name, "race."); ok && server.IsID(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		one := series.RaceBody{RaceID: id}
		if text := v.form.get(multiplierOf(id)); text != "" {
			multiplier, err := strconv.ParseFloat(text, 64)
			if err != nil {
				v.blame(multiplierOf(id), v.T("wrong.number"))
			}
			one.Multiplier = &multiplier
		}
		in.Races = append(in.Races, one)
	}
	return in, ids
}

// seriesRefused puts what is wrong beside the fields of the form, which names races by
// their IDs.
func (v *visit) seriesRefused(err error, ids []string) bool {
	if !v.refused(err) {
		return false
	}
	for i, id := range ids {
		for _, field := range []string{"race_id", "multiplier"} {
			from, to := fmt.Sprintf("races[%d].%s", i, field), multiplierOf(id)
			if text, wrong := v.form.wrong[from]; wrong {
				delete(v.form.wrong, from)
				v.form.order = slices.DeleteFunc(v.form.order, func(name string) bool { return name == from })
				v.form.add(to, text)
			}
		}
	}
	return true
}

// editsSeries reports whether a button only changes the form.
func (v *visit) editsSeries() bool {
	switch do := v.form.get("do"); do {
	case "ten", "five", "sex":
		setDivisionRows(v.form.values, ageGroupsOf(do))
		return true
	case "more":
		return true
	}
	return false
}

func (s *site) createSeries(ctx context.Context, v *visit) (page, error) {
	divisionRows.compact(v.form.values)
	if v.editsSeries() {
		return s.newSeriesForm(ctx, v)
	}
	in, ids := v.seriesChange()
	if v.form.refused() {
		return s.newSeriesForm(ctx, v)
	}
	created, err := s.Series.Create(ctx, in)
	if v.seriesRefused(err, ids) {
		return s.newSeriesForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(ownSeriesPath+"/"+created.ID, "series-created")
}

func (s *site) seriesForm(ctx context.Context, v *visit) (page, error) {
	found, err := s.Series.Owned(ctx, v.param("series_id"))
	if err != nil {
		return page{}, err
	}
	return s.seriesPage(ctx, v, seriesFormView{Series: found})
}

// errSeriesChanged is the error of a form that shows a series as it no longer is.
var errSeriesChanged = errors.New("the series has changed since the form was opened")

func (s *site) changeSeries(ctx context.Context, v *visit) (page, error) {
	found, err := s.Series.Owned(ctx, v.param("series_id"))
	if err != nil {
		return page{}, err
	}
	f := seriesFormView{Series: found}
	if f.was, err = url.ParseQuery(v.form.values.Get("was")); err != nil || len(f.was) == 0 {
		f.was = seriesValues(found)
	}
	divisionRows.compact(v.form.values)
	if v.editsSeries() {
		return s.seriesPage(ctx, v, f)
	}
	in, ids := v.seriesChange()
	if v.form.refused() {
		return s.seriesPage(ctx, v, f)
	}
	change := series.ChangeBody{
		Name: &in.Name, Races: &in.Races, Best: &in.Best, MinRaces: &in.MinRaces, Ties: &in.Ties, AgesOn: &in.AgesOn, Divisions: &in.Divisions,
	}
	err = s.Series.Change(ctx, found.ID, change, func(now maindb.Series) error {
		if seriesValues(now).Encode() != f.was.Encode() {
			return errSeriesChanged
		}
		return nil
	})
	if errors.Is(err, errSeriesChanged) {
		if f.Series, err = s.Series.Owned(ctx, found.ID); err != nil {
			return page{}, err
		}
		v.form.problem, v.form.status = v.T("series.stale"), http.StatusPreconditionFailed
		f.was = nil // sent again, it is a decision
		return s.seriesPage(ctx, v, f)
	}
	if v.seriesRefused(err, ids) {
		return s.seriesPage(ctx, v, f)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(ownSeriesPath+"/"+found.ID, "settings-saved")
}

func (s *site) deleteSeries(ctx context.Context, v *visit) (page, error) {
	if v.form.get("sure") == "" {
		v.blame("sure", v.T("series.delete.sure"))
		v.form.sent = false
		found, err := s.Series.Owned(ctx, v.param("series_id"))
		if err != nil {
			return page{}, err
		}
		return s.seriesPage(ctx, v, seriesFormView{Series: found})
	}
	if err := s.Series.Delete(ctx, v.param("series_id")); err != nil && !isNotFound(err) { // not found: pressed twice
		return page{}, err
	}
	return v.done(ownSeriesPath, "series-deleted")
}

func (v *visit) tieChoices() []option {
	list := []option{{"", v.T("series.tie.none")}}
	for _, tie := range ranking.Ties {
		list = append(list, option{string(tie), v.T("series.tie." + string(tie))})
	}
	return list
}

// divisionBodies reads the rows of divisions.
func (v *visit) divisionBodies() []races.DivisionBody {
	list := make([]races.DivisionBody, rowsIn(v.form.values, "divisions"))
	age := func(i int, field string) *int {
		name := cell("divisions", i, field)
		if v.form.get(name) == "" {
			return nil
		}
		return new(v.whole(name))
	}
	for i := range list {
		get := func(field string) string { return v.form.get(cell("divisions", i, field)) }
		list[i] = races.DivisionBody{
			Name: get("name"), Sex: race.Sex(get("sex")), Field: race.Field(get("field")), MinAge: age(i, "min_age"), MaxAge: age(i, "max_age"),
		}
	}
	return list
}
