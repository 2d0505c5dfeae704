package pages

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// consequencesView is what a change leads to.
type consequencesView struct {
	*maindb.Consequences
	names map[string]string // by the key of the bib
}

// consequencesOf returns what a change of a race's settings or of a claim leads to, with
// the names of whom it concerns.
func (s *site) consequencesOf(ctx context.Context, v *visit, c maindb.Consequences) (*consequencesView, error) {
	names, err := s.namesIn(ctx, v, &c, nil)
	if err != nil {
		return nil, err
	}
	return &consequencesView{&c, names}, nil
}

// namesIn adds to known, by bib, the names of those on whom a change of the visited race
// has consequences that a page shows. Without user_db there are none to add: what a
// change leads to can be judged by the bibs too.
func (s *site) namesIn(ctx context.Context, v *visit, c *maindb.Consequences, known map[string]string) (map[string]string, error) {
	if known == nil {
		known = make(map[string]string)
	}
	entrants, err := s.Races.EntrantsByBib(ctx, v.raceID)
	if err != nil {
		return nil, err
	}
	keyOf := make(map[string]string)
	add := func(bib string) {
		key := race.BibKey(bib)
		if id := entrants[key]; id != "" && known[key] == "" {
			keyOf[id] = key
		}
	}
	for _, p := range c.Podiums {
		for _, place := range slices.Concat(p.Before, p.After) {
			add(place.Bib)
		}
	}
	for _, m := range c.Moves {
		add(m.Bib)
	}
	for _, p := range c.Points {
		add(p.Bib)
	}
	runners, err := s.Accounts.Runners(ctx, slices.Collect(maps.Keys(keyOf)))
	if err != nil {
		s.withoutNames(ctx, v.request, err)
	}
	for id, runner := range runners {
		known[keyOf[id]] = runner.Name
	}
	return known, nil
}

// timesOf returns the times of a row, the one that ranks first.
func timesOf(row plans.FileRow, basis race.Basis) (ranks, other string) {
	ranks, other = row.GunTime, row.NetTime
	if basis == race.Net {
		ranks, other = other, ranks
	}
	return cmp.Or(ranks, row.Time), other
}

// podiumTitle names a ranking.
func (v *visit) podiumTitle(p maindb.Podium) string {
	title := v.T("sex.all")
	switch {
	case p.Division != "":
		title = p.Division
	case p.Sex != "":
		title = v.T("sex." + string(p.Sex))
	}
	if p.Field != race.Runner {
		title = v.T("field."+string(p.Field)) + " · " + title
	}
	return title
}

func (c consequencesView) name(bib string) string { return c.names[race.BibKey(bib)] }

// changedPodiums returns the rankings whose first three change.
func (c consequencesView) changedPodiums() (changed []maindb.Podium) {
	for _, p := range c.Podiums {
		if p.Changed {
			changed = append(changed, p)
		}
	}
	return changed
}

// nothing reports whether nobody would notice the change in the standings.
func (c consequencesView) nothing() bool {
	return c.PlacesMoved == 0 && c.PointsTotal == 0 && len(c.changedPodiums()) == 0
}

// shownConsequences is how many places and points a page lists at once; more are
// behind a button.
const shownConsequences = 10

// placeOrNone writes a place.
func placeOrNone(place int) string {
	if place == 0 {
		return "–"
	}
	return strconv.Itoa(place)
}

// unmoved reports whether the same record has the same place with the same time.
func unmoved(places []maindb.PodiumPlace, wanted maindb.PodiumPlace) bool {
	return slices.Contains(places, wanted)
}
