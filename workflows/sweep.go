package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
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

const (
	// scheduleOverlap lets a run that takes longer than the interval finish; the
	// next one is skipped.
	scheduleOverlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	// scheduleCatchUp is how late a run may begin. A run that was missed while the
	// server was down is skipped; the next one does its work.
	scheduleCatchUp = time.Minute
)

// schedule creates the schedule that runs action at an interval, or updates the
// one that exists under the action's ID. A pause by an operator stays.
func schedule(ctx context.Context, schedules client.ScheduleClient, every time.Duration, action *client.ScheduleWorkflowAction) (client.ScheduleHandle, error) {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	handle, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: action.ID, Spec: spec, Action: action, Overlap: scheduleOverlap, CatchupWindow: scheduleCatchUp,
	})
	if err == nil {
		return handle, nil
	}
	if !exists(err) {
		return nil, fmt.Errorf("create schedule %s: %w", action.ID, err)
	}
	handle = schedules.GetHandle(ctx, action.ID)
	err = handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			schedule.Spec, schedule.Action = &spec, action
			schedule.Policy.Overlap, schedule.Policy.CatchupWindow = scheduleOverlap, scheduleCatchUp
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("update schedule %s: %w", action.ID, err)
	}
	return handle, nil
}

func exists(err error) bool {
	var exists *serviceerror.AlreadyExists
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	return errors.Is(err, temporal.ErrScheduleAlreadyRunning) || errors.As(err, &exists) || errors.As(err, &started)
}
