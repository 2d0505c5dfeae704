package workflows

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// ErrNotBegun says that there is nothing to reset: no worker has taken the
// workflow's first task yet.
var ErrNotBegun = errors.New("no worker has taken the workflow's first task yet")

// maxResetReason is how much of a reason goes into a history, in characters.
const maxResetReason = 500

// Reset begins a run again from its first task, as Temporal's own reset does, and
// returns the new run's ID. It returns ErrNotBegun when no worker has taken that
// task yet.
func Reset(ctx context.Context, temporal client.Client, namespace, workflowID, runID, reason string) (newRunID string, err error) {
	first, err := firstTask(ctx, temporal, workflowID, runID)
	if err != nil {
		return "", err
	}
	if letters := []rune(reason); len(letters) > maxResetReason {
		reason = string(letters[:maxResetReason])
	}
	answer, err := temporal.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace:         namespace,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
		Reason:            reason, WorkflowTaskFinishEventId: first, RequestId: uuid.NewString(),
	})
	if err != nil {
		return "", fmt.Errorf("reset to event %d: %w", first, err)
	}
	return answer.GetRunId(), nil
}

// firstTask returns the ID of the event by which the first workflow task ended.
func firstTask(ctx context.Context, temporal client.Client, workflowID, runID string) (int64, error) {
	events := temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return 0, fmt.Errorf("read the history: %w", err)
		}
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED,
			enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
			return event.GetEventId(), nil
		default:
		}
	}
	return 0, ErrNotBegun
}
