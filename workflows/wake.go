package workflows

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// StandingsWorkflowID returns the ID of the workflow that keeps a race's
// standings: standings/<race>.
//
// It has no search attribute: a search by RaceId finds exactly the credits of a
// race, one per revision, and the ID is enough to find this workflow.
func StandingsWorkflowID(raceID string) string { return "standings/" + raceID }

// Waker is the part of Temporal's client that WakeStandings needs.
type Waker interface {
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
}

// WakeStandings requests that the standings of a race are recomputed from what is
// committed by now. When it returns nil, the signal is durable. It signals rather
// than attaching to a run that exists, because such a run may already have read the
// databases for the last time.
func WakeStandings(ctx context.Context, temporalClient Waker, raceID string) error {
	_, err := temporalClient.SignalWithStartWorkflow(ctx, StandingsWorkflowID(raceID), WakeSignal, nil,
		client.StartWorkflowOptions{
			ID:                    StandingsWorkflowID(raceID),
			TaskQueue:             StandingsTaskQueue,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			WorkflowTaskTimeout:   taskTimeout,
			StaticSummary:         "standings of race " + raceID,
		}, FinalizeRace, FinalizeInput{RaceID: raceID})
	if err != nil {
		return fmt.Errorf("wake the standings of race %s: %w", raceID, err)
	}
	return nil
}
