package races

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type settingsStore interface {
	// CreateRace returns the race that has the ID already, if one has.
	CreateRace(ctx context.Context, r race.Race) (race.Race, error)
	// UpdateRace returns race.ErrNotFound, what edit returns, or a
	// *race.ConflictError for what can no longer change.
	UpdateRace(ctx context.Context, raceID string, edit func(*race.Race) error, births maindb.BirthDates) (race.Race, int, error)
	// DeleteRace returns race.ErrNotFound, or a *race.ConflictError once there
	// are records.
	DeleteRace(ctx context.Context, raceID string) error
}

// settings is what organizers do with their races.
type settings struct {
	store   settingsStore
	runners accountReader
	poke    func()
	wake    func(ctx context.Context, raceID string)
}

type newRaceInput struct {
	Body newRaceBody
}

type raceChangeInput struct {
	RacePath
	Body raceChangeBody
}

func (s settings) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "create-race", Method: http.MethodPost, Path: "/v1/races", DefaultStatus: http.StatusCreated,
		Summary: "Create a race", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}, s.create)
	server.Register(api, huma.Operation{
		OperationID: "change-race", Method: http.MethodPatch, Path: "/v1/races/{race_id}",
		Summary: "Change the settings of a race", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Description: "Another date, distance, ranking basis, scoring rule or points sends every official record on its way again, " +
			"and the runners' points follow. Once the race is official, its points and places stand.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, s.change)
	server.Register(api, huma.Operation{
		OperationID: "delete-race", Method: http.MethodDelete, Path: "/v1/races/{race_id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a race without official records", Tags: []string{racesTag},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict},
	}, s.delete)
}

func (s settings) create(ctx context.Context, in *newRaceInput) (*raceOutput, error) {
	r, err := newRace(in.Body)
	if err != nil {
		return nil, err
	}
	r.ID, r.OrganizerID = server.ResourceID(ctx), server.CallerFrom(ctx).UserID
	if r, err = s.store.CreateRace(ctx, r); err != nil {
		return nil, err
	}
	return &raceOutput{Body: bodyOf(r)}, nil
}

func (s settings) change(ctx context.Context, in *raceChangeInput) (*raceOutput, error) {
	edit := func(r *race.Race) error { return changeRace(r, in.Body) }
	births := func(ctx context.Context, userIDs []string) (map[string]race.Date, error) {
		return birthDates(ctx, s.runners, userIDs)
	}
	r, revised, err := s.store.UpdateRace(ctx, server.RaceFrom(ctx).ID, edit, births)
	if err != nil {
		return nil, err
	}
	if revised > 0 {
		s.poke()
	}
	if r.Status != race.Scheduled { // places may rest on what changed when no points do
		s.wake(ctx, r.ID)
	}
	return &raceOutput{Body: bodyOf(r)}, nil
}

func (s settings) delete(ctx context.Context, _ *RacePath) (*struct{}, error) {
	return nil, s.store.DeleteRace(ctx, server.RaceFrom(ctx).ID)
}
