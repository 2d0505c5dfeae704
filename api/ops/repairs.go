package ops

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// repairs rebuilds totals and recomputes standings, both from what is committed.
type repairs struct {
	store  *maindb.Store
	ledger *userdb.Store
	wake   func(ctx context.Context, raceID string) (workflowID string, err error)
	log    repair.Log
	links  links
}

func (r repairs) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "rebuild-total", Method: http.MethodPost, Path: "/v1/ops/users/{user_id}/rebuild-total",
		Summary:     "Set a runner's total to the sum of the ledger lines",
		Description: "Safe to repeat, and to call while credits are committed: a commit comes entirely before or entirely after it.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, r.rebuildTotal)
	register(api, huma.Operation{
		OperationID: "recompute-standings", Method: http.MethodPost, Path: "/v1/ops/races/{race_id}/recompute",
		DefaultStatus: http.StatusAccepted,
		Summary:       "Recompute a race's standings now",
		Description:   "Safe to repeat: when nothing has changed, nothing is written.",
		Errors:        statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, r.recompute)
}

type totalInput struct {
	UserID string `path:"user_id"`
	Body   *why
}

type totalOutput struct {
	Body struct {
		UserID  string `json:"user_id" format:"uuid"`
		Before  int64  `json:"before"`
		After   int64  `json:"after" doc:"The sum of the ledger lines."`
		Changed bool   `json:"changed"`
	}
}

// totalState is a total in the log of actions.
type totalState struct {
	Total int64  `json:"total_point"`
	Lines *int64 `json:"sum_of_lines,omitempty"`
}

func (r repairs) rebuildTotal(ctx context.Context, in *totalInput) (*totalOutput, error) {
	if err := checkID(in.UserID); err != nil {
		return nil, err
	}
	total, lines, err := r.ledger.Total(ctx, in.UserID)
	if err != nil {
		return nil, ofLedger(err)
	}
	order := repair.Order{
		Action: repair.RebuildTotal, OperatorID: operator(ctx), Target: in.UserID, Reason: reasonOf(in.Body),
		Before: totalState{Total: total, Lines: &lines},
	}
	out := &totalOutput{}
	out.Body.UserID = in.UserID
	err = r.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		before, after, err := r.ledger.RebuildTotal(ctx, in.UserID)
		if err != nil {
			return nil, ofLedger(err)
		}
		out.Body.Before, out.Body.After, out.Body.Changed = before, after, before != after
		return totalState{Total: after}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func ofLedger(err error) error {
	if errors.Is(err, race.ErrNotFound) {
		return err
	}
	return &history.LedgerError{Err: err}
}

type recomputeInput struct {
	RaceID string `path:"race_id"`
	Body   *why
}

type recomputeOutput struct {
	Body struct {
		WorkflowID string `json:"workflow_id"`
		TraceURL   string `json:"trace_url" doc:"In the Temporal Web UI."`
	}
}

func (r repairs) recompute(ctx context.Context, in *recomputeInput) (*recomputeOutput, error) {
	if err := checkID(in.RaceID); err != nil {
		return nil, err
	}
	if _, err := r.store.Race(ctx, in.RaceID); err != nil {
		return nil, err
	}
	order := repair.Order{Action: repair.RecomputeRace, OperatorID: operator(ctx), Target: in.RaceID, Reason: reasonOf(in.Body), Before: struct{}{}}
	out := &recomputeOutput{}
	err := r.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		workflowID, err := r.wake(ctx, in.RaceID)
		if err != nil {
			return nil, errors.Join(temporal.ErrUnavailable, err)
		}
		out.Body.WorkflowID, out.Body.TraceURL = workflowID, r.links.traceURL(workflowID)
		return map[string]string{"workflow_id": workflowID}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
