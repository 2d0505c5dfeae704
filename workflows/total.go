package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

const (
	// totalAttempt bounds one attempt to rebuild a total: a row that is locked for
	// longer is tried again.
	totalAttempt = 5 * time.Second
	// totalTimeout is how long a total may wait for a worker or for user_db. Then
	// the next audit does it.
	totalTimeout = 10 * time.Minute
)

// TotalInput names the account whose total is rebuilt.
type TotalInput = activities.TotalInput

// RebuildTotal sets a runner's total to the sum of the ledger lines. It is a
// workflow because only the worker may write totals, and an operator asks the API.
func RebuildTotal(ctx workflow.Context, input TotalInput) (activities.Total, error) {
	var (
		total activities.Total
		audit *activities.Audits // never set: only used to name the worker's activities
	)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: totalTimeout,
		StartToCloseTimeout:    totalAttempt,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
		},
		Summary: "set the total to the sum of the ledger lines",
	}), audit.RebuildTotal, input).Get(ctx, &total)
	if err != nil {
		return total, err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("The total was %d and is %d.", total.Before, total.After))
	return total, nil
}

// RebuildTotalOptions returns how an operator has a total rebuilt. A request for
// one that is being rebuilt waits for that one: the total is right after either.
func RebuildTotalOptions(userID string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: "total/" + userID, TaskQueue: RecordsTaskQueue, WorkflowRunTimeout: totalTimeout,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "total, rebuilt for an operator",
	}
}
