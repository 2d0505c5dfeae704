package workflows_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

func TestRebuildTotal(t *testing.T) {
	t.Parallel()
	outage := temporal.NewApplicationError("user_db does not answer", activities.UnavailableType)
	noAccount := temporal.NewNonRetryableApplicationError("there is no such account", activities.RejectionType, nil)
	for name, failures := range map[string][]error{"at once": nil, "after an outage": {outage, outage}, "no such account": {noAccount}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetTestTimeout(slowMachine)
			env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.TotalInput) (activities.Total, error) {
				require.Equal(t, "runner", in.UserID)
				if len(failures) > 0 {
					err := failures[0]
					failures = failures[1:]
					return activities.Total{}, err
				}
				return activities.Total{Before: 5, After: 701}, nil
			}, activity.RegisterOptions{Name: "RebuildTotal"})
			env.ExecuteWorkflow(workflows.RebuildTotal, workflows.TotalInput{UserID: "runner"})
			if name == "no such account" {
				require.ErrorContains(t, env.GetWorkflowError(), "there is no such account")
				return
			}
			require.NoError(t, env.GetWorkflowError())
			var total activities.Total
			require.NoError(t, env.GetWorkflowResult(&total))
			require.Equal(t, activities.Total{Before: 5, After: 701}, total)
		})
	}
}
