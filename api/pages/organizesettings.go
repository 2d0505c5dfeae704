package pages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

func (s *site) newRaceForm(_ context.Context, v *visit) (page, error) {
	return page{title: v.T("newrace.title"), body: newRaceBody(v)}, nil
}

func (s *site) createRace(ctx context.Context, v *visit) (page, error) {
	in := races.NewRaceBody{
		Name: v.form.get("name"), Date: v.form.get("date"), City: v.form.get("city"), Country: v.country(), DistanceM: v.metres("distance_m"),
		Ranking: races.RankingBody{Basis: race.Basis(v.form.get("ranking.basis"))}, Scoring: v.form.get("scoring"),
	}
	if in.Scoring == "fixed" {
		in.Points = new(int64(v.whole("points")))
	}
	if v.form.get("capacity") != "" {
		in.Capacity = new(v.whole("capacity"))
	}
	for _, d := range ageGroupsOf(v.form.get("groups")) {
		in.Divisions = append(in.Divisions, races.DivisionBody(d))
	}
	if v.form.refused() {
		return s.newRaceForm(ctx, v)
	}
	r, err := s.Settings.Create(ctx, in)
	if v.refused(err) {
		return s.newRaceForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(r.ID), "race-created")
}

// whole reads a whole number; an empty field stands for 0.
func (v *visit) whole(name string) int {
	text := strings.ReplaceAll(v.form.get(name), ",", "")
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > math.MaxInt32 || n < math.MinInt32 {
		v.blame(name, v.T("wrong.number"))
	}
	return n
}

// metres reads a distance.
func (v *visit) metres(name string) float64 {
	metres, err := strconv.ParseFloat(strings.ReplaceAll(v.form.get(name), ",", ""), 64)
	if err != nil || math.IsNaN(metres) || math.IsInf(metres, 0) {
		v.blame(name, v.T("wrong.metres"))
		return 0
	}
	return metres
}

// country reads the code of a country.
func (v *visit) country() string {
	code := strings.ToUpper(v.form.get("country"))
	if code != "" && (len(code) != 2 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		v.blame("country", v.T("wrong.country"))
	}
	return code
}

// ageGroupsOf returns common divisions: by sex alone, or in groups of so many years.
func ageGroupsOf(preset string) []race.Division {
	years := map[string]int{"sex": 0, "ten": 10, "five": 5}
	step, known := years[preset]
	if !known {
		return nil
	}
	var list []race.Division
	for _, sex := range []race.Sex{race.Female, race.Male} {
		if step == 0 {
			list = append(list, race.Division{Name: string(sex), Sex: sex})
			continue
		}
		const youngest, oldest = 20, 70
		list = append(list, race.Division{Name: string(sex) + " U20", Sex: sex, MaxAge: new(youngest - 1)})
		for age := youngest; age < oldest; age += step {
			list = append(list, race.Division{Name: fmt.Sprintf("%s%d-%d", sex, age, age+step-1), Sex: sex, MinAge: new(age), MaxAge: new(age + step - 1)})
		}
		list = append(list, race.Division{Name: fmt.Sprintf("%s%d+", sex, oldest), Sex: sex, MinAge: new(oldest)})
	}
	return list
}

// settingsPart is a form that changes a part of the settings of a race.
type settingsPart struct {
	name string
	// values are the fields of a new form, named as in the API.
	values func(race.Race) url.Values
	// change reads a form: what differs from was is to be changed.
	change func(v *visit, was url.Values) races.RaceChangeBody
	fields func(v *visit, e settingsView) templ.Component
	list   string // the field that is a list of rows, empty: none
	row    []string
}

// settingsView is a form of settings.
type settingsView struct {
	race.Race
	*settingsPart
	was   url.Values        // the fields as they were when the reader began
	stale []changedField    // what somebody else has changed since
	rows  int               // of the list, with some empty ones
	plan  *consequencesView // what the change leads to; shown only in a preview
	moved bool              // what the change leads to has changed since the reader saw the preview
	// effects is what a change of entry leads to, in sentences.
	effects []string
	// editions are the races that can be the next edition.
	editions []option
}

