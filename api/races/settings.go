package races

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// settings serves an organizer's changes to their races.
type settings struct {
	store   *maindb.Store
	runners *userdb.Store
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

type voidInput struct {
	RacePath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"entered twice by mistake" doc:"Shown with the race."`
	}
}

func (s settings) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "create-race", Method: http.MethodPost, Path: "/v1/races", DefaultStatus: http.StatusCreated,
		Summary: "Create a race", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}, s.create)
	server.Register(api, huma.Operation{
		OperationID: "change-race", Method: http.MethodPatch, Path: "/v1/races/{race_id}",
		Summary: "Update a race", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Description: "Another date, distance, ranking basis, scoring rule or points credits every official record again. " +
			"Once the race is official, its points and places no longer change.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, s.change)
	server.Register(api, huma.Operation{
		OperationID: "delete-race", Method: http.MethodDelete, Path: "/v1/races/{race_id}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a race", Tags: []string{racesTag},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict},
	}, s.delete)
	server.Register(api, huma.Operation{
		OperationID: "void-race", Method: http.MethodPost, Path: "/v1/races/{race_id}/void", DefaultStatus: http.StatusOK,
		Summary: "Void a race that was a mistake", Tags: []string{racesTag}, MaxBodyBytes: maxBody,
		Description: "For its organizer and for operators, and for good. Every record is worth 0 points from then on and says so, " +
			"the standings say void, and no records, files or publications are accepted any more. Calling it again changes nothing.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}, s.void)
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
	if r.Status != race.Scheduled { // places may depend on what changed even when points do not
		s.wake(ctx, r.ID)
	}
	return &raceOutput{Body: bodyOf(r)}, nil
}

func (s settings) void(ctx context.Context, in *voidInput) (*raceOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "must say why, in 1 to 500 characters"}}}
	}
	by := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason}
	r, voided, err := s.store.VoidRace(ctx, server.RaceFrom(ctx).ID, by)
	if err != nil {
		return nil, err
	}
	if voided {
		s.poke()
		s.wake(ctx, r.ID)
	}
	return &raceOutput{Body: bodyOf(r)}, nil
}

func (s settings) delete(ctx context.Context, _ *RacePath) (*struct{}, error) {
	return nil, s.store.DeleteRace(ctx, server.RaceFrom(ctx).ID)
}
