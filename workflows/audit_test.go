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

func TestAuditCreditsRetriesUntilItHasLooked(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	var audits *activities.Audits
	env.RegisterActivity(audits)
	want := activities.CreditAudit{Checked: 5, Lost: 2, Requeued: 2}
	env.OnActivity(audits.RequeueLostCredits, mock.Anything).Return(activities.CreditAudit{}, errors.New("no answer")).Times(3)
	env.OnActivity(audits.RequeueLostCredits, mock.Anything).Return(want, nil).Once()

	env.ExecuteWorkflow(workflows.AuditCredits)
	require.NoError(t, env.GetWorkflowError())
	var got activities.CreditAudit
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, want, got)
	env.AssertExpectations(t)
}
