package pages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
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
	changed, err := s.Settings.Change(ctx, body, unless)
	if refused, err := s.settingsRefused(v, &e, err); err != nil {
		return page{}, err
	} else if refused {
		return s.settingsPage(ctx, v, e)
	}
	if part.name == "entry" {
		return v.done(entriesPath(v.raceID), "settings-saved")
	}
	path, said, err := s.afterMovingDay(ctx, v, e.Date, changed.Date)
	if err != nil {
		return page{}, err
	}
	return v.done(path, said)
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
