package workflows

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

const (
	// AuditScheduleID names the schedule that audits credits.
	AuditScheduleID = "audit-credits"
	// auditTimeout is what is left of an audit that hangs: the next one is due.
	auditTimeout = 30 * time.Minute
)

// Audit is what an audit found.
type Audit struct {
	activities.CreditAudit
	// Findings has one tally for each of the other kinds, also when nothing was found.
	Findings []activities.Tally `json:"findings,omitempty"`
}

// wholeAudit marks the changes of what an audit looks for: at first for lost
// credits alone, from version 1 on for damage and delays, from version 2 on for
// credits of which main_db does not have the revision or the record.
const wholeAudit = "whole-audit"

// AuditCredits looks once for record revisions without a credit and sends them
// again; for credits that their record or the ledger contradicts, and repairs what
// is safe to repair; and for what has been under way for too long. A check that
// fails does not stop the others.
func AuditCredits(ctx workflow.Context) (Audit, error) {
	version := workflow.GetVersion(ctx, wholeAudit, workflow.DefaultVersion, 2)
	var steps *activities.Audits // never set: the worker's own are called by name
	lost := audit(ctx, "audit: which revisions have no credit", steps.RequeueLostCredits)
	var others []workflow.Future
	if version >= 1 {
		others = []workflow.Future{
			audit(ctx, "audit: which credits are lost although their workflow completed", steps.CheckEnded),
			audit(ctx, "audit: which totals are not the sum of their ledger lines", steps.CheckTotals),
			audit(ctx, "audit: which ledger lines do not add up to their credit", steps.CheckLines),
			audit(ctx, "audit: what waits in the outbox for too long", steps.CheckOutbox),
			audit(ctx, "audit: which credits' workflows are open for too long", steps.CheckWorkflows),
		}
	}
	if version >= 2 {
		others = append(others,
			audit(ctx, "audit: which records is the ledger ahead of", steps.CheckAhead),
			audit(ctx, "audit: which credits have no record", steps.CheckOrphans),
		)
	}
	var found Audit
	var failed []error
	for _, check := range others {
		var tally activities.Tally
		if err := check.Get(ctx, &tally); err != nil {
			failed = append(failed, err)
			continue
		}
		found.Findings = append(found.Findings, tally)
		workflow.SetCurrentDetails(ctx, found.inWords())
	}
	if err := lost.Get(ctx, &found.CreditAudit); err != nil {
		failed = append(failed, err)
	}
	words := found.inWords()
	if len(failed) > 0 {
		words += fmt.Sprintf("\n\n%d checks failed: see their activities.", len(failed))
	}
	workflow.SetCurrentDetails(ctx, words)
	return found, errors.Join(failed...)
}

// audit starts a check.
func audit(ctx workflow.Context, summary string, check any) workflow.Future {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: auditTimeout,
		StartToCloseTimeout:    auditTimeout,
		HeartbeatTimeout:       10 * time.Second, // a page of records takes far less
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
		},
		Summary: summary,
	}), check)
}

// inWords tells an operator what was found.
func (a Audit) inWords() string {
	var parts []string
	if a.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d revisions had no credit, %d were sent again", a.Lost, a.Checked, a.Requeued))
	}
	for _, tally := range a.Findings {
		if words := tally.InWords(); words != "" {
			parts = append(parts, words)
		}
	}
	if len(parts) == 0 {
		return "Nothing was found."
	}
	return strings.Join(parts, "\n\n")
}

// AuditNowID names the audit that an operator asks for. It may run beside the
// one of the schedule: sending a revision twice is harmless.
const AuditNowID = "audit-credits/now"

// AuditNowOptions returns how an operator starts an audit. One that was asked for
// before and is still running is the answer to the start too.
func AuditNowOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: AuditNowID, TaskQueue: RecordsTaskQueue, WorkflowRunTimeout: auditTimeout + time.Minute,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "audit, requested by an operator",
	}
}

// ScheduleAudit creates or updates the schedule that audits credits.
func ScheduleAudit(ctx context.Context, schedules client.ScheduleClient, every time.Duration) error {
	_, err := schedule(ctx, schedules, every, &client.ScheduleWorkflowAction{
		ID: AuditScheduleID, Workflow: AuditCredits, TaskQueue: RecordsTaskQueue,
		WorkflowRunTimeout: auditTimeout + time.Minute,
		StaticSummary:      "audit: credits, totals, outbox and workflows",
	})
	return err
}
