package pages

import (
	"context"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// opRaceView is a race as operators see it.
type opRaceView struct {
	race.Race
	owner    string
	verified bool
	series   []maindb.Series // that the race is in
}

func (s *site) operatedRace(ctx context.Context, v *visit) (page, error) {
	found, err := s.Races.Race(ctx, v.raceID)
	if err != nil {
		return page{}, err
	}
	people, err := s.Accounts.Runners(ctx, []string{found.OrganizerID})
	if err != nil {
		return page{}, err
	}
	verified, err := s.Races.VerifiedOrganizers(ctx, []string{found.OrganizerID})
	if err != nil {
		return page{}, err
	}
	view := opRaceView{Race: found, owner: people[found.OrganizerID].Name, verified: verified[found.OrganizerID]}
	if view.series, err = s.seriesWith(ctx, found.ID); err != nil {
		return page{}, err
	}
	return page{title: found.Name, body: opRaceBody(v, view)}, nil
}

// seriesWith returns the series that a race is in.
func (s *site) seriesWith(ctx context.Context, raceID string) ([]maindb.Series, error) {
	ids, err := s.Races.SeriesWithRace(ctx, raceID)
	if err != nil {
		return nil, err
	}
	var list []maindb.Series
	for _, id := range ids {
		one, err := s.Races.Series(ctx, id)
		switch {
		case isNotFound(err): // deleted meanwhile
		case err != nil:
			return nil, err
		default:
			list = append(list, one)
		}
	}
	return list, nil
}

// confirmSeries has the standings of a series computed again.
func (s *site) confirmSeries(ctx context.Context, v *visit) (confirmation, error) {
	seriesID := v.param("series_id")
	if !server.IsID(seriesID) {
		return confirmation{}, race.ErrNotFound
	}
	found, err := s.Races.Series(ctx, seriesID)
	back := operatePath
	if len(found.Races) > 0 {
		back = opRacesPath + "/" + found.Races[0].ID
	}
	return confirmation{
		title: v.T("operate.do.recompute"), button: v.T("operate.do.recompute"), back: back, mayBe: true,
		does: []string{v.T("operate.does.recompute-series")}, facts: [][2]string{{v.T("operate.series"), found.Name}},
		do: func(ctx context.Context, reason string) (string, error) {
			return "recompute", s.Operations.RecomputeSeries(ctx, seriesID, reason)
		},
	}, err
}

// onRace begins a confirmation on a race, with the context that calls about the race have.
func (s *site) onRace(ctx context.Context, v *visit, name string) (context.Context, confirmation, error) {
	found, err := s.Races.Race(ctx, v.raceID)
	if err != nil {
		return nil, confirmation{}, err
	}
	return server.WithRace(ctx, found, ""), confirmation{
		title: v.T("operate.do." + name), button: v.T("operate.do." + name), back: opRacesPath + "/" + found.ID,
		does: []string{v.T("operate.does." + name)}, facts: [][2]string{{v.T("operate.race"), found.Name}, {v.T("operate.date"), v.Date(found.Date)}},
	}, nil
}

func (s *site) confirmRecompute(ctx context.Context, v *visit) (confirmation, error) {
	_, d, err := s.onRace(ctx, v, "recompute")
	d.mayBe = true
	d.do = func(ctx context.Context, reason string) (string, error) {
		return "recompute", s.Operations.Recompute(ctx, v.raceID, reason)
	}
	return d, err
}

func (s *site) confirmHandOver(ctx context.Context, v *visit) (confirmation, error) {
	of, d, err := s.onRace(ctx, v, "hand-over")
	if err != nil {
		return d, err
	}
	d.public = true
	d.fields = []field{{name: "login_id", label: v.T("operate.owner.new"), required: true, max: 400}}
	d.do = func(_ context.Context, reason string) (string, error) {
		to := staff.NewOwner{LoginID: v.form.get("login_id"), Reason: reason}
		if server.IsID(to.LoginID) {
			to.LoginID, to.UserID = "", to.LoginID
		}
		return "hand-over", s.Staff.HandOver(of, to)
	}
	return d, nil
}

func (s *site) confirmVoid(ctx context.Context, v *visit) (confirmation, error) {
	of, d, err := s.onRace(ctx, v, "void")
	if err != nil {
		return d, err
	}
	d.public, d.danger = true, true
	if server.RaceFrom(of).Status != race.Void {
		planned, err := s.Settings.PlanVoid(of)
		if err != nil {
			return d, err
		}
		d.consequences = []maindb.RaceConsequences{{RaceID: v.raceID, Consequences: planned}}
	}
	d.do = func(_ context.Context, reason string) (string, error) { return "void", s.Settings.Void(of, reason) }
	return d, nil
}
