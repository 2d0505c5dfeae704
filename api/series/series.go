// Package series has the calls about series of races: their rules, standings and versions.
package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	ranking "github.com/mrmrthon/mrmrthon/internal/series"
)

const (
	tag = "Series"
	// maxBody is far above the size of any body of these calls.
	maxBody = 64 << 10
)

// Config is what the calls about series need.
type Config struct {
	Store *maindb.Store
	// Reader knows the names of runners as the public may read them.
	Reader *standings.Reader
	Now    func() time.Time
	Log    *slog.Logger
	// Wake has a series recomputed. When it fails, the sweep does it later.
	Wake func(ctx context.Context, seriesID string)
}

type calls struct {
	Config
	current *cache.Cache[string, latestVersion] // by series ID
	ranked  *cache.Cache[versionKey, *rankedVersion]
}

// Register adds the calls about series to the API.
func Register(api huma.API, cfg Config) *Service {
	s := newCalls(cfg)
	read := []int{http.StatusNotFound, http.StatusUnprocessableEntity}
	written := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}
	server.Register(api, huma.Operation{
		OperationID: "create-series", Method: http.MethodPost, Path: "/v1/series", DefaultStatus: http.StatusCreated,
		Summary: "Create a series of races", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "All races must be yours, and you may have up to 50 series. A race counts its points times its multiplier, also with fixed points, " +
			"and before it is official as well as after. You need not be verified.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity},
	}, s.create)
	server.Register(api, huma.Operation{
		OperationID: "list-series", Method: http.MethodGet, Path: "/v1/series",
		Summary: "List series", Tags: []string{tag}, Errors: []int{http.StatusUnprocessableEntity},
	}, s.list)
	server.Register(api, huma.Operation{
		OperationID: "get-series", Method: http.MethodGet, Path: "/v1/series/{series_id}",
		Summary: "Get a series", Tags: []string{tag}, Errors: []int{http.StatusNotFound},
	}, s.get)
	server.Register(api, huma.Operation{
		OperationID: "change-series", Method: http.MethodPatch, Path: "/v1/series/{series_id}",
		Summary: "Update a series", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "For its owner. What is left out stays as it is.", Errors: written,
	}, s.change)
	server.Register(api, huma.Operation{
		OperationID: "delete-series", Method: http.MethodDelete, Path: "/v1/series/{series_id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a series with its standings", Tags: []string{tag},
		Description: "For its owner. Its races stay.", Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound},
	}, s.delete)
	server.Register(api, huma.Operation{
		OperationID: "get-series-standings", Method: http.MethodGet, Path: "/v1/series/{series_id}/standings",
		Summary: "Read the standings of a series", Tags: []string{tag},
		Description: "Ranked from the latest standings of its races, provisional or official, within a few seconds of a new version of one of them. " +
			"Each runner has their results with what counts and why the others do not. Runners with too few races come last, without a place. " +
			"Pages stay on the version of the first one.",
		Errors: append(slices.Clone(read), http.StatusNotModified, http.StatusGone),
	}, s.standings)
	server.Register(api, huma.Operation{
		OperationID: "export-series-standings", Method: http.MethodGet, Path: "/v1/series/{series_id}/standings.csv",
		Summary: "Export the standings of a series as CSV", Tags: []string{tag},
		Description: "With a column of points for each race; those that do not count are in brackets.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The table, with a header line.", Content: map[string]*huma.MediaType{"text/csv": {}},
		}},
		Errors: append(slices.Clone(read), http.StatusGone),
	}, s.export)
	server.Register(api, huma.Operation{
		OperationID: "list-series-versions", Method: http.MethodGet, Path: "/v1/series/{series_id}/standings/versions",
		Summary: "List the versions of a series' standings", Tags: []string{tag},
		Description: "All that ever existed, and why each was made. The rows of the latest 20 are kept, and of ever fewer before them.", Errors: read,
	}, s.versions)
	return &Service{s}
}

// Service is what pages do with series, as the calls do.
type Service struct{ calls calls }

// Create creates a series of the caller.
func (s *Service) Create(ctx context.Context, in NewBody) (maindb.Series, error) {
	if err := server.Valid(in); err != nil {
		return maindb.Series{}, err
	}
	return s.calls.add(ctx, in)
}

// Change changes a series of the caller. unless sees it under its lock, as it is before
// the change: its error refuses the change.
func (s *Service) Change(ctx context.Context, seriesID string, in ChangeBody, unless func(maindb.Series) error) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.update(ctx, seriesID, in, unless)
	return err
}