var settingsParts = []*settingsPart{
	{name: "general", values: generalValues, change: (*visit).generalChange, fields: generalFields},
	{name: "ranking", values: rankingValues, change: (*visit).rankingChange, fields: rankingFields},
	{
		name: "divisions", values: divisionValues, change: (*visit).divisionsChange, fields: divisionFields,
		list: "divisions", row: []string{"name", "sex", "min_age", "max_age", "field"},
	},
	{
		name: "awards", values: awardValues, change: (*visit).awardsChange, fields: awardFields,
		list: "teams", row: []string{"name", "rule", "n", "sex", "min_per_sex"},
	},
	{
		name: "course", values: courseValues, change: (*visit).courseChange, fields: courseFields,
		list: "timing_points", row: []string{"name", "distance_m"},
	},
	{
		name: "entry", values: entryValues, change: (*visit).entryChange, fields: entrySettingFields,
		list: "entry.pools", row: []string{"key", "name", "capacity", "opens_at", "division", "bib_from", "bib_to", "standard.distance_m", "standard.men", "standard.women", "standard.since"},
	},
}

func (v *visit) settingsPart() (*settingsPart, error) {
	i := slices.IndexFunc(settingsParts, func(p *settingsPart) bool { return p.name == v.param("part") })
	if i < 0 {
		return nil, race.ErrNotFound
	}
	return settingsParts[i], nil
}

func cell(list string, i int, field string) string { return fmt.Sprintf("%s[%d].%s", list, i, field) }

const (
	emptyRows = 3
	moreRows  = 10
	maxRows   = 200
)

// settingsPage draws a form of settings. A new one shows the race as it is.
func (s *site) settingsPage(ctx context.Context, v *visit, e settingsView) (page, error) {
	if e.name == "entry" {
		var err error
		if e.editions, err = s.editions(ctx, v, e.Race); err != nil {
			return page{}, err
		}
	}
	if !v.form.sent {
		v.form.values = e.values(e.Race)
		v.form.sent = true // so that every field shows its value
	}
	if e.was == nil {
		e.was = e.values(e.Race)
	}
	if e.list != "" {
		given := e.compact(v.form.values)
		e.rows = min(given+emptyRows, maxRows)
		if v.form.get("do") == "more" {
			e.rows = min(given+moreRows, maxRows)
		}
	}
	return page{title: v.T("settings." + e.name), body: raceSettingsBody(v, e)}, nil
}

// compact moves the rows of a list together, without those that are empty or to be
// removed, so that a row has the same index here as in the API. It returns how many
// there are.
func (p *settingsPart) compact(values url.Values) int {
	n := 0
	for i := range maxRows {
		row, given := map[string]string{}, false
		for _, field := range p.row {
			name := cell(p.list, i, field)
			row[field] = strings.TrimSpace(values.Get(name))
			given = given || row[field] != "" && !p.preset(field)
			values.Del(name)
		}
		removed := values.Get(cell(p.list, i, "remove")) != ""
		values.Del(cell(p.list, i, "remove"))
		if !given || removed {
			continue
		}
		for field, value := range row {
			values.Set(cell(p.list, n, field), value)
		}
		n++
	}
	return n
}

// preset reports whether a field of an empty row has a value, since it is a choice.
func (p *settingsPart) preset(field string) bool {
	return p.list == "teams" && (field == "rule" || field == "sex") || p.list == "entry.pools" && field == "key"
}

// rowsIn counts the rows of a list that compact has moved together.
func rowsIn(values url.Values, list string) int {
	for i := range maxRows {
		if !values.Has(cell(list, i, "name")) {
			return i
		}
	}
	return maxRows
}

func (s *site) settingsForm(ctx context.Context, v *visit) (page, error) {
	part, err := v.settingsPart()
	if err != nil {
		return page{}, err
	}
	return s.settingsPage(ctx, v, settingsView{Race: server.RaceFrom(ctx), settingsPart: part})
}

// changedMeanwhile is the error of a form that shows a race as it no longer is.
type changedMeanwhile struct{ fields []changedField }

func (*changedMeanwhile) Error() string { return "the settings have changed since the form was opened" }

// unlessChanged refuses a change when the fields of its form are not as its reader saw
// them.
func (p *settingsPart) unlessChanged(was url.Values) func(race.Race) error {
	return func(r race.Race) error {
		now := p.values(r)
		names := slices.Sorted(maps.Keys(now))
		for name := range was {
			if !now.Has(name) {
				names = append(names, name)
			}
		}
		var fields []changedField
		for _, name := range names {
			if was.Get(name) != now.Get(name) {
				fields = append(fields, changedField{name, was.Get(name), now.Get(name)})
			}
		}
		if len(fields) > 0 {
			return &changedMeanwhile{fields}
		}
		return nil
	}
}

