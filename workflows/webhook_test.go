package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

func webhookEnvironment(step func(context.Context, activities.WebhookInput) (activities.WebhookSent, error)) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	env.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: "SendWebhooks"})
	return env
}

// TestDeliverWebhook: batches follow each other while more is due, then the workflow waits
// for the next attempt, and ends when nothing waits.
func TestDeliverWebhook(t *testing.T) {
	t.Parallel()
	var env *testsuite.TestWorkflowEnvironment
	var began time.Time
	steps := 0
	env = webhookEnvironment(func(_ context.Context, in activities.WebhookInput) (activities.WebhookSent, error) {
		require.Equal(t, activities.WebhookInput{WebhookID: "w"}, in)
		steps++
		return []activities.WebhookSent{{Delivered: 100, More: true}, {Delivered: 3, Failed: 1, More: true}, {NextAt: began.Add(5 * time.Minute)}, {Delivered: 1, More: true}, {}}[steps-1], nil
	})
	began = env.Now()
	env.ExecuteWorkflow(workflows.DeliverWebhook, workflows.WebhookInput{WebhookID: "w"})
	require.NoError(t, env.GetWorkflowError())
	var result workflows.WebhookResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, workflows.WebhookResult{Delivered: 104, Failed: 1}, result)
	require.False(t, env.Now().Before(began.Add(5*time.Minute)))
}

// TestDeliverWebhookIsWoken: a new event does not wait until the next attempt of an old one
// is due, nor is one missed that comes while the last step runs.
func TestDeliverWebhookIsWoken(t *testing.T) {
	t.Parallel()
	var env *testsuite.TestWorkflowEnvironment
	var began time.Time
	steps := 0
	env = webhookEnvironment(func(context.Context, activities.WebhookInput) (activities.WebhookSent, error) {
		steps++
		if steps == 1 {
			return activities.WebhookSent{NextAt: began.Add(24 * time.Hour)}, nil
		}
		if steps == 2 {
			env.SignalWorkflow(workflows.WakeSignal, nil)
		}
		return activities.WebhookSent{}, nil
	})
	began = env.Now()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.WakeSignal, nil) }, time.Minute)
	env.ExecuteWorkflow(workflows.DeliverWebhook, workflows.WebhookInput{WebhookID: "w"})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 3, steps)
	require.Less(t, env.Now().Sub(began), time.Hour)
}

// TestDeliverWebhookGoesOnInANewRun: a run of many steps hands over what it has counted.
func TestDeliverWebhookGoesOnInANewRun(t *testing.T) {
	t.Parallel()
	env := webhookEnvironment(func(context.Context, activities.WebhookInput) (activities.WebhookSent, error) {
		return activities.WebhookSent{Delivered: 100, More: true}, nil
	})
	env.ExecuteWorkflow(workflows.DeliverWebhook, workflows.WebhookInput{WebhookID: "w"})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
}
