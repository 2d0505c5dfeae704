package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
)

// TestHeldWorkIsRetriedWhenItsLeaseEnds, not after a pause that grows with each kill.
func TestHeldWorkIsRetriedWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	event := b.resultsPosted(t)
	killed := b.userAt(func() time.Time { return time.Now().Add(-20 * time.Second) })
	_, err := killed.NoticesToSend(t.Context(), event.Position, event.Kind, "killed", time.Minute, 10)
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{
		activities.NewInterceptor(activities.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)),
	}})
	env.RegisterActivity(b.steps)
	_, err = env.ExecuteActivity(b.steps.SendNotices, event)
	failure, is := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, is, "%v", err)
	require.Equal(t, activities.HeldType, failure.Type())
	require.False(t, failure.NonRetryable())
	require.Greater(t, failure.NextRetryDelay(), time.Duration(0))
	require.LessOrEqual(t, failure.NextRetryDelay(), 41*time.Second)
	require.Empty(t, b.box.taken(t))
}

func TestAnAttemptEndsInTimeToReportItsCause(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{
		activities.NewInterceptor(activities.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)),
	}})
	step := func(ctx context.Context) (time.Duration, error) {
		own, limited := ctx.Deadline()
		require.True(t, limited)
		return activity.GetInfo(ctx).Deadline.Sub(own), nil
	}
	env.RegisterActivity(step)
	value, err := env.ExecuteActivity(step)
	require.NoError(t, err)
	var early time.Duration
	require.NoError(t, value.Get(&early))
	require.Positive(t, early)
	require.Less(t, early, time.Minute, "of ten, which the environment gives it")
}
