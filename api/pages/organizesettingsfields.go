package pages

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

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
			return v.T("settings.row", "List", v.T("nth."+list), "N", i+1, "Field", v.T("label."+field))
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
