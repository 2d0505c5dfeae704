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
)

const (
	// scheduleOverlap lets a run that takes longer than the interval finish; the
	// next one is skipped.
	scheduleOverlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	// scheduleCatchUp is how late a run may begin. One that was missed while the
	// server was down is made up for by the next.
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
