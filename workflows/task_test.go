package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

var someTask = workflows.TaskInput{RaceID: "r", TaskID: "t"}

const day = 24 * time.Hour

// TestRemindOfTask: reminders, a deadline that moves ahead, and the escalation.
func TestRemindOfTask(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var steps *activities.Offers
	start := env.Now()
	answers := func(r activities.TaskResult) {
		env.OnActivity(steps.RemindTask, mock.Anything, someTask).Return(r, nil).Once()
	}
	env.OnActivity(steps.RemindTask, mock.Anything, someTask).Return(activities.TaskResult{}, temporal.NewApplicationError("no answer", activities.FaultType)).Times(3)
	answers(activities.TaskResult{Left: 7 * day})
	answers(activities.TaskResult{Left: day}) // woken after two days: the deadline has moved
	answers(activities.TaskResult{Left: 2 * day})
	answers(activities.TaskResult{Left: day, Overdue: true})
	answers(activities.TaskResult{Over: true})
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.TaskChangedSignal, nil) }, 2*day)
	env.ExecuteWorkflow(workflows.RemindOfTask, someTask)
	require.NoError(t, env.GetWorkflowError())
	env.AssertExpectations(t)
	require.InDelta(t, 6*day, env.Now().Sub(start), float64(time.Hour))
	require.Equal(t, "task/r/t", workflows.TaskWorkflowID(someTask))
}

// TestATaskThatIsDoneInTime ends its workflow.
func TestATaskThatIsDoneInTime(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var steps *activities.Offers
	start := env.Now()
	env.OnActivity(steps.RemindTask, mock.Anything, someTask).Return(activities.TaskResult{Left: 30 * day}, nil).Once()
	env.OnActivity(steps.RemindTask, mock.Anything, someTask).Return(activities.TaskResult{Over: true}, nil).Once()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.TaskChangedSignal, nil) }, day)
	env.ExecuteWorkflow(workflows.RemindOfTask, someTask)
	require.NoError(t, env.GetWorkflowError())
	require.InDelta(t, day, env.Now().Sub(start), float64(time.Minute))
}
