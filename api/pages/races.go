package pages

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// racesPerList is how many races a list has before the rest has pages of its own.
const racesPerList = 20

// raceList is one of the lists of races, by date.
type raceList struct {
	name  string // now, upcoming or past
	races []race.Race
	more  string // address of the rest; empty: that is all
}

type racesView struct {
	q     string
	lists []raceList
	only  string // the list that is shown alone; empty: all of them
}

// races lists the races of these days, those to come and those of the past.
func (s *site) races(ctx context.Context, r *request) (page, error) {
	show, err := r.oneOf("show", "now", "upcoming", "past")
	if err != nil {
		return page{}, err
	}
	v := racesView{q: r.get("q"), only: show}
	today := race.DateOf(s.Now().UTC())
	// Somewhere it is still yesterday, and results come in after midnight.
	yesterday := race.DateOf(s.Now().UTC().AddDate(0, 0, -1))
	tomorrow := race.DateOf(s.Now().UTC().AddDate(0, 0, 1))
	before := race.DateOf(s.Now().UTC().AddDate(0, 0, -2))
	for _, list := range []struct {
		name   string
		search maindb.RaceSearch
	}{
		{"now", maindb.RaceSearch{From: yesterday, To: today, Text: v.q}},
		{"upcoming", maindb.RaceSearch{From: tomorrow, Text: v.q, Oldest: true}},
		{"past", maindb.RaceSearch{To: before, Text: v.q}},
	} {
		if show != "" && show != list.name {
			continue
		}
		var after maindb.RacePosition
		if show != "" {
			if err := server.ReadCursor(r.get("after"), &after.Date, &after.ID); err != nil {
				return page{}, err
			}
		}
		found, err := s.Races.FindRaces(ctx, list.search, after, racesPerList+1)
		if err != nil {
			return page{}, err
		}
		shown := raceList{name: list.name, races: found}
		if len(found) > racesPerList {
			shown.races = found[:racesPerList]
			last := shown.races[racesPerList-1]
			shown.more = with(r.link("/races"), "q", v.q, "show", list.name, "after", server.Cursor(last.Date, last.ID))
		}
		v.lists = append(v.lists, shown)
	}
	return page{title: r.T("races.title"), description: r.T("races.description"), body: racesBody(r, v), keep: keepShort}, nil
}

// raceView is what is shown of a race, on its own page and above its standings.
type raceView struct {
	race.Race
	latest      apistandings.Latest
	publishedAt time.Time // zero: not official
	organizer   string
	finishers   int
	podiums     []podium
	places      *entryState     // nil: without entry settings, or not shown
	series      []maindb.Series // that the race is in, on its own page
	posts       []race.Post     // pinned ones and the newest
}

// podium holds the first three of a sex, or of a field when only one sex finished.
type podium struct {
	title  string
	places []podiumPlace
}

type podiumPlace struct {
	*standings.Row
	place int
	name  string
	time  race.Time
}

// state is the key of the text that says where a race stands.
func (v *raceView) state(today race.Date) string {
	switch {
	case v.Status == race.Void:
		return "state.void"
	case v.Status == race.Official:
		return "state.official"
	case v.Status == race.Provisional && !v.latest.ProtestUntil.IsZero():
		return "state.protest"
	case v.Status == race.Provisional:
		return "state.provisional"
	case v.Date.Before(today):
		return "state.waiting"
	}
	return "state.scheduled"
}

// readRace reads what every page about a race shows.
func (s *site) readRace(ctx context.Context, raceID string) (*raceView, error) {
	found, err := s.Races.Race(ctx, raceID)
	if err != nil {
		return nil, err
	}
	v := &raceView{Race: found}
	if v.latest, err = s.Standings.Latest(ctx, raceID); err != nil {
		return nil, err
	}
	if found.Status == race.Official {
		publication, err := s.Races.Publication(ctx, raceID)
		if err != nil {
			return nil, err
		}
		v.publishedAt = publication.PublishedAt
	}
	return v, nil
}

func (s *site) race(ctx context.Context, r *request) (page, error) {
	v, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	organizers, err := s.Accounts.Runners(ctx, []string{v.OrganizerID})
	if err != nil {
		s.withoutNames(ctx, r, err)
	}
	verified, err := s.Races.VerifiedOrganizers(ctx, []string{v.OrganizerID})
	if err != nil {
		return page{}, err
	}
	v.organizer = r.organizer(organizers[v.OrganizerID].Name)
	if !verified[v.OrganizerID] {
		v.organizer += " (" + r.T("race.unverified") + ")"
	}
	if v.Status == race.Scheduled {
		if v.places, err = s.readEntry(ctx, v.Race); err != nil {
			return page{}, err
		}
	}
	if v.posts, err = s.Races.PublishedPosts(ctx, v.ID, race.Post{}, onRacePage); err != nil {
		return page{}, err
	}
	if v.series, err = s.seriesWith(ctx, v.ID); err != nil {
		return page{}, err
	}
	if v.latest.Version > 0 {
		if err := s.addPodiums(ctx, r, v); err != nil {
			return page{}, err
		}
	}
	p := page{
		title: v.Name, description: r.describe(v), body: raceBody(r, v, race.DateOf(s.Now().UTC())), keep: keepShort,
		version: v.latest.Version,
	}
	return p, nil
}

// describe says in one line what a race is, for link cards.
func (l *locale) describe(v *raceView) string {
	text := l.Date(v.Date) + " · "
	if v.City != "" {
		text += v.City + " · "
	}
	return text + l.Event(v.Distance) + " · " + l.stands(v)
}

// stands says in a word or two where a race stands: by its entry before it has results.
func (l *locale) stands(v *raceView) string {
	if v.Status == race.Scheduled && v.places != nil {
		return l.T("card.entry." + v.places.phase())
	}
	return l.T("card." + string(v.Status))
}

const onPodium = 3

func (s *site) addPodiums(ctx context.Context, r *request, v *raceView) error {
	version, err := s.Standings.Version(ctx, v.ID, v.latest.Version)
	if err != nil {
		return err
	}
	rules, err := version.Rules()
	if err != nil {
		return err
	}
	v.finishers = standings.Finishers(version.Rows, race.Runner)
	for _, list := range []struct {
		title string
		query apistandings.Query
	}{
		{r.T("sex.F"), apistandings.Query{Sex: string(race.Female)}},
		{r.T("sex.M"), apistandings.Query{Sex: string(race.Male)}},
		{r.T("sex.X"), apistandings.Query{Sex: string(race.NonBinary)}},
		{r.T("field.wheelchair"), apistandings.Query{Field: string(race.Wheelchair)}},
		{r.T("field.handcycle"), apistandings.Query{Field: string(race.Handcycle)}},
	} {
		p := podium{title: list.title}
		var rows []*standings.Row
		for _, i := range version.Select(list.query) {
			row := &version.Rows[i]
			place := row.Place
			if list.query.Sex != "" {
				place = row.SexPlace
			}
			if place == 0 || place > onPodium || len(rows) == 2*onPodium {
				break
			}
			rows = append(rows, row)
			p.places = append(p.places, podiumPlace{Row: row, place: place, time: rules.Ranking.RankingTime(row.Result)})
		}
		names := s.names(ctx, r, version, rows)
		for i := range p.places {
			p.places[i].name = names[p.places[i].UserID]
		}
		if len(p.places) > 0 {
			v.podiums = append(v.podiums, p)
		}
	}
	return nil
}