// changeSettings changes a part of the settings. A change that moves records, places or
// podiums is shown first, and made when its reader has confirmed just that.
func (s *site) changeSettings(ctx context.Context, v *visit) (page, error) {
	part, err := v.settingsPart()
	if err != nil {
		return page{}, err
	}
	e := settingsView{Race: server.RaceFrom(ctx), settingsPart: part}
	if e.was, err = url.ParseQuery(v.form.values.Get("was")); err != nil || len(e.was) == 0 {
		e.was = part.values(e.Race)
	}
	if part.list != "" {
		part.compact(v.form.values)
	}
	switch v.form.get("do") {
	case "ten", "five", "sex":
		if part.name == "divisions" {
			setDivisionRows(v.form.values, ageGroupsOf(v.form.get("do")))
		}
		return s.settingsPage(ctx, v, e)
	case "more", "edit":
		return s.settingsPage(ctx, v, e)
	}
	body := part.change(v, e.was)
	if v.form.refused() {
		return s.settingsPage(ctx, v, e)
	}
	unless := part.unlessChanged(e.was)
	confirmed, err := s.confirmed(ctx, v, &e, body, unless)
	if refused, err := s.settingsRefused(v, &e, err); err != nil {
		return page{}, err
	} else if refused {
		return s.settingsPage(ctx, v, e)
	}
	if !confirmed {
		return page{title: v.T("preview.title"), body: settingsPreview(v, e)}, nil
	}
	_, err = s.Settings.Change(ctx, body, unless)
	if refused, err := s.settingsRefused(v, &e, err); err != nil {
		return page{}, err
	} else if refused {
		return s.settingsPage(ctx, v, e)
	}
	if part.name == "entry" {
		return v.done(entriesPath(v.raceID), "settings-saved")
	}
	return v.done(organizedPath(v.raceID), "settings-saved")
}

// confirmed reports whether a change needs no confirmation or has it. What the change
// leads to is then in e, for the preview.
func (s *site) confirmed(ctx context.Context, v *visit, e *settingsView, body races.RaceChangeBody, unless func(race.Race) error) (bool, error) {
	confirmed := v.form.get("confirmed")
	e.moved = confirmed != ""
	switch {
	case e.Status == race.Provisional, e.Status == race.Official:
		planned, err := s.Settings.PlanChange(ctx, body, unless)
		if err != nil {
			return false, err
		}
		if e.plan, err = s.consequencesOf(ctx, v, planned); err != nil {
			return false, err
		}
		return confirmed == planned.Hash || planned.Credits == 0 && e.plan.nothing(), nil
	case e.name == "entry" && e.Status == race.Scheduled:
		changed, err := s.Settings.Changed(ctx, body, unless)
		if err != nil {
			return false, err
		}
		if _, err := s.Settings.PlanChange(ctx, body, unless); err != nil { // refuses what the database would
			return false, err
		}
		if e.effects, err = s.entryEffects(ctx, v, e.Race, changed); err != nil {
			return false, err
		}
		return confirmed == e.effectsHash(), nil
	}
	return true, nil
}

// settingsRefused puts what is wrong with a change into its form. The form of somebody
// who was too late keeps what they wrote; sending it again is then a decision.
func (s *site) settingsRefused(v *visit, e *settingsView, err error) (bool, error) {
	if meanwhile, ok := errors.AsType[*changedMeanwhile](err); ok {
		v.form.problem, v.form.status = v.T("settings.stale"), http.StatusPreconditionFailed
		e.stale, e.was = meanwhile.fields, e.values(e.Race)
		return true, nil
	}
	if v.refused(err) {
		return true, nil
	}
	return false, err
}

// edited reads the fields of a form that differ from what they were.
type edited struct {
	*visit
	was url.Values
}

func (e edited) differs(name string) bool { return e.form.get(name) != e.was.Get(name) }

func (e edited) text(name string) *string {
	if !e.differs(name) {
		return nil
	}
	return new(e.form.get(name))
}