// Delete deletes a series of the caller.
func (s *Service) Delete(ctx context.Context, seriesID string) error {
	_, err := s.calls.delete(ctx, &Path{seriesID})
	return err
}

// Owned returns a series of the caller.
func (s *Service) Owned(ctx context.Context, seriesID string) (maindb.Series, error) {
	if err := s.calls.checkOwner(ctx, seriesID); err != nil {
		return maindb.Series{}, err
	}
	return s.calls.find(ctx, seriesID)
}

// Standings are rows of a version of a series.
type Standings struct {
	maindb.Series                   // as it is today
	Head          maindb.SeriesHead // Version 0: there is none yet
	Rows          []*ranking.Row    // those that are selected
}

// Read returns the rows of a version that a query selects. It returns race.ErrNotFound.
func (s *Service) Read(ctx context.Context, q Query) (Standings, error) {
	now, head, rows, err := s.calls.load(ctx, q)
	if err != nil {
		return Standings{}, err
	}
	return Standings{Series: now.Series, Head: head, Rows: rows}, nil
}

// People returns what the public may read of the runners of rows, by their IDs, and ok
// false while names cannot be read.
func (s *Service) People(ctx context.Context, rows []*ranking.Row) (people map[string]standings.Person, ok bool) {
	people, keep := s.calls.people(ctx, rows, false)
	return people, keep != cacheNothing
}

// ShownAge returns the age of a runner if the public may read it.
func ShownAge(row *ranking.Row, people map[string]standings.Person) *int {
	return shownAge(row, people)
}

// RaceName returns the name of a race of a version: as it is today, or as it was when the
// race has left the series.
func (s Standings) RaceName(raceID string) string {
	return nameOfRace(latestVersion{Series: s.Series}, s.Head, raceID)
}

type seriesRaceBody struct {
	RaceID     string   `json:"race_id" format:"uuid" example:"0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07" doc:"A race that you own."`
	Multiplier *float64 `json:"multiplier,omitempty" minimum:"0.001" maximum:"100" example:"1.5" doc:"What the race's points are multiplied by, with up to three decimals; 1 by default."`
}

type newSeriesBody struct {
	Name      string               `json:"name" minLength:"1" maxLength:"200" example:"Park Series 2026"`
	Races     []seriesRaceBody     `json:"races,omitempty" maxItems:"100" nullable:"false"`
	Best      int                  `json:"best,omitempty" minimum:"0" maximum:"100" example:"3" doc:"How many of each runner's races count; 0 for all."`
	MinRaces  int                  `json:"min_races,omitempty" minimum:"0" maximum:"100" example:"2" doc:"Runners with points in fewer races have no place."`
	Ties      []ranking.Tie        `json:"ties,omitempty" maxItems:"4" nullable:"false" enum:"best_race,second_best,most_races,latest_race" doc:"What decides between equal totals, one after the other: the best or second-best race, more races, or the latest race that anyone finished. Runners who are equal in all share the place."`
	AgesOn    string               `json:"ages_on,omitempty" example:"2026-12-31" doc:"YYYY-MM-DD: the day on which ages decide divisions; the day of the last race by default. The age is that in the runner's race nearest to the day, and the whole years between the two."`
	Divisions []races.DivisionBody `json:"divisions,omitempty" maxItems:"200" nullable:"false" doc:"A runner is ranked in the first division that fits."`
}

