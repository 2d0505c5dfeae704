package pages

import (
	"context"
	"strconv"

	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// sameView is the list of who may be one person.
type sameView struct {
	season int
	items  []ops.Suggestion
	names  map[string]string // of races
	more   string
}

const (
	firstSeason = 1900
	lastSeason  = 2200
)

func (s *site) samePeople(ctx context.Context, v *visit) (page, error) {
	view := sameView{season: s.Now().Year()}
	if given := v.get("season"); given != "" {
		year, err := strconv.Atoi(given)
		if err != nil || year < firstSeason || year > lastSeason {
			v.blame("season", v.T("operate.wrong.season"))
		} else {
			view.season = year
		}
	}
	if !v.form.refused() {
		var next string
		var err error
		if view.items, next, err = s.Operations.Suggestions(ctx, view.season, v.partOfList()); err != nil {
			return page{}, err
		}
		if next != "" {
			view.more = v.here("cursor", next)
		}
	}
	ids := []string{}
	for _, one := range view.items {
		for _, person := range one.People {
			for _, result := range person.Races {
				ids = append(ids, result.RaceID)
			}
		}
	}
	var err error
	view.names, err = s.raceNames(ctx, ids)
	return page{title: v.T("operate.people"), body: sameBody(v, view)}, err
}

func (s *site) raceNames(ctx context.Context, ids []string) (map[string]string, error) {
	names := map[string]string{}
	for _, id := range ids {
		if names[id] != "" {
			continue
		}
		found, err := s.Races.Race(ctx, id)
		if err != nil {
			return nil, err
		}
		names[id] = found.Name
	}
	return names, nil
}

func (s *site) confirmMerge(ctx context.Context, v *visit) (confirmation, error) {
	from, into := v.get("from"), v.get("into")
	if !server.IsID(from) || !server.IsID(into) {
		return confirmation{}, race.ErrNotFound
	}
	people, err := s.Accounts.Runners(ctx, []string{from, into})
	if err != nil {
		return confirmation{}, err
	}
	d := confirmation{
		title: v.T("operate.merge"), button: v.T("operate.merge"), back: samePath,
		does: []string{v.T("operate.merge.does"), v.T("operate.merge.undo")},
		facts: [][2]string{
			{v.T("operate.merge.from"), v.shown(people[from].Name) + " · " + from}, {v.T("operate.merge.into"), v.shown(people[into].Name) + " · " + into},
		},
		do: func(ctx context.Context, reason string) (string, error) {
			return "merged", s.Operations.Merge(ctx, from, into, reason)
		},
	}
	if !v.form.sent {
		if d.consequences, err = s.Operations.PlanMerge(ctx, from, into); err != nil {
			return confirmation{}, err
		}
	}
	err = s.nameRaces(ctx, &d)
	return d, err
}

func (s *site) confirmSeparate(ctx context.Context, v *visit) (confirmation, error) {
	raceID, bib := v.get("race_id"), v.get("bib")
	if !server.IsID(raceID) || race.CheckBib(bib) != nil {
		return confirmation{}, v.cannot(v.T("operate.wrong.result"))
	}
	d := confirmation{
		title: v.T("operate.separate"), button: v.T("operate.separate"), back: samePath, does: []string{v.T("operate.separate.does")},
		facts: [][2]string{{v.T("operate.bib"), bib}},
		do: func(ctx context.Context, reason string) (string, error) {
			changed, err := s.Operations.Separate(ctx, raceID, bib, reason)
			if !changed {
				return "separated-before", err
			}
			return "separated", err
		},
	}
	if !v.form.sent {
		planned, err := s.Operations.PlanSeparate(ctx, raceID, bib)
		if err != nil {
			return confirmation{}, err
		}
		d.consequences = []maindb.RaceConsequences{{RaceID: raceID, Consequences: planned}}
	}
	err := s.nameRaces(ctx, &d)
	return d, err
}

// nameRaces reads the names of the races in which a confirmation has consequences.
func (s *site) nameRaces(ctx context.Context, d *confirmation) (err error) {
	ids := make([]string, len(d.consequences))
	for i, one := range d.consequences {
		ids[i] = one.RaceID
	}
	d.names, err = s.raceNames(ctx, ids)
	return err
}