// listed reports whether a list differs.
func (e edited) listed(list string) bool {
	of := func(values url.Values) url.Values {
		some := url.Values{}
		for name, value := range values {
			if strings.HasPrefix(name, list+"[") && value[0] != "" {
				some[name] = []string{strings.TrimSpace(value[0])}
			}
		}
		return some
	}
	return of(e.form.values).Encode() != of(e.was).Encode()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func generalValues(r race.Race) url.Values {
	return url.Values{
		"name": {r.Name}, "date": {r.Date.String()}, "city": {r.City}, "country": {r.Country}, "distance_m": {decimal(r.Distance.Metres())},
		"capacity": {number(r.Capacity)},
	}
}

func (v *visit) generalChange(was url.Values) races.RaceChangeBody {
	e := edited{v, was}
	in := races.RaceChangeBody{Name: e.text("name"), Date: e.text("date"), City: e.text("city")}
	if code := v.country(); e.differs("country") {
		in.Country = &code
	}
	if e.differs("distance_m") {
		in.DistanceM = new(v.metres("distance_m"))
	}
	if e.differs("capacity") {
		in.Capacity = new(v.whole("capacity"))
	}
	return in
}

func rankingValues(r race.Race) url.Values {
	divisions := r.Ranking.DivisionsBasis
	if divisions == "" {
		divisions = r.Ranking.Basis
	}
	values := url.Values{
		"ranking.basis": {string(r.Ranking.Basis)}, "ranking.divisions_basis": {string(divisions)}, "ranking.ties": {string(r.Ranking.Ties)},
		"scoring": {r.Scoring}, "points": {""},
	}
	if r.Scoring == string(scoring.Fixed) {
		values.Set("points", strconv.FormatInt(r.Points, 10))
	}
	return values
}

func (v *visit) rankingChange(was url.Values) races.RaceChangeBody {
	e := edited{v, was}
	in := races.RaceChangeBody{Scoring: e.text("scoring")}
	ranking := races.RankingChangeBody{}
	if e.differs("ranking.basis") || e.differs("ranking.divisions_basis") {
		// Both: a race that says nothing about its divisions would have them follow.
		ranking.Basis = new(race.Basis(v.form.get("ranking.basis")))
		ranking.DivisionsBasis = new(race.Basis(v.form.get("ranking.divisions_basis")))
	}
	if e.differs("ranking.ties") {
		ranking.Ties = new(race.Ties(v.form.get("ranking.ties")))
	}
	if ranking != (races.RankingChangeBody{}) {
		in.Ranking = &ranking
	}
	if v.form.get("scoring") == string(scoring.Fixed) && (e.differs("points") || e.differs("scoring")) {
		if v.form.get("points") == "" {
			v.blame("points", v.says("must be given for the rule fixed: what every finisher gets"))
		}
		in.Points = new(int64(v.whole("points")))
	}
	return in
}

func divisionValues(r race.Race) url.Values {
	values := url.Values{}
	setDivisionRows(values, r.Divisions)
	return values
}

// setDivisionRows replaces the divisions of a form.
func setDivisionRows(values url.Values, divisions []race.Division) {
	for name := range values {
		if strings.HasPrefix(name, "divisions[") {
			values.Del(name)
		}
	}
	for i, d := range divisions {
		row := map[string]string{"name": d.Name, "sex": string(d.Sex), "field": string(d.Field)}
		if d.MinAge != nil {
			row["min_age"] = strconv.Itoa(*d.MinAge)
		}
		if d.MaxAge != nil {
			row["max_age"] = strconv.Itoa(*d.MaxAge)
		}
		for field, value := range row {
			values.Set(cell("divisions", i, field), value)
		}
	}
}

func (v *visit) divisionsChange(was url.Values) races.RaceChangeBody {
	if !(edited{v, was}).listed("divisions") {
		return races.RaceChangeBody{}
	}
	list := v.divisionBodies()
	return races.RaceChangeBody{Divisions: &list}
}

func awardValues(r race.Race) url.Values {
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return ""
	}
	values := url.Values{
		"awards.overall": {number(r.Awards.Overall)}, "awards.by_sex": {yes(r.Awards.BySex)}, "awards.divisions": {number(r.Awards.Divisions)},
		"awards.one_award_only": {yes(r.Awards.OneAwardOnly)},
	}
	for i, t := range r.Teams {
		for field, value := range map[string]string{
			"name": t.Name, "rule": string(t.Rule), "n": number(t.N), "sex": t.Sex, "min_per_sex": number(t.MinPerSex),
		} {
			values.Set(cell("teams", i, field), value)
		}
	}
	return values
}