type seriesChangeBody struct {
	Name      *string               `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Races     *[]seriesRaceBody     `json:"races,omitempty" maxItems:"100" nullable:"false" doc:"Replaces all races."`
	Best      *int                  `json:"best,omitempty" minimum:"0" maximum:"100"`
	MinRaces  *int                  `json:"min_races,omitempty" minimum:"0" maximum:"100"`
	Ties      *[]ranking.Tie        `json:"ties,omitempty" maxItems:"4" nullable:"false" enum:"best_race,second_best,most_races,latest_race" doc:"Replaces all rules for ties."`
	AgesOn    *string               `json:"ages_on,omitempty" example:"2026-12-31" doc:"An empty string means the day of the last race."`
	Divisions *[]races.DivisionBody `json:"divisions,omitempty" maxItems:"200" nullable:"false" doc:"Replaces all divisions."`
}

type seriesRaceShown struct {
	RaceID     string      `json:"race_id" format:"uuid"`
	Name       string      `json:"name"`
	Date       string      `json:"date"`
	Status     race.Status `json:"status" enum:"scheduled,provisional,official,void" doc:"A void race takes no part."`
	Multiplier float64     `json:"multiplier"`
}

type seriesBody struct {
	SeriesID    string               `json:"series_id" format:"uuid"`
	OrganizerID string               `json:"organizer_id" format:"uuid"`
	Name        string               `json:"name"`
	Status      race.Status          `json:"status" enum:"provisional,official" doc:"Official once the results of all its races are, except those of void ones."`
	Races       []seriesRaceShown    `json:"races" nullable:"false" doc:"By date. A race that was handed over to another organizer is no longer part of the series."`
	Best        int                  `json:"best" doc:"0: all races count."`
	MinRaces    int                  `json:"min_races"`
	Ties        []ranking.Tie        `json:"ties" nullable:"false"`
	AgesOn      string               `json:"ages_on,omitempty" doc:"Left out: the day of the last race."`
	Divisions   []races.DivisionBody `json:"divisions" nullable:"false"`
	CreatedAt   time.Time            `json:"created_at"`
}

type seriesOutput struct{ Body seriesBody }

func seriesShown(s maindb.Series) *seriesOutput {
	body := seriesBody{
		SeriesID: s.ID, OrganizerID: s.OrganizerID, Name: s.Name, Status: s.Status(), Races: []seriesRaceShown{}, Best: s.Best, MinRaces: s.MinRaces,
		Ties: slices.Concat([]ranking.Tie{}, s.Ties), Divisions: []races.DivisionBody{}, CreatedAt: s.CreatedAt,
	}
	for _, r := range s.Races {
		body.Races = append(body.Races, seriesRaceShown{
			RaceID: r.ID, Name: r.Name, Date: r.Date.String(), Status: r.Status, Multiplier: inWhole(r.Multiplier),
		})
	}
	for _, d := range s.Divisions {
		body.Divisions = append(body.Divisions, races.DivisionBody(d))
	}
	if !s.AgesOn.IsZero() {
		body.AgesOn = s.AgesOn.String()
	}
	return &seriesOutput{Body: body}
}

// inWhole turns thousandths into a number.
func inWhole(thousandths int64) float64 { return float64(thousandths) / ranking.Whole }

// Bodies of calls, for pages. Their names in the OpenAPI document are the other ones.
type (
	// RaceBody is a race of a series.
	RaceBody = seriesRaceBody
	// NewBody holds the settings of a new series.
	NewBody = newSeriesBody
	// ChangeBody changes the settings of a series. What is left out stays as it is.
	ChangeBody = seriesChangeBody
)

type newSeriesInput struct{ Body newSeriesBody }

func (s calls) create(ctx context.Context, in *newSeriesInput) (*seriesOutput, error) {
	created, err := s.add(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return seriesShown(created), nil
}

func (s calls) add(ctx context.Context, b NewBody) (maindb.Series, error) {
	n := maindb.Series{ID: server.ResourceID(ctx), OrganizerID: server.CallerFrom(ctx).UserID}
	if err := setSeries(&n, ChangeBody{&b.Name, &b.Races, &b.Best, &b.MinRaces, &b.Ties, &b.AgesOn, &b.Divisions}); err != nil {
		return n, err
	}
	created, err := s.Store.CreateSeries(ctx, n)
	if err == nil {
		s.Wake(ctx, created.ID)
	}
	return created, err
}

// Path is embedded in the inputs of calls about a series. It is exported like
// RacePath.
type Path struct {
	SeriesID string `path:"series_id" doc:"UUID of the series."`
}

type seriesChangeInput struct {
	Path
	Body seriesChangeBody
}

func (s calls) change(ctx context.Context, in *seriesChangeInput) (*seriesOutput, error) {
	updated, err := s.update(ctx, in.SeriesID, in.Body, nil)
	if err != nil {
		return nil, err
	}
	return seriesShown(updated), nil
}

func (s calls) update(ctx context.Context, seriesID string, body ChangeBody, unless func(maindb.Series) error) (maindb.Series, error) {
	if err := s.checkOwner(ctx, seriesID); err != nil {
		return maindb.Series{}, err
	}
	updated, err := s.Store.UpdateSeries(ctx, seriesID, func(n *maindb.Series) error {
		if unless != nil {
			if err := unless(*n); err != nil {
				return err
			}
		}
		return setSeries(n, body)
	})
	if err == nil {
		s.Wake(ctx, updated.ID)
	}
	return updated, err
}

// find returns a series, or race.ErrNotFound.
func (s calls) find(ctx context.Context, seriesID string) (maindb.Series, error) {
	if !server.IsID(seriesID) {
		return maindb.Series{}, race.ErrNotFound
	}
	return s.Store.Series(ctx, seriesID)
}

// checkOwner returns an error unless a series is the caller's.
func (s calls) checkOwner(ctx context.Context, seriesID string) error {
	found, err := s.find(ctx, seriesID)
	if err == nil && found.OrganizerID != server.CallerFrom(ctx).UserID {
		return huma.Error403Forbidden("the series belongs to another organizer")
	}
	return err
}

func (s calls) delete(ctx context.Context, in *Path) (*struct{}, error) {
	if err := s.checkOwner(ctx, in.SeriesID); err != nil {
		return nil, err
	}
	return nil, s.Store.DeleteSeries(ctx, in.SeriesID)
}

func (s calls) get(ctx context.Context, in *Path) (*seriesOutput, error) {
	found, err := s.find(ctx, in.SeriesID)
	if err != nil {
		return nil, err
	}
	return seriesShown(found), nil
}

type seriesListInput struct {
	server.Page
	OrganizerID string `query:"organizer_id" format:"uuid" doc:"Only the series of this organizer."`
}

type seriesListOutput struct {
	Body struct {
		Items      []seriesBody `json:"items" nullable:"false" doc:"The oldest first."`
		NextCursor string       `json:"next_cursor,omitempty"`
	}
}

func (s calls) list(ctx context.Context, in *seriesListInput) (*seriesListOutput, error) {
	var after string
	if err := in.Seek(&after); err != nil {
		return nil, err
	}
	found, err := s.Store.ListSeries(ctx, in.OrganizerID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &seriesListOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Series) []any { return []any{last.ID} })
	out.Body.Items = []seriesBody{}
	for _, one := range found {
		out.Body.Items = append(out.Body.Items, seriesShown(one).Body)
	}
	return out, nil
}

// setSeries applies a change to the settings of a series.
func setSeries(n *maindb.Series, body ChangeBody) error {
	var wrong race.FieldErrors
	if body.Name != nil {
		races.SetText(&wrong, "name", &n.Name, *body.Name)
		if n.Name == "" {
			wrong.Add("name", errors.New("must not be empty"))
		}
	}
	if body.Races != nil {
		setSeriesRaces(&wrong, n, *body.Races)
	}
	if body.Best != nil {
		n.Best = *body.Best
	}
	if body.MinRaces != nil {
		n.MinRaces = *body.MinRaces
	}
	if body.Ties != nil {
		n.Ties = *body.Ties
		if sorted := slices.Sorted(slices.Values(n.Ties)); len(slices.Compact(sorted)) < len(n.Ties) {
			wrong.Add("ties", errors.New("must not name a rule twice"))
		}
	}
	if body.AgesOn != nil {
		n.AgesOn = race.Date{}
		if *body.AgesOn != "" {
			var err error
			n.AgesOn, err = race.ParseDate(*body.AgesOn)
			wrong.Add("ages_on", err)
		}
	}
	if body.Divisions != nil {
		races.SetDivisions(&wrong, &n.Divisions, *body.Divisions)
	}
	return wrong.Err()
}

func setSeriesRaces(wrong *race.FieldErrors, n *maindb.Series, bodies []seriesRaceBody) {
	n.Races = nil
	for i, body := range bodies {
		one := maindb.SeriesRace{Race: ranking.Race{ID: strings.ToLower(body.RaceID), Multiplier: ranking.Whole}}
		if body.Multiplier != nil {
			thousandths := *body.Multiplier * ranking.Whole
			if one.Multiplier = int64(math.Round(thousandths)); math.Abs(thousandths-float64(one.Multiplier)) > 1e-6 {
				wrong.Add(fmt.Sprintf("races[%d].multiplier", i), errors.New("must have at most three decimals"))
			}
		}
		if !server.IsID(one.ID) {
			wrong.Add(fmt.Sprintf("races[%d].race_id", i), errors.New("must be a race that you own"))
		}
		if slices.ContainsFunc(n.Races, func(r maindb.SeriesRace) bool { return r.ID == one.ID }) {
			wrong.Add(fmt.Sprintf("races[%d].race_id", i), errors.New("is in the list twice"))
		}
		n.Races = append(n.Races, one)
	}
}
