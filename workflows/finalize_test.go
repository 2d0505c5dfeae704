package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// finalizeBundle runs FinalizeRace over a recompute of the test's own, which is
// told the number of the call.
type finalizeBundle struct {
	env        *testsuite.TestWorkflowEnvironment
	recomputes int
	published  int
	thinnedAt  []time.Time
	// earlier makes the run one that began before publishing was a step of its own.
	earlier bool
}

func setupFinalize(t *testing.T, recompute func(b *finalizeBundle, call int) (activities.Recomputed, error)) *finalizeBundle {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &finalizeBundle{env: suite.NewTestWorkflowEnvironment()}
	b.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	b.env.SetTestTimeout(slowMachine)
	b.env.RegisterWorkflow(workflows.FinalizeRace)
	b.env.RegisterActivityWithOptions(func(_ context.Context, in activities.RecomputeInput) (activities.Recomputed, error) {
		require.Equal(t, "race", in.RaceID)
		b.recomputes++
		return recompute(b, b.recomputes)
	}, activity.RegisterOptions{Name: "RecomputeStandings"})
	b.env.RegisterActivityWithOptions(func(_ context.Context, in activities.RecomputeInput) (activities.Recomputed, error) {
		require.Equal(t, "race", in.RaceID)
		b.published++
		return activities.Recomputed{Version: 9, Status: race.Official, Changed: true}, nil
	}, activity.RegisterOptions{Name: "PublishStandings"})
	b.env.RegisterActivityWithOptions(func(context.Context, activities.ThinInput) (maindb.Thinned, error) {
		b.thinnedAt = append(b.thinnedAt, b.env.Now())
		return maindb.Thinned{Dropped: 1}, nil
	}, activity.RegisterOptions{Name: "ThinStandings"})
	return b
}

func (b *finalizeBundle) run() {
	if b.earlier {
		b.env.OnGetVersion("separate-steps", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	}
	b.env.ExecuteWorkflow(workflows.FinalizeRace, workflows.FinalizeInput{RaceID: "race"})
}

func (b *finalizeBundle) result(t *testing.T) workflows.FinalizeResult {
	t.Helper()
	require.True(t, b.env.IsWorkflowCompleted())
	require.NoError(t, b.env.GetWorkflowError())
	var result workflows.FinalizeResult
	require.NoError(t, b.env.GetWorkflowResult(&result))
	return result
}

func (b *finalizeBundle) wake() { b.env.SignalWorkflow(workflows.WakeSignal, nil) }

func TestSignalsOfARecomputeMakeOneMore(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		if call == 1 {
			for range 50 {
				b.wake()
			}
		}
		return activities.Recomputed{Version: call, Status: race.Provisional}, nil
	})
	b.run()
	require.Equal(t, workflows.FinalizeResult{Version: 2, Status: race.Provisional, Recomputes: 2}, b.result(t))
}

func TestASignalDuringARecomputeIsNeverLost(t *testing.T) {
	t.Parallel()
	database := 1 // what a signal stands for
	read := 0
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		read = database
		if call <= 3 { // a change right after the read
			database++
			b.wake()
		}
		return activities.Recomputed{Version: read}, nil
	})
	b.run()
	require.Equal(t, 4, b.result(t).Version)
	require.Equal(t, database, read)
}

func TestASignalWhileARunLingersIsTakenUp(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(_ *finalizeBundle, call int) (activities.Recomputed, error) {
		return activities.Recomputed{Version: call}, nil
	})
	b.env.RegisterDelayedCallback(b.wake, 5*time.Second)
	b.env.RegisterDelayedCallback(b.wake, 14*time.Second)
	start := b.env.Now()
	b.run()
	require.Equal(t, 3, b.result(t).Recomputes)
	require.Less(t, b.env.Now().Sub(start), time.Minute)
}

func TestALongRunContinuesAsNew(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		b.wake()
		return activities.Recomputed{Version: call}, nil
	})
	b.run()
	require.True(t, b.env.IsWorkflowCompleted())
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, b.env.GetWorkflowError(), &again)
	require.Equal(t, 40, b.recomputes)
}

func TestTheProtestWindowIsATimer(t *testing.T) {
	t.Parallel()
	var ends time.Time
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		if ends.IsZero() {
			ends = b.env.Now().Add(30 * time.Minute)
		}
		if b.env.Now().Before(ends) {
			return activities.Recomputed{Version: call, Status: race.Provisional, PublishAt: ends}, nil
		}
		return activities.Recomputed{Version: call, Status: race.Official, Changed: true}, nil
	})
	b.env.RegisterDelayedCallback(b.wake, 10*time.Minute) // a correction during the window
	start := b.env.Now()
	b.run()
	result := b.result(t)
	require.Equal(t, race.Official, result.Status)
	require.Equal(t, 3, result.Recomputes)
	require.GreaterOrEqual(t, b.env.Now().Sub(start), 30*time.Minute)
	require.Less(t, b.env.Now().Sub(start), 31*time.Minute)
}

func TestACancelledProtestWindowEndsTheRun(t *testing.T) {
	t.Parallel()
	ends := time.Now().Add(24 * time.Hour)
	b := setupFinalize(t, func(_ *finalizeBundle, call int) (activities.Recomputed, error) {
		if call == 1 {
			return activities.Recomputed{Version: 1, Status: race.Provisional, PublishAt: ends}, nil
		}
		return activities.Recomputed{Version: 1, Status: race.Provisional}, nil
	})
	b.env.RegisterDelayedCallback(b.wake, time.Minute)
	start := b.env.Now()
	b.run()
	require.Equal(t, workflows.FinalizeResult{Version: 1, Status: race.Provisional, Recomputes: 2}, b.result(t))
	require.Less(t, b.env.Now().Sub(start), time.Hour)
}

