package pages

import (
	"context"
	"fmt"

	"github.com/mrmrthon/mrmrthon/api/splits"
	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// teamsView is a ranking of teams.
type teamsView struct {
	*raceView
	rules       []choice // when the race has several
	rule        race.TeamRule
	ranking     race.Ranking
	teams       []standings.Team
	names       apistandings.Names
	page, pages int
}

// teamsPerPage is how many teams a page has, each with all its runners.
const teamsPerPage = 50

// readRanked reads a race with its latest standings and the rules that they follow. It
// returns race.ErrNotFound while there are none.
func (s *site) readRanked(ctx context.Context, raceID string) (*raceView, apistandings.Version, maindb.Ruleset, error) {
	found, err := s.readRace(ctx, raceID)
	if err != nil {
		return nil, apistandings.Version{}, maindb.Ruleset{}, err
	}
	if found.latest.Version == 0 {
		return nil, apistandings.Version{}, maindb.Ruleset{}, race.ErrNotFound
	}
	version, err := s.Standings.Version(ctx, found.ID, found.latest.Version)
	if err != nil {
		return nil, apistandings.Version{}, maindb.Ruleset{}, err
	}
	rules, err := version.Rules()
	return found, version, rules, err
}

func (s *site) teams(ctx context.Context, r *request) (page, error) {
	found, version, rules, err := s.readRanked(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	if len(rules.Teams) == 0 {
		return page{}, race.ErrNotFound
	}
	v := teamsView{raceView: found, rule: rules.Teams[0], ranking: rules.Ranking}
	for _, rule := range rules.Teams {
		chosen := rule.Name == r.get("list")
		if chosen {
			v.rule = rule
		}
		v.rules = append(v.rules, choice{rule.Name, false, r.here("list", rule.Name, "page", "")})
	}
	for i := range v.rules {
		v.rules[i].chosen = v.rules[i].title == v.rule.Name
	}
	ranked := standings.Teams(v.rule, rules.Ranking, version.Rows)
	if v.page, err = r.number("page"); err != nil {
		return page{}, err
	}
	v.page = max(v.page, 1)
	if v.pages = max(1, (len(ranked)+teamsPerPage-1)/teamsPerPage); v.page > v.pages {
		return page{}, &badParameter{"page", "error.page"}
	}
	first := (v.page - 1) * teamsPerPage
	v.teams = ranked[first:min(first+teamsPerPage, len(ranked))]
	var rows []*standings.Row
	for _, team := range v.teams {
		for _, member := range team.Members {
			rows = append(rows, member.Row)
		}
	}
	v.names = s.names(ctx, r, version, rows)
	return page{
		title: r.T("teams.of", "Race", found.Name), description: r.describe(found), body: teamsBody(r, v), keep: keepShort,
		version: version.Version, follow: found.ID, hidden: v.page > 1,
	}, nil
}

// total is what ranks a team: a time, or a sum of places.
func (v teamsView) total(l *locale, team standings.Team) string {
	if v.rule.Rule == race.SumOfTimes {
		return race.Time(team.Total).String()
	}
	return l.Number(int(team.Total))
}

// awardsView is who gets an award.
type awardsView struct {
	*raceView
	prizes []standings.Prize
	names  apistandings.Names
	basis  race.Ranking
}

func (s *site) awards(ctx context.Context, r *request) (page, error) {
	found, version, rules, err := s.readRanked(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	if found.Awards == (race.AwardRules{}) {
		return page{}, race.ErrNotFound
	}
	v := awardsView{raceView: found, prizes: standings.Awards(found.Awards, rules.Divisions, version.Rows), basis: rules.Ranking}
	var rows []*standings.Row
	for _, prize := range v.prizes {
		for _, award := range prize.Awards {
			rows = append(rows, award.Row)
		}
	}
	v.names = s.names(ctx, r, version, rows)
	return page{
		title: r.T("awards.of", "Race", found.Name), description: r.describe(found), body: awardsBody(r, v), keep: keepShort,
		version: version.Version, follow: found.ID,
	}, nil
}

// prizeTitle is what a prize is for.
func (l *locale) prizeTitle(prize standings.Prize) string {
	title := prize.Category
	if prize.Overall {
		title = l.T("awards.overall")
		if prize.Sex != "" {
			title += " · " + l.T("sex."+string(prize.Sex))
		}
	}
	if prize.Field != race.Runner {
		title += " · " + l.T("field."+string(prize.Field))
	}
	return title
}

// paceSeconds reads a pace as splits write it, zero for none.
func paceSeconds(split splits.Split) float64 {
	at, err := race.ParseTime(split.Pace)
	if err != nil {
		return 0
	}
	return float64(at) / 1000
}

// wholePace is the pace to a reading in whole seconds, as all other paces on pages.
func wholePace(split splits.Split) string {
	seconds := int(paceSeconds(split) + 0.5)
	if seconds == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// pointName is what the point of a reading is called. No timing point is named finish.
func (l *locale) pointName(split splits.Split) string {
	if split.Point == "finish" {
		return l.T("splits.finish")
	}
	return split.Point
}

// paceBar is a segment of the course in the picture of a runner's paces.
type paceBar struct {
	x, width, y, height int
	title               string
}

// paceBars draws the pace of each segment as a column as wide as the segment is long:
// the higher, the faster.
func (v *resultView) paceBars(l *locale) []paceBar {
	const high = 120
	slowest, fastest := 0.0, 0.0
	for _, split := range v.splits {
		if pace := paceSeconds(split); pace > 0 {
			slowest = max(slowest, pace)
			if fastest == 0 || pace < fastest {
				fastest = pace
			}
		}
	}
	if fastest == 0 {
		return nil
	}
	whole := v.Distance.Metres()
	var bars []paceBar
	from := 0.0
	for _, split := range v.splits {
		if split.Missing {
			continue
		}
		x, end := int(1000*from/whole), int(1000*split.DistanceM/whole)
		from = split.DistanceM
		pace := paceSeconds(split)
		if pace == 0 {
			continue
		}
		height := high
		if slowest > fastest {
			height = int(high * (0.35 + 0.65*(slowest-pace)/(slowest-fastest)))
		}
		bars = append(bars, paceBar{x + 2, max(2, end-x-4), high - height, height, l.T("splits.bar", "Point", split.Point, "Pace", split.Pace)})
	}
	return bars
}
