package workflows_test

import (
	"context"
	"errors"
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

// seriesBundle runs RankSeries over a recompute of the test's own, which is given the
// number of the call.
type seriesBundle struct {
	env   *testsuite.TestWorkflowEnvironment
	began []time.Time // of the recomputes
}

func setupSeries(t *testing.T, recompute func(b *seriesBundle, call int) (activities.RankedSeries, error)) *seriesBundle {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &seriesBundle{env: suite.NewTestWorkflowEnvironment()}
	b.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	b.env.SetTestTimeout(slowMachine)
	b.env.RegisterWorkflow(workflows.RankSeries)
	b.env.RegisterActivityWithOptions(func(_ context.Context, in activities.SeriesInput) (activities.RankedSeries, error) {
		require.Equal(t, "series", in.SeriesID)
		b.began = append(b.began, b.env.Now())
		return recompute(b, len(b.began))
	}, activity.RegisterOptions{Name: "RecomputeSeries"})
	return b
}

func (b *seriesBundle) wake() { b.env.SignalWorkflow(workflows.WakeSignal, nil) }

func (b *seriesBundle) run() {
	b.env.ExecuteWorkflow(workflows.RankSeries, workflows.SeriesInput{SeriesID: "series"})
}

// TestRacesThatFinishAtOnceMakeOneMoreRecompute: their signals are coalesced, and none
// that comes while the databases are read is lost.
func TestRacesThatFinishAtOnceMakeOneMoreRecompute(t *testing.T) {
	t.Parallel()
	b := setupSeries(t, func(b *seriesBundle, call int) (activities.RankedSeries, error) {
		if call == 1 {
			for range 50 {
				b.wake()
			}
		}
		return activities.RankedSeries{Version: call, Entries: 3, Changed: true, Name: "Park Series"}, nil
	})
	b.run()
	require.NoError(t, b.env.GetWorkflowError())
	require.Len(t, b.began, 2)
	require.GreaterOrEqual(t, b.began[1].Sub(b.began[0]), 2*time.Second)
	var result activities.RankedSeries
	require.NoError(t, b.env.GetWorkflowResult(&result))
	require.Equal(t, 2, result.Version)
}

func TestALargeSeriesRestsForFourTimesAsLongAsItTook(t *testing.T) {
	t.Parallel()
	b := setupSeries(t, func(b *seriesBundle, call int) (activities.RankedSeries, error) {
		if call == 1 {
			b.wake()
		}
		return activities.RankedSeries{Version: 1, Elapsed: 5 * time.Second}, nil
	})
	b.run()
	require.NoError(t, b.env.GetWorkflowError())
	require.Len(t, b.began, 2)
	require.GreaterOrEqual(t, b.began[1].Sub(b.began[0]), 20*time.Second)
}

func TestARecomputeOfASeriesIsRetriedUntilItSucceeds(t *testing.T) {
	t.Parallel()
	b := setupSeries(t, func(_ *seriesBundle, call int) (activities.RankedSeries, error) {
		if call <= 3 {
			return activities.RankedSeries{}, errors.New("no answer")
		}
		return activities.RankedSeries{Version: 1}, nil
	})
	b.run()
	require.NoError(t, b.env.GetWorkflowError())
	require.Len(t, b.began, 4)
}

func TestALongBurstContinuesTheSeriesAsNew(t *testing.T) {
	t.Parallel()
	b := setupSeries(t, func(b *seriesBundle, call int) (activities.RankedSeries, error) {
		b.wake()
		return activities.RankedSeries{Version: call, Changed: true}, nil
	})
	b.run()
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, b.env.GetWorkflowError(), &again)
	require.Len(t, b.began, 40)
}
