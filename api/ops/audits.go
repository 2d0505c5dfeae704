package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Audit is a run of the audit of credits.
type Audit struct {
	Run
	Found map[string]any // as the workflow returned it; nil when it has not completed
}

// Audits are the audits in Temporal. Both methods return a *DownError when it
// does not answer.
type Audits interface {
	// StartAudit starts an audit, or returns the one that was started so before and
	// still runs.
	StartAudit(ctx context.Context) (Run, error)
	// LastAudits returns up to limit audits, those that run first and then the
	// newest.
	LastAudits(ctx context.Context, limit int) ([]Audit, error)
}

type auditing struct {
	audits  Audits
	journal journal
	links   links
}

type auditInput struct {
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record of actions. No names."`
	}
}

type auditOutput struct {
	Body struct {
		WorkflowID string `json:"workflow_id"`
		RunID      string `json:"run_id"`
		TraceURL   string `json:"trace_url" doc:"In the Temporal Web UI."`
	}
}

// shownAudits is how many of the last audits are shown.
const shownAudits = 10

type auditsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items []shownAudit `json:"items" nullable:"false" doc:"The newest first. From Temporal's search, which may be a second or so behind."`
	}
}

type shownAudit struct {
	WorkflowID string         `json:"workflow_id"`
	RunID      string         `json:"run_id"`
	Status     Status         `json:"status"`
	StartedAt  time.Time      `json:"started_at"`
	ClosedAt   *time.Time     `json:"closed_at,omitempty"`
	Found      map[string]any `json:"found,omitempty" doc:"What it found; of one that completed."`
	TraceURL   string         `json:"trace_url"`
}

func (a auditing) register(api huma.API) {
	const path = "/v1/ops/audit"
	register(api, huma.Operation{
		OperationID: "run-audit", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusAccepted,
		Summary:     "Run the audit now",
		Description: "The audit also runs on a schedule. One that was asked for before and still runs is the answer.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, a.run)
	register(api, huma.Operation{
		OperationID: "list-audits", Method: http.MethodGet, Path: path,
		Summary: "See what the last audits found", Errors: []int{http.StatusServiceUnavailable},
	}, a.list)
}

func (a auditing) run(ctx context.Context, in *auditInput) (*auditOutput, error) {
	e := entry{action: runAudit, before: struct{}{}}
	if in.Body != nil {
		e.reason = in.Body.Reason
	}
	out := &auditOutput{}
	err := a.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		run, err := a.audits.StartAudit(ctx)
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

func (a auditing) list(ctx context.Context, _ *struct{}) (*auditsOutput, error) {
	audits, err := a.audits.LastAudits(ctx, shownAudits)
	if err != nil {
		return nil, err
	}
	out := &auditsOutput{CacheControl: "no-store"}
	out.Body.Items = make([]shownAudit, len(audits))
	for i, audit := range audits {
		out.Body.Items[i] = shownAudit{
			WorkflowID: audit.WorkflowID, RunID: audit.RunID, Status: audit.Status, StartedAt: audit.StartedAt,
			ClosedAt: orNil(audit.ClosedAt), Found: audit.Found, TraceURL: a.links.run(audit.Run),
		}
	}
	return out, nil
}
