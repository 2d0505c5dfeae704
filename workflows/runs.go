package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// CreditRuns tells the audit how the workflows of credits are.
type CreditRuns struct {
	Client    client.Client
	Namespace string
}

// Completed returns the latest run of a revision's workflow if it completed,
// else, and when there is none, an empty ID.
func (r CreditRuns) Completed(ctx context.Context, of CreditInput) (runID string, err error) {
	id := CreditWorkflowID(of.RaceID, of.RecordID, of.Revision)
	answer, err := r.Client.DescribeWorkflowExecution(ctx, id, "")
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("describe %s: %w", id, err)
	}
	info := answer.GetWorkflowExecutionInfo()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		return "", nil
	}
	return info.GetExecution().GetRunId(), nil
}

// Reset begins a run of a revision's workflow again from its first task.
func (r CreditRuns) Reset(ctx context.Context, of CreditInput, runID, reason string) error {
	id := CreditWorkflowID(of.RaceID, of.RecordID, of.Revision)
	if _, err := Reset(ctx, r.Client, r.Namespace, id, runID, reason); err != nil {
		return fmt.Errorf("reset %s: %w", id, err)
	}
	return nil
}

// OpenSince counts the workflows of credits that were started before a time and
// are open, and returns the IDs of up to limit of them, from Temporal's search,
// which may be a second or so behind.
func (r CreditRuns) OpenSince(ctx context.Context, before time.Time, limit int) (open int, workflowIDs []string, err error) {
	query := fmt.Sprintf("WorkflowType = 'CreditRecord' AND ExecutionStatus = 'Running' AND StartTime < '%s'",
		before.UTC().Format(time.RFC3339Nano))
	counted, err := r.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: r.Namespace, Query: query})
	if err != nil {
		return 0, nil, fmt.Errorf("count open credits: %w", err)
	}
	page, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: r.Namespace, Query: query, PageSize: int32(limit), //nolint:gosec // a page
	})
	if err != nil {
		return 0, nil, fmt.Errorf("list open credits: %w", err)
	}
	for _, execution := range page.GetExecutions() {
		workflowIDs = append(workflowIDs, execution.GetExecution().GetWorkflowId())
	}
	return int(counted.GetCount()), workflowIDs, nil
}