func (v *visit) awardsChange(was url.Values) races.RaceChangeBody {
	e, in := edited{v, was}, races.RaceChangeBody{}
	if e.differs("awards.overall") || e.differs("awards.by_sex") || e.differs("awards.divisions") || e.differs("awards.one_award_only") {
		in.Awards = &races.AwardsBody{
			Overall: v.whole("awards.overall"), BySex: v.form.get("awards.by_sex") != "", Divisions: v.whole("awards.divisions"),
			OneAwardOnly: v.form.get("awards.one_award_only") != "",
		}
	}
	if e.listed("teams") {
		list := make([]races.TeamRuleBody, rowsIn(v.form.values, "teams"))
		for i := range list {
			get := func(field string) string { return v.form.get(cell("teams", i, field)) }
			list[i] = races.TeamRuleBody{
				Name: get("name"), Rule: race.TeamSum(get("rule")), N: v.whole(cell("teams", i, "n")), Sex: get("sex"),
				MinPerSex: v.whole(cell("teams", i, "min_per_sex")),
			}
		}
		in.Teams = &list
	}
	return in
}

func courseValues(r race.Race) url.Values {
	values := url.Values{}
	for i, p := range r.Course.Points {
		values.Set(cell("timing_points", i, "name"), p.Name)
		values.Set(cell("timing_points", i, "distance_m"), decimal(p.Distance.Metres()))
	}
	return values
}

func (v *visit) courseChange(was url.Values) races.RaceChangeBody {
	if !(edited{v, was}).listed("timing_points") {
		return races.RaceChangeBody{}
	}
	list := make([]races.TimingPointBody, rowsIn(v.form.values, "timing_points"))
	for i := range list {
		list[i] = races.TimingPointBody{Name: v.form.get(cell("timing_points", i, "name")), DistanceM: v.metres(cell("timing_points", i, "distance_m"))}
	}
	return races.RaceChangeBody{TimingPoints: &list}
}

// fieldLabel is what a field of a form of settings is called, by its name in the API.
func (v *visit) fieldLabel(name string) string {
	list, rest, inList := strings.Cut(name, "[")
	if inList {
		index, field, _ := strings.Cut(rest, "].")
		if i, err := strconv.Atoi(index); err == nil {
			return v.T("settings.row", "List", v.T("label."+list), "N", i+1, "Field", v.T("label."+field))
		}
	}
	return v.T("label." + name)
}

func (v *visit) bases() []option {
	return []option{{string(race.Gun), v.T("rules.basis.gun")}, {string(race.Net), v.T("rules.basis.net")}}
}

func (v *visit) tieRules() []option {
	return []option{
		{string(race.TiesShare), v.T("rules.ties.share")}, {string(race.TiesNet), v.T("rules.ties.net")}, {string(race.TiesSequence), v.T("rules.ties.sequence")},
	}
}

func (v *visit) scoringRules() []option {
	var rules []option
	for _, rule := range scoring.Offered() {
		text := "scoring." + string(rule)
		if rule == scoring.Fixed {
			text = "settings.fixed"
		}
		rules = append(rules, option{string(rule), v.T(text)})
	}
	return rules
}

func (v *visit) groupPresets() []option {
	return []option{
		{"ten", v.T("preset.ten")}, {"five", v.T("preset.five")}, {"sex", v.T("preset.sex")}, {"", v.T("preset.none")},
	}
}

func (v *visit) rankedSexes() []option {
	return []option{{"", v.T("sex.all")}, {"F", v.T("sex.F")}, {"M", v.T("sex.M")}, {"X", v.T("sex.X")}}
}

func (v *visit) rankedFields() []option {
	return []option{
		{"", v.T("settings.field.all")}, {"runner", v.T("field.runner")}, {"wheelchair", v.T("field.wheelchair")}, {"handcycle", v.T("field.handcycle")},
	}
}

func (v *visit) teamSums() []option {
	return []option{{string(race.SumOfTimes), v.T("team.times")}, {string(race.SumOfPlaces), v.T("team.places")}}
}

func (v *visit) teamSexes() []option {
	return []option{{race.Mixed, v.T("team.mixed")}, {"F", v.T("sex.F")}, {"M", v.T("sex.M")}}
}
