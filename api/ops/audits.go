package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// audits runs the audit of credits and shows what it found.
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
		Description: "The audit also runs on a schedule. If one that was requested before is still running, the answer is that one.",
		Errors:      statusesOf(http.StatusUnprocessableEntity),
	}, a.run)
	register(api, huma.Operation{
		OperationID: "list-audits", Method: http.MethodGet, Path: path,
		Summary: "List the last audits and what they found", Errors: statusesOf(),
	}, a.list)
}

type auditInput struct {
	Body *why
}

type auditOutput struct {
	Body struct {
		WorkflowID string `json:"workflow_id"`
		RunID      string `json:"run_id"`
		TraceURL   string `json:"trace_url" doc:"In the Temporal Web UI."`
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
		Items []shownAudit `json:"items" nullable:"false" doc:"The newest first. From Temporal's visibility, which may lag behind by a second or so."`
	}
}

type shownAudit struct {
	WorkflowID string          `json:"workflow_id"`
	RunID      string          `json:"run_id"`
	Status     temporal.Status `json:"status"`
	StartedAt  time.Time       `json:"started_at"`
	ClosedAt   *time.Time      `json:"closed_at,omitempty"`
	Found      map[string]any  `json:"found,omitempty" doc:"What it found, if it completed."`
	TraceURL   string          `json:"trace_url"`
}

// shownAudits is how many of the last audits are shown.
const shownAudits = 10

func (a audits) list(ctx context.Context, _ *struct{}) (*auditsOutput, error) {
	runs, err := a.workflows.List(ctx, "WorkflowType = 'AuditCredits'", shownAudits)
	if err != nil {
		return nil, err
	}
	out := &auditsOutput{CacheControl: "no-store"}
	out.Body.Items = make([]shownAudit, len(runs))
	for i, run := range runs {
		out.Body.Items[i] = shownAudit{
			WorkflowID: run.WorkflowID, RunID: run.RunID, Status: run.Status, StartedAt: run.StartedAt,
			ClosedAt: orNil(run.ClosedAt), TraceURL: a.links.run(run),
		}
		if run.Status == temporal.Completed {
			if err := a.workflows.Result(ctx, run, &out.Body.Items[i].Found); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
