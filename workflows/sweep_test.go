package workflows_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

func TestSweepStandingsRetriesUntilItHasLooked(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	var sweeps *activities.Sweeps
	env.RegisterActivity(sweeps)
	want := activities.Swept{Checked: 3, Stale: 1}
	env.OnActivity(sweeps.WakeStaleStandings, mock.Anything).Return(activities.Swept{}, errors.New("no answer")).Twice()
	env.OnActivity(sweeps.WakeStaleStandings, mock.Anything).Return(want, nil).Once()

	env.ExecuteWorkflow(workflows.SweepStandings)
	require.NoError(t, env.GetWorkflowError())
	var got activities.Swept
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, want, got)
	env.AssertExpectations(t)
}
