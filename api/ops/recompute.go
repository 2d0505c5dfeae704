package ops

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

type raceReader interface {
	// Race returns race.ErrNotFound when there is none.
	Race(ctx context.Context, raceID string) (race.Race, error)
}

// recomputing wakes the workflow that keeps a race's standings.
type recomputing struct {
	races    raceReader
	wake     func(ctx context.Context, raceID string) (workflowID string, err error)
	traceURL func(workflowID string) string
	journal  journal
}

type recomputeInput struct {
	RaceID string `path:"race_id"`
	Body   *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record of actions. No names."`
	}
}

type recomputeOutput struct {
	Body struct {
		WorkflowID string `json:"workflow_id"`
		TraceURL   string `json:"trace_url" doc:"In the Temporal Web UI."`
	}
}

func (r recomputing) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "recompute-standings", Method: http.MethodPost, Path: "/v1/ops/races/{race_id}/recompute",
		DefaultStatus: http.StatusAccepted,
		Summary:       "Recompute a race's standings now",
		Description:   "Safe to repeat: a recompute that finds nothing changed writes nothing.",
		Errors:        []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, r.handle)
}

func (r recomputing) handle(ctx context.Context, in *recomputeInput) (*recomputeOutput, error) {
	if err := checkID(in.RaceID); err != nil {
		return nil, err
	}
	if _, err := r.races.Race(ctx, in.RaceID); err != nil {
		return nil, err
	}
	e := entry{action: recomputeRace, target: in.RaceID, before: struct{}{}}
	if in.Body != nil {
		e.reason = in.Body.Reason
	}
	out := &recomputeOutput{}
	err := r.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		workflowID, err := r.wake(ctx, in.RaceID)
		if err != nil {
			return nil, &DownError{Part: "Temporal", Err: err}
		}
		out.Body.WorkflowID, out.Body.TraceURL = workflowID, r.traceURL(workflowID)
		return map[string]string{"workflow_id": out.Body.WorkflowID}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
