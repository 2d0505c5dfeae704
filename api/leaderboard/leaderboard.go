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

type board struct {
	seasons *seasons
	ledger  *userdb.Store
}

type input struct {
	server.Page
	Season   int    `query:"season" required:"true" example:"2026" minimum:"1900" maximum:"2200" doc:"A calendar year."`
	Sex      string `query:"sex" enum:"M,F,X" doc:"Sex, as entered in the last race of the season."`
	AgeGroup string `query:"age_group" maxLength:"7" example:"40-44" doc:"Years of age on the day of the last race of the season: 40-44, 70+ or -19."`
	Best     int    `query:"best" minimum:"1" maximum:"100" doc:"How many of each runner's best races count; all by default."`
}

type leader struct {
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
		Items      []leader  `json:"items" nullable:"false"`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

// Register adds the call to the API.
func Register(api huma.API, store *maindb.Store, ledger *userdb.Store, now func() time.Time) {
	b := board{seasons: newSeasons(store, ledger, now), ledger: ledger}
	server.Register(api, huma.Operation{
		OperationID: "get-leaderboard", Method: http.MethodGet, Path: "/v1/leaderboard",
		Summary: "Get the leaderboard of a season", Tags: []string{"Standings"},
		Description: "The points are those of the ledger and up to a minute old. Among equal points the better best race decides, then the " +
			"better second best, and so on. Runners who are equal in all races share the place, and the next place is skipped (1, 2, 2, 4).",
		Errors: []int{http.StatusUnprocessableEntity},
	}, b.handle)
}

func (b board) handle(ctx context.Context, in *input) (*output, error) {
	f := filter{sex: race.Sex(in.Sex), best: in.Best}
	var err error
	if f.minAge, f.maxAge, err = parseAgeGroup(in.AgeGroup); err != nil {
		return nil, invalid("query.age_group", err.Error())
	}
	var position int
	if err := in.Seek(&position); err != nil {
		return nil, err
	}
	season, err := b.seasons.of(ctx, in.Season)
	if err != nil {
		return nil, err
	}
	list := season.ranking(f)
	out := &output{CacheControl: "public, max-age=10"}
	out.Body.ComputedAt, out.Body.Runners, out.Body.Items = season.at, len(list), []leader{}
	list = list[min(position, len(list)):]
	list, out.Body.NextCursor = server.Cut(in.Page, list, func(ranked) []any { return []any{position + in.Limit} })
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.userID
	}
	runners, err := b.ledger.Runners(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		out.Body.Items = append(out.Body.Items, leaderOf(r, runners[r.userID].Name))
	}
	return out, nil
}

func leaderOf(r ranked, name string) leader {
	shown := leader{
		Place: r.place, UserID: r.userID, Name: name, Sex: string(r.sex), Points: r.points, Total: r.total, Races: len(r.races),
	}
	if r.age != race.UnknownAge {
		shown.Age = &r.age
	}
	return shown
}

var errAgeGroup = errors.New("must be ages in years as 40-44, 70+ or -19")

// parseAgeGroup returns inclusive bounds, -1 for none.
func parseAgeGroup(s string) (minAge, maxAge int, err error) {
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

func invalid(location, message string) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: location, Message: message})
}
