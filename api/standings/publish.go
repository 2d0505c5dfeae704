package standings

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// protestWindow is the time for protests unless the organizer says otherwise:
// World Athletics' rule 8 gives 30 minutes from the announcement of a result.
const protestWindow = 30 * time.Minute

type publicationStore interface {
	// OpenPublication returns the publication that there is, or opens one; a
	// *race.ConflictError for a race without results.
	OpenPublication(ctx context.Context, raceID, by string, window time.Duration) (maindb.Publication, error)
	// CancelPublication returns a *race.ConflictError for an official race.
	CancelPublication(ctx context.Context, raceID string) error
}

type publishing struct {
	store publicationStore
	board *board
	wake  func(ctx context.Context, raceID string)
}

type finalizeInput struct {
	RaceID string `path:"race_id"`
	Body   *struct {
		ProtestWindowS *int `json:"protest_window_s,omitempty" minimum:"0" maximum:"604800" doc:"Seconds for protests, after which the standings become official; 0 for at once. When left out: 1800 for a new window, and the one that is open stays as it is."`
	} `required:"false"`
}

type finalizeOutput struct {
	Status int
	Body   struct {
		State       string     `json:"state" enum:"window,official" doc:"The protest window is open, or the standings are official already."`
		EndsAt      time.Time  `json:"ends_at" doc:"Of the protest window. Credits that are under way then are waited for, at most 10 minutes."`
		PublishedAt *time.Time `json:"published_at,omitempty"`
	}
}

func (p publishing) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "finalize-race", Method: http.MethodPost, Path: "/v1/races/{race_id}/finalize",
		Summary: "Make the standings official after a protest window", Tags: []string{tag},
		Description: "Calling it again changes nothing. Without a body, with `{}` or with the same window it answers 202 with the window that is open, " +
			"and 200 once the standings are official. A different window is a conflict (409): cancel the open one first. " +
			"Corrections made during the window are included; a correction after it makes a new official version.",
		DefaultStatus: http.StatusAccepted,
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusUnprocessableEntity,
		},
	}, p.finalize)
	server.Register(api, huma.Operation{
		OperationID: "cancel-finalize", Method: http.MethodDelete, Path: "/v1/races/{race_id}/finalize",
		Summary: "Cancel the protest window: the standings stay provisional", Tags: []string{tag},
		DefaultStatus: http.StatusNoContent,
		Errors:        []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict},
	}, p.cancel)
}

func (p publishing) finalize(ctx context.Context, in *finalizeInput) (*finalizeOutput, error) {
	window, stated := protestWindow, in.Body != nil && in.Body.ProtestWindowS != nil
	if stated {
		window = time.Duration(*in.Body.ProtestWindowS) * time.Second
	}
	publication, err := p.store.OpenPublication(ctx, in.RaceID, server.CallerFrom(ctx).UserID, window)
	if err != nil {
		return nil, err
	}
	out := &finalizeOutput{Status: http.StatusAccepted}
	out.Body.State, out.Body.EndsAt = "window", publication.EndsAt
	if !publication.Open() {
		out.Status, out.Body.State, out.Body.PublishedAt = http.StatusOK, "official", &publication.PublishedAt
		return out, nil
	}
	if opened := publication.EndsAt.Sub(publication.RequestedAt); stated && opened != window {
		return nil, &race.ConflictError{Field: "protest_window_s", Message: fmt.Sprintf(
			"a protest window of %d s is already open until %s; cancel it before opening another", int(opened.Seconds()), publication.EndsAt.Format(time.RFC3339))}
	}
	p.board.forget(in.RaceID)
	p.wake(ctx, in.RaceID)
	return out, nil
}

type cancelInput struct {
	RaceID string `path:"race_id"`
}

func (p publishing) cancel(ctx context.Context, in *cancelInput) (*struct{}, error) {
	if err := p.store.CancelPublication(ctx, in.RaceID); err != nil {
		return nil, err
	}
	p.board.forget(in.RaceID)
	p.wake(ctx, in.RaceID)
	return nil, nil
}
