package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// While a local activity retries, nobody sees it: the history does not grow and
// nothing is pending. So its window is short, long enough for a deadlock or a
// broken connection, and below the workflow task's timeout.
var localOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: 2 * time.Second,
	StartToCloseTimeout:    1500 * time.Millisecond,
	RetryPolicy: &temporal.RetryPolicy{
		InitialInterval: 50 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 400 * time.Millisecond,
	},
}

// An ordinary activity that is retried for as long as it takes shows in the Web
// UI with its attempts and its last failure, and drains by itself afterwards.
// By the coefficient the last wait is at most half as long as the outage was;
// by the maximum, thousands that wait do not keep the server busy.
var durableOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 10 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 1.5, MaximumInterval: 30 * time.Second,
	},
}

// step runs an activity on the fast path, as a local activity, and when that
// fails for any reason that time may heal, the same one on the durable path.
// summary is what the Web UI shows for it.
func step(ctx workflow.Context, summary string, activity, input, result any) error {
	local := localOptions
	local.Summary = summary
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, local), activity, input).Get(ctx, result)
	if err == nil || isFinal(err) {
		return err
	}
	durable := durableOptions
	durable.Summary = summary
	workflow.SetCurrentDetails(ctx, "Waiting for a step that failed at first: "+summary+". Pending activities show its last failure.")
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, durable), activity, input).Get(ctx, result)
	workflow.SetCurrentDetails(ctx, "")
	return err
}

// isFinal reports whether another attempt would be pointless: the answer is an
// expected one, or the workflow was canceled.
func isFinal(err error) bool {
	var failure *temporal.ApplicationError
	return temporal.IsCanceledError(err) || errors.As(err, &failure) && failure.NonRetryable()
}
