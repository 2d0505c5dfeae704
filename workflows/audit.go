package workflows

import (
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
	// auditTimeout ends an audit that hangs, so that the next one can run.
	auditTimeout = 30 * time.Minute
)

// Audit is the outcome of an audit.
type Audit struct {
	activities.CreditAudit
	// Findings has one tally for each of the other kinds, even if nothing was
	// found.
	Findings []activities.Tally `json:"findings,omitempty"`
}

// wholeAudit versions what an audit checks: at first only lost credits, from
// version 1 on also damage and delays, from version 2 on also credits whose
// revision or record main_db does not have, from version 3 on also places.
const wholeAudit = "whole-audit"

// AuditCredits looks once for record revisions without a credit and sends them
// again; for credits that contradict their record or the ledger lines, and repairs
// what is safe to repair; and for work that has been under way for too long. A
// check that fails does not stop the others.
func AuditCredits(ctx workflow.Context) (Audit, error) {
	version := workflow.GetVersion(ctx, wholeAudit, workflow.DefaultVersion, 3)
	var steps *activities.Audits // never set: only used to name the worker's activities
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
	if version >= 3 {
		var places *activities.Offers // likewise
		others = append(others,
			audit(ctx, "audit: which pools of places are counted wrong", places.CheckPools),
			audit(ctx, "audit: which offers of places have no workflow", places.CheckOffers),
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

// inWords describes what was found, for operators.
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

// AuditNowID is the ID of an audit that an operator starts. It may run at the same
// time as a scheduled one: sending a revision twice is harmless.
const AuditNowID = "audit-credits/now"

// AuditNowOptions returns how an operator starts an audit. If one is still running,
// the start returns that one.
func AuditNowOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: AuditNowID, TaskQueue: RecordsTaskQueue, WorkflowRunTimeout: auditTimeout + time.Minute,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "audit, requested by an operator",
	}
}

// AuditAction returns what the schedule of the audit runs.
func AuditAction() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: AuditScheduleID, Workflow: AuditCredits, TaskQueue: RecordsTaskQueue,
		WorkflowRunTimeout: auditTimeout + time.Minute,
		StaticSummary:      "audit: credits, totals, outbox, workflows and places",
	}
}
