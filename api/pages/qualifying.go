package pages

import (
	"context"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// admissionPages adds the pages on which organizers admit runners to pools that demand a
// qualifying time.
func (s *site) admissionPages(get, post func(path string, act action)) {
	get(ofRace+"/admissions", s.admissionsPage)
	post(ofRace+"/admissions", s.admit)
	post(ofRace+"/admissions/{admission_id}/end", s.endAdmission)
}

func admissionsPath(raceID string) string { return organizedPath(raceID) + "/admissions" }

// demands reports whether a pool of the race demands a qualifying time.
func demands(r race.Race) bool { return len(demandingPools(r)) > 0 }

// demandingPools are the pools that demand one, for a choice.
func demandingPools(r race.Race) (list []option) {
	for _, p := range r.EntryPools() {
		if !p.Standard.IsZero() {
			list = append(list, option{p.Name, p.Name})
		}
	}
	return list
}

type admissionsView struct {
	race.Race
	role race.Role
	rows []races.AdmissionBody
	next string
}

func (s *site) admissionsPage(ctx context.Context, v *visit) (page, error) {
	v.path = admissionsPath(v.raceID) // also after a button
	view := admissionsView{Race: server.RaceFrom(ctx), role: server.RoleFrom(ctx)}
	rows, cursor, err := s.Settings.Admissions(ctx, v.part(participantsPerPage))
	if err != nil {
		return page{}, err
	}
	view.rows, view.next = rows, v.next(cursor)
	return page{title: v.T("admissions.title"), body: admissionsBody(v, view)}, nil
}

func (s *site) admit(ctx context.Context, v *visit) (page, error) {
	err := s.Settings.Admit(ctx, races.NewAdmission{LoginID: v.form.get("login_id"), Pool: v.form.get("pool"), Reason: v.form.get("reason")})
	if v.refused(err) {
		return s.admissionsPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(admissionsPath(v.raceID), "admitted")
}

func (s *site) endAdmission(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.param("admission_id")) {
		return page{}, race.ErrNotFound
	}
	if err := s.Settings.EndAdmission(ctx, v.param("admission_id")); err != nil {
		return page{}, err
	}
	return v.done(admissionsPath(v.raceID), "admission-ended")
}

// standardWords says what a standard demands, empty for none.
func (l *locale) standardWords(standard race.Standard) string {
	if standard.IsZero() {
		return ""
	}
	var times []string
	if standard.Men != 0 {
		times = append(times, l.T("standard.men", "Time", standard.Men.String()))
	}
	if standard.Women != 0 {
		times = append(times, l.T("standard.women", "Time", standard.Women.String()))
	}
	return l.T("standard.words", "Distance", l.Distance(standard.Distance), "Times", strings.Join(times, ", "), "Since", l.Date(standard.Since))
}

// ownStandard says how a runner stands by the standard of a pool that they can choose.
func (v *visit) ownStandard(view entryView, pool maindb.PoolCounts) string {
	best, known := view.best[pool.Key]
	switch {
	case pool.Standard.IsZero():
		return ""
	case pool.Standard.MetBy(view.account.Sex, best):
		return v.T("standard.met", "Time", best.String())
	case known && best > 0:
		return v.T("standard.slow", "Time", best.String())
	}
	return v.T("standard.none")
}

// bestTimes returns the best times of a runner that can meet the standards of pools, by
// the pools' keys.
func (s *site) bestTimes(ctx context.Context, pools []maindb.PoolCounts, userID string) (map[int]race.Time, error) {
	best := map[int]race.Time{}
	for _, p := range pools {
		if p.Standard.IsZero() {
			continue
		}
		found, err := s.Races.BestTimes(ctx, p.Standard, []string{userID})
		if err != nil {
			return nil, err
		}
		best[p.Key] = found[userID]
	}
	return best, nil
}

// editions are the races that can be the next edition of a race.
func (s *site) editions(ctx context.Context, v *visit, r race.Race) ([]option, error) {
	const proposed = 200
	found, err := s.Races.ListRaces(ctx, r.OrganizerID, maindb.RacePosition{}, proposed)
	if err != nil {
		return nil, err
	}
	list := []option{{"", v.T("entry.next.none")}}
	for _, other := range found {
		if r.Date.Before(other.Date) || r.Entry != nil && r.Entry.NextRaceID == other.ID {
			list = append(list, option{other.ID, other.Name + " · " + v.Date(other.Date)})
		}
	}
	return list, nil
}

// edition returns a race that an entry was or can be deferred to or from; nil when there
// is none any more.
func (s *site) edition(ctx context.Context, raceID string) (*race.Race, error) {
	if raceID == "" {
		return nil, nil //nolint:nilnil // none is named
	}
	r, err := s.Races.Race(ctx, raceID)
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // it was deleted
	}
	return &r, err
}

// readDeferral reads where the runner of an entry can defer it to, or where it was
// deferred to or from.
func (s *site) readDeferral(ctx context.Context, view *entryView, entry maindb.LineEntry) (err error) {
	next := entry.NextRaceID
	if e := view.Entry; e != nil && entry.Status == race.Entered && view.Status == race.Scheduled && s.Now().Before(e.DeferUntil) {
		next = e.NextRaceID
	}
	if view.next, err = s.edition(ctx, next); err != nil {
		return err
	}
	view.prior, err = s.edition(ctx, entry.PriorRaceID)
	return err
}

// deferEntry moves the runner's entry to the next edition and shows it there.
func (s *site) deferEntry(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.raceID) {
		return page{}, race.ErrNotFound
	}
	next, err := s.Settings.Defer(ctx, v.raceID)
	if v.refused(err) {
		return s.entryForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(myRacePath(next), "deferred")
}

// deferralEffects says what another next edition, or another deadline, leads to.
func (s *site) deferralEffects(ctx context.Context, v *visit, before, after *race.EntrySettings) (effects []string, err error) {
	if before.NextRaceID != after.NextRaceID {
		next, err := s.edition(ctx, after.NextRaceID)
		if err != nil {
			return nil, err
		}
		text := v.T("effect.next.none")
		if next != nil {
			text = v.T("effect.next", "Race", next.Name)
		}
		effects = append(effects, text)
	}
	switch {
	case after.DeferUntil.Equal(before.DeferUntil):
	case after.DeferUntil.IsZero():
		effects = append(effects, v.T("effect.defer.none"))
	default:
		effects = append(effects, v.T("effect.defer", "At", v.raceTime(after, after.DeferUntil)))
	}
	return effects, nil
}

// standardOf reads the standard of a pool from a form; nil when all its fields are empty.
func (v *visit) standardOf(at func(field string) string) *races.StandardBody {
	get := func(field string) string { return v.form.get(at("standard." + field)) }
	if get("distance_m")+get("men")+get("women")+get("since") == "" {
		return nil
	}
	return &races.StandardBody{DistanceM: v.metres(at("standard.distance_m")), Men: get("men"), Women: get("women"), Since: get("since")}
}

// standardValues are the fields of the standard of a pool in a form.
func standardValues(standard race.Standard) map[string]string {
	if standard.IsZero() {
		return map[string]string{"standard.distance_m": "", "standard.men": "", "standard.women": "", "standard.since": ""}
	}
	return map[string]string{
		"standard.distance_m": decimal(standard.Distance.Metres()), "standard.men": standard.Men.String(), "standard.women": standard.Women.String(),
		"standard.since": standard.Since.String(),
	}
}