func TestAPublicationThatWaitsForCreditsLooksAgain(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		if call < 4 {
			return activities.Recomputed{Version: 1, Status: race.Provisional, Pending: 1, PublishAt: b.env.Now().Add(-time.Second)}, nil
		}
		return activities.Recomputed{Version: 2, Status: race.Official}, nil
	})
	b.run()
	require.Equal(t, workflows.FinalizeResult{Version: 2, Status: race.Official, Recomputes: 4}, b.result(t))
}

func TestALongRecomputeIsFollowedByARest(t *testing.T) {
	t.Parallel()
	var at []time.Time
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		at = append(at, b.env.Now())
		if call < 4 {
			b.wake()
		}
		took := map[int]time.Duration{2: time.Second, 3: 3 * time.Second}[call]
		return activities.Recomputed{Version: call, Elapsed: took}, nil
	})
	b.run()
	require.Equal(t, 4, b.result(t).Version, "no signal is lost to a rest")
	require.Less(t, at[1].Sub(at[0]), time.Second)
	require.Less(t, at[2].Sub(at[1]), time.Second)
	require.GreaterOrEqual(t, at[3].Sub(at[2]), 3*time.Second)
}

func TestARunThatBeganEarlierKnowsNoRestAndPublishesWithinTheRecompute(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		if call == 1 {
			b.wake()
		}
		return activities.Recomputed{Version: call, Elapsed: time.Hour, Due: true, Changed: true}, nil
	})
	b.earlier = true
	start := b.env.Now()
	b.run()
	require.Equal(t, 2, b.result(t).Version)
	require.Less(t, b.env.Now().Sub(start), time.Minute)
	require.Zero(t, b.published)
	require.Empty(t, b.thinnedAt)
}

func TestPublishingIsAStepOfItsOwn(t *testing.T) {
	t.Parallel()
	var ends time.Time
	b := setupFinalize(t, func(b *finalizeBundle, _ int) (activities.Recomputed, error) {
		if ends.IsZero() {
			ends = b.env.Now().Add(30 * time.Minute)
		}
		return activities.Recomputed{
			Version: 8, Status: race.Provisional, Race: "Park 10K", PublishAt: ends, Due: !b.env.Now().Before(ends),
		}, nil
	})
	b.run()
	require.Equal(t, workflows.FinalizeResult{Version: 9, Status: race.Official, Recomputes: 2}, b.result(t))
	require.Equal(t, 1, b.published)
	require.Len(t, b.thinnedAt, 2, "while the window is open, and after it")
}

func TestVersionsAreThinnedOutWhenTheRunIsQuiet(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(_ *finalizeBundle, call int) (activities.Recomputed, error) {
		return activities.Recomputed{Version: call, Changed: call < 3}, nil
	})
	b.env.RegisterDelayedCallback(b.wake, 20*time.Second)
	b.env.RegisterDelayedCallback(b.wake, 30*time.Second)
	start := b.env.Now()
	b.run()
	require.Equal(t, 3, b.result(t).Recomputes)
	require.Len(t, b.thinnedAt, 1)
	require.GreaterOrEqual(t, b.thinnedAt[0].Sub(start), 30*time.Second+activities.ThinAfter)
}

func TestVersionsAreThinnedOutDuringABurstAndAWindow(t *testing.T) {
	t.Parallel()
	ends := time.Now().Add(24 * time.Hour)
	b := setupFinalize(t, func(b *finalizeBundle, call int) (activities.Recomputed, error) {
		if call < 30 {
			b.wake()
		}
		if call == 31 {
			return activities.Recomputed{Version: 30}, nil // the window is cancelled
		}
		return activities.Recomputed{Version: call, Changed: true, PublishAt: ends}, nil
	})
	b.env.RegisterDelayedCallback(b.wake, time.Hour)
	start := b.env.Now()
	b.run()
	require.Equal(t, 31, b.result(t).Recomputes)
	require.Len(t, b.thinnedAt, 2)
	require.Less(t, b.thinnedAt[0].Sub(start), time.Second, "a long burst is thinned out while it goes on")
	require.Less(t, b.thinnedAt[1].Sub(start), time.Minute, "and not only when the window ends")
}

func TestARunThatChangesNothingThinsOutWhatIsThere(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(*finalizeBundle, int) (activities.Recomputed, error) {
		return activities.Recomputed{Version: 5}, nil
	})
	b.run()
	require.Equal(t, 1, b.result(t).Recomputes)
	require.Len(t, b.thinnedAt, 1)
}

func TestARecomputeIsRetriedUntilTheDatabasesAreBack(t *testing.T) {
	t.Parallel()
	b := setupFinalize(t, func(_ *finalizeBundle, call int) (activities.Recomputed, error) {
		if call < 10 {
			return activities.Recomputed{}, temporal.NewApplicationError("main_db is away", activities.UnavailableType)
		}
		return activities.Recomputed{Version: 1, Status: race.Provisional}, nil
	})
	b.run()
	require.Equal(t, 1, b.result(t).Version)
	require.Equal(t, 10, b.recomputes)
}

func TestFinalizeOptions(t *testing.T) {
	t.Parallel()
	options := workflows.FinalizeOptions("race")
	require.Equal(t, "standings/race", options.ID)
	require.Equal(t, workflows.StandingsTaskQueue, options.TaskQueue)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, options.WorkflowIDReusePolicy)
}
