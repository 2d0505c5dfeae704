package workflows

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

const (
	// SweepScheduleID names the schedule that sweeps standings.
	SweepScheduleID = "sweep-standings"
	sweepTimeout    = 10 * time.Minute
	sweepCatchUp    = time.Minute
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

// ScheduleSweep makes the schedule that sweeps standings, or changes the one
// that is there to the given interval, and sweeps once now: a worker that starts
// may take over from one that died between a credit and its signal.
func ScheduleSweep(ctx context.Context, schedules client.ScheduleClient, every time.Duration) error {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	action := &client.ScheduleWorkflowAction{
		ID: SweepScheduleID, Workflow: SweepStandings, TaskQueue: StandingsTaskQueue,
		WorkflowRunTimeout: sweepTimeout + time.Minute,
		StaticSummary:      "sweep: wake standings that are behind",
	}
	const overlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: SweepScheduleID, Spec: spec, Action: action, Overlap: overlap, CatchupWindow: sweepCatchUp,
	})
	if err != nil && !alreadyThere(err) {
		return fmt.Errorf("schedule the sweep: %w", err)
	}
	handle := schedules.GetHandle(ctx, SweepScheduleID)
	if err != nil {
		err = handle.Update(ctx, client.ScheduleUpdateOptions{
			DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
				schedule := in.Description.Schedule
				schedule.Spec, schedule.Action = &spec, action
				schedule.Policy.Overlap, schedule.Policy.CatchupWindow = overlap, sweepCatchUp
				return &client.ScheduleUpdate{Schedule: &schedule}, nil
			},
		})
		if err != nil {
			return fmt.Errorf("change the sweep's schedule: %w", err)
		}
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: overlap}); err != nil {
		return fmt.Errorf("sweep now: %w", err)
	}
	return nil
}
