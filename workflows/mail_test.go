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
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

func TestSendMail(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	attempts := 0
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.MailInput) (activities.MailResult, error) {
		require.Equal(t, "m", in.MailID)
		attempts++
		if attempts < 5 {
			return activities.MailResult{}, temporal.NewApplicationError("the SMTP server does not answer", activities.FaultType)
		}
		return activities.MailResult{State: userdb.MailSent, Attempts: attempts}, nil
	}, activity.RegisterOptions{Name: "SendMail"})
	env.ExecuteWorkflow(workflows.SendMail, workflows.MailInput{MailID: "m"})
	require.NoError(t, env.GetWorkflowError())
	var result activities.MailResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, activities.MailResult{State: userdb.MailSent, Attempts: 5}, result)
}
