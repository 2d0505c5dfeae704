package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

// TaskChangedSignal tells the workflow of a task that the task has changed. It is a
// wake-up only.
const TaskChangedSignal = "changed"

// TaskInput names a task of a race.
type TaskInput = activities.TaskInput

// RemindOfTask waits for the times at which people are told about a task, until it is
// done or nothing is left to tell. When that is, the database's clock decides: this waits
// for as long as the database says is left, and asks again.
func RemindOfTask(ctx workflow.Context, input TaskInput) (activities.TaskResult, error) {
	var steps *activities.Offers // never set: only used to name the worker's activities
	changed := workflow.GetSignalChannel(ctx, TaskChangedSignal)
	options := durableOptions
	options.Summary = "remind of the task if it is time to"
	for {
		drain(changed) // what they are about is read below
		var result activities.TaskResult
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), steps.RemindTask, input).Get(ctx, &result); err != nil {
			return result, err
		}
		if result.Over {
			workflow.SetCurrentDetails(ctx, "There is nothing more to tell: the task is done, has no deadline, is no longer there, or everybody was told.")
			if changed.Len() == 0 {
				return result, nil
			}
			continue
		}
		next := "People are reminded of the task at "
		if result.Overdue {
			next = "The owner of the race is told that the deadline is over at "
		}
		workflow.SetCurrentDetails(ctx, next+workflow.Now(ctx).Add(result.Left).UTC().Format(time.RFC3339)+", unless the task is done before.")
		waiting, cancel := workflow.WithCancel(ctx)
		timer := workflow.NewTimerWithOptions(waiting, max(result.Left, leastHold), workflow.TimerOptions{Summary: "until the next reminder"})
		workflow.NewSelector(ctx).
			AddFuture(timer, func(workflow.Future) {}).
			AddReceive(changed, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) }).
			Select(ctx)
		cancel()
	}
}

// TaskWorkflowID returns the ID of the workflow that reminds of a task:
// task/<race>/<task>.
func TaskWorkflowID(t TaskInput) string { return "task/" + t.RaceID + "/" + t.TaskID }

// RemindOfTaskOptions returns how the workflow of a task is started, or woken when it
// runs. A start for a task that is done finds that there is nothing to tell.
func RemindOfTaskOptions(t TaskInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: TaskWorkflowID(t), TaskQueue: EntriesTaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "reminders of a task of a race",
	}
}
