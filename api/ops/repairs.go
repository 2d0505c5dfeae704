package ops

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// repairs requests that totals are rebuilt and standings recomputed from what is
// committed. The worker does both, since only it may write them.
type repairs struct {
	store            *maindb.Store
	ledger           *userdb.Store
	workflows        Workflows
	wake, wakeSeries func(ctx context.Context, id string) (workflowID string, err error)
	log              repair.Log
	links            links
}

func (r repairs) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "rebuild-total", Method: http.MethodPost, Path: "/v1/ops/users/{user_id}/rebuild-total",
		Summary:     "Set a runner's total to the sum of the ledger lines",
		Description: "Safe to repeat, and safe while credits are being committed: a commit comes entirely before or entirely after it.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, r.rebuildTotal)
	register(api, huma.Operation{
		OperationID: "recompute-standings", Method: http.MethodPost, Path: "/v1/ops/races/{race_id}/recompute",
		DefaultStatus: http.StatusAccepted,
		Summary:       "Recompute a race's standings now",
		Description:   "Safe to repeat: if nothing has changed, nothing is written.",
		Errors:        statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, r.recompute)
	register(api, huma.Operation{
		OperationID: "recompute-series", Method: http.MethodPost, Path: "/v1/ops/series/{series_id}/recompute",
		DefaultStatus: http.StatusAccepted,
		Summary:       "Recompute the standings of a series now",
		Description:   "From the latest standings of its races, which are not recomputed. Safe to repeat: if nothing has changed, nothing is written.",
		Errors:        statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, r.recomputeSeries)
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
		run, err := r.workflows.Start(ctx, workflows.RebuildTotalOptions(in.UserID), workflows.RebuildTotal, workflows.TotalInput{UserID: in.UserID})
		if err != nil {
			return nil, err
		}
		var rebuilt activities.Total
		if err := r.workflows.Result(ctx, run, &rebuilt); errors.Is(err, temporal.ErrUnavailable) {
			return nil, server.Unavailable("the worker has not rebuilt the total yet and will do so as soon as it can: see " + r.links.run(run))
		} else if err != nil {
			return nil, err
		}
		out.Body.Before, out.Body.After, out.Body.Changed = rebuilt.Before, rebuilt.After, rebuilt.Before != rebuilt.After
		return totalState{Total: rebuilt.After}, nil
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
		TraceURL   string `json:"trace_url" doc:"The workflow in the Temporal Web UI."`
	}
}

func (r repairs) recompute(ctx context.Context, in *recomputeInput) (*recomputeOutput, error) {
	if err := checkID(in.RaceID); err != nil {
		return nil, err
	}
	if _, err := r.store.Race(ctx, in.RaceID); err != nil {
		return nil, err
	}
	return r.ask(ctx, repair.RecomputeRace, in.RaceID, in.Body, r.wake)
}

type recomputeSeriesInput struct {
	SeriesID string `path:"series_id"`
	Body     *why
}

func (r repairs) recomputeSeries(ctx context.Context, in *recomputeSeriesInput) (*recomputeOutput, error) {
	if err := checkID(in.SeriesID); err != nil {
		return nil, err
	}
	if _, err := r.store.Series(ctx, in.SeriesID); err != nil {
		return nil, err
	}
	return r.ask(ctx, repair.RankSeries, in.SeriesID, in.Body, r.wakeSeries)
}

// ask wakes the workflow that recomputes standings.
func (r repairs) ask(ctx context.Context, action repair.Action, id string, body *why, wake func(context.Context, string) (string, error)) (*recomputeOutput, error) {
	order := repair.Order{Action: action, OperatorID: operator(ctx), Target: id, Reason: reasonOf(body), Before: struct{}{}}
	out := &recomputeOutput{}
	err := r.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		workflowID, err := wake(ctx, id)
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

// audits starts the audit of credits and shows its findings.
type audits struct {
	workflows Workflows
	log       repair.Log
	links     links
}

func (a audits) register(api huma.API) {
	const path = "/v1/ops/audit"
	register(api, huma.Operation{
		OperationID: "run-audit", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusAccepted,
		Summary:     "Run the audit now",
		Description: "The audit also runs on a schedule. If an audit that was requested earlier is still running, that one is returned.",
		Errors:      statusesOf(http.StatusUnprocessableEntity),
	}, a.run)
	register(api, huma.Operation{
		OperationID: "list-audits", Method: http.MethodGet, Path: path,
		Summary: "List the last audits and their findings", Errors: statusesOf(),
	}, a.list)
}

type auditInput struct {
	Body *why
}

type auditOutput struct {
	Body struct {
		WorkflowID string `json:"workflow_id"`
		RunID      string `json:"run_id"`
		TraceURL   string `json:"trace_url" doc:"The workflow in the Temporal Web UI."`
	}
}

func (a audits) run(ctx context.Context, in *auditInput) (*auditOutput, error) {
	order := repair.Order{Action: repair.RunAudit, OperatorID: operator(ctx), Reason: reasonOf(in.Body), Before: struct{}{}}
	out := &auditOutput{}
	err := a.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		run, err := a.workflows.Start(ctx, workflows.AuditNowOptions(), workflows.AuditCredits)
		if err != nil {
			return nil, err
		}
		out.Body.WorkflowID, out.Body.RunID, out.Body.TraceURL = run.WorkflowID, run.RunID, a.links.run(run)
		return map[string]string{"workflow_id": run.WorkflowID, "run_id": run.RunID}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type auditsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items []ShownAudit `json:"items" nullable:"false" doc:"The newest first. From Temporal's visibility store, which may lag by a second or so."`
	}
}

// ShownAudit is a run of the audit in JSON.
type ShownAudit struct {
	WorkflowID string          `json:"workflow_id"`
	RunID      string          `json:"run_id"`
	Status     temporal.Status `json:"status"`
	StartedAt  time.Time       `json:"started_at"`
	ClosedAt   *time.Time      `json:"closed_at,omitempty"`
	Found      map[string]any  `json:"found,omitempty" doc:"Its findings, if it completed."`
	TraceURL   string          `json:"trace_url"`
}

// shownAudits is the number of audits that are listed.
const shownAudits = 10

func (a audits) list(ctx context.Context, _ *struct{}) (*auditsOutput, error) {
	runs, err := a.workflows.List(ctx, "WorkflowType = 'AuditCredits'", shownAudits)
	if err != nil {
		return nil, err
	}
	out := &auditsOutput{CacheControl: "no-store"}
	out.Body.Items = make([]ShownAudit, len(runs))
	for i, run := range runs {
		out.Body.Items[i] = ShownAudit{
			WorkflowID: run.WorkflowID, RunID: run.RunID, Status: run.Status, StartedAt: run.StartedAt,
			ClosedAt: server.TimeOrNil(run.ClosedAt), TraceURL: a.links.run(run),
		}
		if run.Status == temporal.Completed {
			if err := a.workflows.Result(ctx, run, &out.Body.Items[i].Found); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
