package workflows

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// AuditNowID names the audit that an operator asks for. It may run beside the
// one of the schedule: sending a revision twice is harmless.
const AuditNowID = "audit-credits/now"

// Starter is the part of Temporal's client that StartAudit needs.
type Starter interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
}

// StartAudit starts an audit of credits without waiting for it. One that was
// asked for before and is still running is the answer to this call too.
func StartAudit(ctx context.Context, starter Starter) (client.WorkflowRun, error) {
	run, err := starter.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: AuditNowID, TaskQueue: RecordsTaskQueue, WorkflowRunTimeout: auditTimeout + time.Minute,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "audit, asked for by an operator",
	}, AuditCredits)
	if err != nil {
		return nil, fmt.Errorf("start an audit: %w", err)
	}
	return run, nil
}
