package pages

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/mrmrthon/mrmrthon/api/leaderboard"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type leaderboardView struct {
	season      int
	years       []int // seasons to go to
	sex         race.Sex
	group       string
	best        int
	ranking     leaderboard.Ranking
	page, pages int
}

// ageGroups are what the leaderboard offers; the address may name any other.
var ageGroups = []string{"-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+"}

// bests are how many races may count.
var bests = []string{"1", "3", "5", "10"}

// leaderboard shows the points of a season.
func (s *site) leaderboard(ctx context.Context, r *request) (page, error) {
	var v leaderboardView
	sex, err := r.oneOf("sex", string(race.Female), string(race.Male), string(race.NonBinary))
	if err != nil {
		return page{}, err
	}
	for name, to := range map[string]*int{"season": &v.season, "best": &v.best, "page": &v.page} {
		if *to, err = r.number(name); err != nil {
			return page{}, err
		}
	}
	if v.season != 0 && (v.season < 1900 || v.season > 2200) {
		return page{}, &badParameter{"season", "error.season"}
	}
	if err := s.addSeasons(ctx, &v); err != nil {
		return page{}, err
	}
	v.sex, v.group, v.page = race.Sex(sex), r.get("age_group"), max(v.page, 1)
	query := leaderboard.Query{Season: v.season, Sex: v.sex, AgeGroup: v.group, Best: min(v.best, 100)}
	if v.ranking, err = s.Seasons.Read(ctx, query, (v.page-1)*rowsPerPage, rowsPerPage); err != nil {
		return page{}, err
	}
	if v.pages = max(1, (v.ranking.Runners+rowsPerPage-1)/rowsPerPage); v.page > v.pages {
		return page{}, &badParameter{"page", "error.page"}
	}
	return page{
		title: r.T("season.of", "Year", strconv.Itoa(v.season)), description: r.T("season.description"), body: leaderboardBody(r, v),
		keep: keepShort, hidden: v.page > 1,
	}, nil
}

// maxYears is how many seasons there are links to, the latest ones.
const maxYears = 10

// addSeasons finds the years that have results, and chooses the latest unless the
// reader did.
func (s *site) addSeasons(ctx context.Context, v *leaderboardView) error {
	years, err := s.Races.Seasons(ctx, maxYears)
	if err != nil {
		return err
	}
	if len(years) == 0 {
		years = []int{s.Now().UTC().Year()}
	}
	v.season = cmp.Or(v.season, years[0])
	if !slices.Contains(years, v.season) {
		years = append(years, v.season)
	}
	v.years = years
	return nil
}

func ageText(age *int) string {
	if age == nil {
		return ""
	}
	return strconv.Itoa(*age)
}
