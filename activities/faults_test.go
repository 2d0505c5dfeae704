package activities_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
)

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
