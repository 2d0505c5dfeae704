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
	// AuditScheduleID names the schedule that audits credits.
	AuditScheduleID = "audit-credits"
	// auditTimeout is what is left of an audit that hangs: the next one is due.
	auditTimeout = 30 * time.Minute
	// auditCatchUp is how late an audit may begin; one that was missed while the
	// server was down is made up for by the next.
	auditCatchUp = time.Minute
)

// AuditCredits looks once for record revisions without a credit and sends them
// on their way again.
func AuditCredits(ctx workflow.Context) (activities.CreditAudit, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToCloseTimeout: auditTimeout,
		StartToCloseTimeout:    auditTimeout,
		HeartbeatTimeout:       10 * time.Second, // a page of records takes far less
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
		},
		Summary: "audit: which revisions have no credit",
	})
	var steps *activities.Audits // never set: the worker's own is called by name
	var found activities.CreditAudit
	err := workflow.ExecuteActivity(ctx, steps.RequeueLostCredits).Get(ctx, &found)
	return found, err
}

// ScheduleAudit makes the schedule that audits credits, or changes the one that
// is there to the given interval; a pause by an operator stays. An audit that
// takes longer than the interval is not overtaken by the next.
func ScheduleAudit(ctx context.Context, schedules client.ScheduleClient, every time.Duration) error {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	action := &client.ScheduleWorkflowAction{
		ID: AuditScheduleID, Workflow: AuditCredits, TaskQueue: RecordsTaskQueue,
		WorkflowRunTimeout: auditTimeout + time.Minute,
		StaticSummary:      "audit: send revisions without a credit on their way again",
	}
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: AuditScheduleID, Spec: spec, Action: action,
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: auditCatchUp,
	})
	if err == nil {
		return nil
	}
	if !alreadyThere(err) {
		return fmt.Errorf("schedule the audit: %w", err)
	}
	err = schedules.GetHandle(ctx, AuditScheduleID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			schedule.Spec, schedule.Action = &spec, action
			schedule.Policy.Overlap, schedule.Policy.CatchupWindow = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, auditCatchUp
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("change the audit's schedule: %w", err)
	}
	return nil
}

func alreadyThere(err error) bool {
	var exists *serviceerror.AlreadyExists
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	return errors.Is(err, temporal.ErrScheduleAlreadyRunning) || errors.As(err, &exists) || errors.As(err, &started)
}
