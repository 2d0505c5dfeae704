package ops

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// totalKeeper's methods return race.ErrNotFound when there is no such user.
type totalKeeper interface {
	// Total returns the total of a user and the sum of the ledger lines.
	Total(ctx context.Context, userID string) (total, lines int64, err error)
	// RebuildTotal sets the total to that sum.
	RebuildTotal(ctx context.Context, userID string) (before, after int64, err error)
}

// totals rebuilds a runner's total from the ledger.
type totals struct {
	keeper  totalKeeper
	journal journal
}

type totalInput struct {
	UserID string `path:"user_id"`
	Body   *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record of actions. No names."`
	}
}

type totalOutput struct {
	Body struct {
		UserID  string `json:"user_id" format:"uuid"`
		Before  int64  `json:"before"`
		After   int64  `json:"after" doc:"The sum of the ledger lines."`
		Changed bool   `json:"changed"`
	}
}

func (t totals) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "rebuild-total", Method: http.MethodPost, Path: "/v1/ops/users/{user_id}/rebuild-total",
		Summary:     "Set a runner's total to the sum of the ledger lines",
		Description: "Safe to repeat and while credits are committed: a commit comes wholly before or wholly after it.",
		Errors:      []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, t.handle)
}

// totalState is a total for the record of actions.
type totalState struct {
	Total int64  `json:"total_point"`
	Lines *int64 `json:"sum_of_lines,omitempty"`
}

func (t totals) handle(ctx context.Context, in *totalInput) (*totalOutput, error) {
	if err := checkID(in.UserID); err != nil {
		return nil, err
	}
	total, lines, err := t.keeper.Total(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	e := entry{action: rebuildTotal, target: in.UserID, before: totalState{Total: total, Lines: &lines}}
	if in.Body != nil {
		e.reason = in.Body.Reason
	}
	out := &totalOutput{}
	out.Body.UserID = in.UserID
	err = t.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		before, after, err := t.keeper.RebuildTotal(ctx, in.UserID)
		if err != nil {
			return nil, err
		}
		out.Body.Before, out.Body.After, out.Body.Changed = before, after, before != after
		return totalState{Total: after}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
