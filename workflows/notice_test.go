package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// TestTellNotice: an event waits until it is due, its recipients are found in pages, and
// a provider that is down for a while delays it and loses nothing.
func TestTellNotice(t *testing.T) {
	t.Parallel()
	for _, version := range []workflow.Version{workflow.DefaultVersion, 1} { // of runs that began before there were versions, and of new ones
		tellNotice(t, version)
	}
}

func tellNotice(t *testing.T, version workflow.Version) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.OnGetVersion("send-while-finding", workflow.DefaultVersion, workflow.Version(1)).Return(version)
	due := env.Now().Add(20 * time.Hour)
	register := func(name string, step any) {
		env.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: name})
	}
	register("PlanNotice", func(_ context.Context, in activities.NoticeInput) (activities.NoticePlan, error) {
		require.Equal(t, activities.NoticeInput{Position: 7, Kind: notice.PlaceMoved}, in)
		return activities.NoticePlan{DueAt: due}, nil
	})
	var pages []string
	register("FindRecipients", func(_ context.Context, in activities.NoticeInput) (activities.NoticePage, error) {
		pages = append(pages, in.After)
		return map[string]activities.NoticePage{"": {Written: 3, After: "a"}, "a": {Written: 2, After: "b"}, "b": {Done: true}}[in.After], nil
	})
	sends, finished := 0, 0
	register("SendNotices", func(context.Context, activities.NoticeInput) (activities.NoticesSent, error) {
		sends++
		if sends < 3 {
			return activities.NoticesSent{}, temporal.NewApplicationError("the SMTP server does not answer", activities.FaultType)
		}
		return activities.NoticesSent{Sent: sends, More: sends < 4}, nil
	})
	register("FinishNotice", func(context.Context, activities.NoticeInput) error {
		finished++
		return nil
	})
	env.ExecuteWorkflow(workflows.TellNotice, workflows.NoticeInput{Position: 7, Kind: notice.PlaceMoved})
	require.NoError(t, env.GetWorkflowError())
	var result workflows.NoticeResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, workflows.NoticeResult{Written: 5, Sent: 7}, result)
	require.Equal(t, []string{"", "a", "b"}, pages)
	require.Equal(t, 1, finished)
	require.False(t, env.Now().Before(due))
}

// TestTellNoticeGoesOnInANewRun: a run of many steps hands over where it is.
func TestTellNoticeGoesOnInANewRun(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	register := func(name string, step any) {
		env.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: name})
	}
	register("PlanNotice", func(context.Context, activities.NoticeInput) (activities.NoticePlan, error) {
		return activities.NoticePlan{}, nil
	})
	register("FindRecipients", func(context.Context, activities.NoticeInput) (activities.NoticePage, error) {
		return activities.NoticePage{Written: 1, After: "more"}, nil
	})
	register("SendNotices", func(context.Context, activities.NoticeInput) (activities.NoticesSent, error) {
		return activities.NoticesSent{Sent: 1}, nil
	})
	env.ExecuteWorkflow(workflows.TellNotice, workflows.NoticeInput{Position: 7, Kind: notice.RaceOfficial})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
}
