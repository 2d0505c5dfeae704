package workflows

import (
	"context"
	"fmt"
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

// SweepStandings looks once for standings that are older than their records or
// credits, and wakes them.
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
	var steps *activities.Sweeps // never set: the worker's own is called by name
	var found activities.Swept
	err := workflow.ExecuteActivity(ctx, steps.WakeStaleStandings).Get(ctx, &found)
	return found, err
}

// ScheduleSweep creates or updates the schedule that sweeps standings, and sweeps
// once now: a worker that starts may take over from one that died between a credit
// and its signal.
func ScheduleSweep(ctx context.Context, schedules client.ScheduleClient, every time.Duration) error {
	handle, err := schedule(ctx, schedules, every, &client.ScheduleWorkflowAction{
		ID: SweepScheduleID, Workflow: SweepStandings, TaskQueue: StandingsTaskQueue,
		WorkflowRunTimeout: sweepTimeout + time.Minute,
		StaticSummary:      "sweep: wake standings that are behind",
	})
	if err != nil {
		return err
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: scheduleOverlap}); err != nil {
		return fmt.Errorf("sweep now: %w", err)
	}
	return nil
}
