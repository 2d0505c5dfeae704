// Package leaderboard ranks runners by their points in a season.
package leaderboard

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Reader reads leaderboards for the API's call and for the pages.
type Reader struct {
	seasons *seasons
	ledger  *userdb.Store
}

type input struct {
	server.Page
	Season   int    `query:"season" required:"true" example:"2026" minimum:"1900" maximum:"2200" doc:"A calendar year."`
	Sex      string `query:"sex" enum:"M,F,X" doc:"Sex, as entered in the last race of the season."`
	AgeGroup string `query:"age_group" maxLength:"7" example:"40-44" doc:"Years of age on the day of the last race of the season, in steps of five: 40-44, 70+ or -19."`
	Best     int    `query:"best" minimum:"1" maximum:"100" doc:"How many of each runner's best races count; all by default."`
}

// Leader is a runner with a place.
type Leader struct {
	Place  int    `json:"place"`
	UserID string `json:"user_id" format:"uuid"`
	Name   string `json:"name" doc:"Empty when the account was deleted."`
	Sex    string `json:"sex,omitempty" enum:"M,F,X"`
	Age    *int   `json:"age,omitempty" doc:"On the day of the last race of the season."`
	Points int64  `json:"points" doc:"Points of the races that count. They decide the place."`
	Total  int64  `json:"total" doc:"Points of all races of the season."`
	Races  int    `json:"races" doc:"Number of races with points."`
}

type output struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		ComputedAt time.Time `json:"computed_at" doc:"When the ledger was read."`
		Runners    int       `json:"runners" doc:"Number of runners on all pages."`
		Items      []Leader  `json:"items" nullable:"false"`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

// Register adds the call to the API. It returns a reader of the same leaderboards.
func Register(api huma.API, store *maindb.Store, ledger *userdb.Store, now func() time.Time) *Reader {
	r := &Reader{seasons: newSeasons(store, ledger, now), ledger: ledger}
	server.Register(api, huma.Operation{
		OperationID: "get-leaderboard", Method: http.MethodGet, Path: "/v1/leaderboard",
		Summary: "Get the leaderboard of a season", Tags: []string{"Standings"},
		Description: "The races of organizers whom operators have verified, except those with the rule fixed, whose points each organizer chooses. " +
			"The points are those of the ledger and up to a minute old. Among equal points the better best race decides, then the " +
			"better second best, and so on. Runners who are equal in all races share the place, and the next place is skipped (1, 2, 2, 4).",
		Errors: []int{http.StatusUnprocessableEntity},
	}, r.handle)
	return r
}

func (r *Reader) handle(ctx context.Context, in *input) (*output, error) {
	var position int
	if err := in.Seek(&position); err != nil {
		return nil, err
	}
	page, err := r.Read(ctx, Query{Season: in.Season, Sex: race.Sex(in.Sex), AgeGroup: in.AgeGroup, Best: in.Best}, position, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &output{CacheControl: "public, max-age=10"}
	out.Body.ComputedAt, out.Body.Runners, out.Body.Items = page.ComputedAt, page.Runners, page.Items
	if position+len(page.Items) < page.Runners && len(page.Items) > 0 {
		out.Body.NextCursor = server.Cursor(position + in.Limit)
	}
	return out, nil
}

// Query selects the runners of a season and says how they are ranked.
type Query struct {
	Season   int
	Sex      race.Sex // empty: any
	AgeGroup string   // as 40-44, 70+ or -19; empty: any
	Best     int      // how many of each runner's races count; 0: all
}

// Ranking is a part of a season's leaderboard.
type Ranking struct {
	ComputedAt time.Time // when the ledger was read
	Runners    int       // on the whole board
	Items      []Leader
}

// Read returns up to limit runners of a leaderboard from a position on, or a 422
// problem for a malformed age group.
func (r *Reader) Read(ctx context.Context, q Query, position, limit int) (Ranking, error) {
	f := filter{sex: q.Sex, best: q.Best}
	var err error
	if f.minAge, f.maxAge, err = parseAgeGroup(q.AgeGroup); err != nil {
		return Ranking{}, server.Invalid("query.age_group", err.Error())
	}
	season, err := r.seasons.of(ctx, q.Season)
	if err != nil {
		return Ranking{}, err
	}
	list := season.ranking(f)
	page := Ranking{ComputedAt: season.at, Runners: len(list), Items: []Leader{}}
	list = list[min(position, len(list)):]
	list = list[:min(limit, len(list))]
	ids := make([]string, len(list))
	for i, ranked := range list {
		ids[i] = ranked.userID
	}
	runners, err := r.ledger.Runners(ctx, ids)
	if err != nil {
		return Ranking{}, err
	}
	today := race.DateOf(r.seasons.now().UTC())
	for _, ranked := range list {
		page.Items = append(page.Items, leaderOf(ranked, runners[ranked.userID], today))
	}
	return page, nil
}

// leaderOf shows what the runner wants shown; races of a season are in several
// countries, so minors are those below the default age of consent.
func leaderOf(r ranked, runner userdb.Runner, today race.Date) Leader {
	name := runner.Name
	hidesName, hidesAge := runner.Discretion().Hides(r.age, today, race.ConsentAge(""))
	if hidesName {
		name = race.Initials(name)
	}
	shown := Leader{
		Place: r.place, UserID: r.userID, Name: name, Sex: string(r.sex), Points: r.points, Total: r.total, Races: len(r.races),
	}
	if r.age != race.UnknownAge && !hidesAge {
		shown.Age = &r.age
	}
	return shown
}

var (
	errAgeGroup = errors.New("must be ages in years such as 40-44, 70+ or -19")
	errAgeSteps = errors.New("must begin and end at steps of five years, such as 40-44, 70+ or -19")
)

// ageStep is the width of the narrowest age group. Arbitrary bounds would reveal ages
// that runners hide: who is in 40-44 but not in 41-45 is 40.
const ageStep = 5

// parseAgeGroup returns inclusive bounds, -1 for none.
func parseAgeGroup(s string) (minAge, maxAge int, err error) {
	minAge, maxAge, err = parseAges(s)
	if err == nil && (minAge > 0 && minAge%ageStep != 0 || maxAge >= 0 && (maxAge+1)%ageStep != 0) {
		err = errAgeSteps
	}
	return minAge, maxAge, err
}

func parseAges(s string) (minAge, maxAge int, err error) {
	if s == "" {
		return -1, -1, nil
	}
	if from, open := strings.CutSuffix(s, "+"); open {
		minAge, err = parseAge(from)
		return minAge, -1, err
	}
	from, to, ranged := strings.Cut(s, "-")
	if !ranged {
		return 0, 0, errAgeGroup
	}
	minAge = -1
	if from != "" {
		if minAge, err = parseAge(from); err != nil {
			return 0, 0, err
		}
	}
	if maxAge, err = parseAge(to); err != nil || maxAge < minAge {
		return 0, 0, errAgeGroup
	}
	return minAge, maxAge, nil
}

func parseAge(s string) (int, error) {
	age, err := strconv.ParseUint(s, 10, 8)
	if err != nil || age > race.MaxAge {
		return 0, errAgeGroup
	}
	return int(age), nil
}
