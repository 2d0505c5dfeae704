package workflows

import (
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

const (
	// SweepScheduleID names the schedule that sweeps standings.
	SweepScheduleID = "sweep-standings"
	sweepTimeout    = 10 * time.Minute
)

// SweepStandings looks once for standings that are behind their records or credits,
// and wakes them.
func SweepStandings(ctx workflow.Context) (activities.Swept, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: sweepTimeout,
		StartToCloseTimeout:    sweepTimeout,
		HeartbeatTimeout:       10 * time.Second, // a page of records takes far less
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
		},
		Summary: "sweep: which standings are behind",
	})
	var steps *activities.Sweeps // never set: only used to name the worker's activities
	var found activities.Swept
	err := workflow.ExecuteActivity(ctx, steps.WakeStaleStandings).Get(ctx, &found)
	return found, err
}

// SweepAction returns what the schedule of the sweep runs.
func SweepAction() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: SweepScheduleID, Workflow: SweepStandings, TaskQueue: StandingsTaskQueue,
		WorkflowRunTimeout: sweepTimeout + time.Minute,
		StaticSummary:      "sweep: wake standings that are behind",
	}
}
