package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// world stands in for the two databases. Its functions may be changed before a
// run; it notes on which path it was asked.
type world struct {
	facts func(ctx context.Context, recordID string) (scoring.Facts, error)
	apply func(ctx context.Context, c race.Credit) (userdb.Applied, error)

	mu        sync.Mutex
	committed []race.Credit
	unmatched []maindb.Unmatched
	durable   int // calls by ordinary activities
	raised    map[string]int
}

func (w *world) RaiseAbove(_ context.Context, _ string, ahead map[string]int) (int, error) {
	w.raised = ahead
	return len(ahead), nil
}

func (w *world) Facts(ctx context.Context, recordID string) (scoring.Facts, error) {
	w.note(ctx)
	return w.facts(ctx, recordID)
}

func (w *world) ApplyCredit(ctx context.Context, c race.Credit) (userdb.Applied, error) {
	w.note(ctx)
	applied, err := w.apply(ctx, c)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.committed = append(w.committed, c)
	}
	return applied, err
}

func (w *world) AddUnmatched(_ context.Context, u maindb.Unmatched) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unmatched = append(w.unmatched, u)
	return nil
}

func (w *world) AddOutsideAction(context.Context, maindb.Action, string) (bool, error) {
	return false, errors.New("nothing was reset")
}

func (w *world) HasAction(context.Context, string) (bool, error) { return false, nil }

func (w *world) note(ctx context.Context) {
	if isLocal(ctx) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.durable++
}

func isLocal(ctx context.Context) bool { return activity.GetInfo(ctx).IsLocalActivity }

var input = workflows.CreditInput{RaceID: "race", RecordID: "record", Revision: 2}

// slowMachine is how long a workflow may hold its thread under the race detector
// on a busy machine; a second, the default, was not enough.
const slowMachine = time.Minute

// setupCredit returns a world in which the record earns points, and the
// workflow's environment with the worker's interceptor. Each step is another
// worker's, so that each finds out for itself.
func setupCredit(t *testing.T) (*world, *testsuite.TestWorkflowEnvironment) {
	t.Helper()
	w := &world{
		facts: func(context.Context, string) (scoring.Facts, error) { return finisher(), nil },
		apply: func(_ context.Context, c race.Credit) (userdb.Applied, error) {
			return userdb.Applied{Changed: true, Standing: c}, nil
		},
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	metrics := activities.NewMetrics(prometheus.NewRegistry())
	env.SetWorkerOptions(worker.Options{
		Interceptors:             []interceptor.WorkerInterceptor{activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))},
		DeadlockDetectionTimeout: slowMachine,
	})
	env.RegisterActivity(activities.NewCredits(w, w, metrics).ValidateParticipant)
	env.RegisterActivity(activities.NewCredits(w, w, metrics).ComputePoints)
	env.RegisterActivity(activities.NewCredits(w, w, metrics).CommitPoints)
	env.RegisterActivity(activities.NewNotes(w, nil))
	return w, env
}

// finisher is a woman of 35 who ran a marathon in 2:30:00.
func finisher() scoring.Facts {
	return scoring.Facts{
		Record: race.Record{
			ID: "record", RaceID: "race", Revision: 2, HoldsBib: true,
			Result: race.Result{Bib: "34", Gun: 9_000_000, Status: race.Finished},
		},
		Race:    race.Race{Scoring: "fixed", Points: 7, Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun}},
		Entrant: &race.Participant{UserID: "runner", Sex: race.Female, Age: 35, Field: race.Runner},
	}
}

// runCredit runs the workflow to its end and checks that its outcome was made
// searchable, once.
func runCredit(t *testing.T, env *testsuite.TestWorkflowEnvironment) workflows.CreditResult {
	t.Helper()
	var published []temporal.SearchAttributes
	env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		if attributes, ok := args.Get(0).(temporal.SearchAttributes); ok {
			published = append(published, attributes)
		}
	}).Return(nil)
	env.ExecuteWorkflow(workflows.CreditRecord, input)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var result workflows.CreditResult
	require.NoError(t, env.GetWorkflowResult(&result))

	require.Len(t, published, 1)
	status, _ := published[0].GetKeyword(workflows.CreditStatusKey)
	require.Equal(t, string(result.Status), status)
	runner, _ := published[0].GetKeyword(workflows.RunnerIDKey)
	require.Equal(t, result.RunnerID, runner)
	return result
}

func TestCreditRecordOnTheFastPath(t *testing.T) {
	t.Parallel()
	w, env := setupCredit(t)
	result := runCredit(t, env)
	require.Equal(t, workflows.CreditResult{Status: race.Credited, RunnerID: "runner", Points: 7}, result)
	require.Len(t, w.committed, 1)
	require.Zero(t, w.durable, "no ordinary activity when all is well")
}

func TestCreditRecordRejections(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change    func(*scoring.Facts)
		reason    string
		committed int
	}{
		"while validating": {func(f *scoring.Facts) { f.Entrant = nil }, "no participant with bib 34", 1},
		"while computing":  {func(f *scoring.Facts) { f.Record.Result.Gun = 0 }, "no gun time, which ranks this race", 1},
		"race mismatch":    {func(f *scoring.Facts) { f.Record.RaceID = "another" }, "the record is of another race", 0},
		"no such revision": {func(f *scoring.Facts) { f.Record.Revision = 1 }, "the record has no revision 2", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, env := setupCredit(t)
			facts := finisher()
			test.change(&facts)
			w.facts = func(context.Context, string) (scoring.Facts, error) { return facts, nil }
			result := runCredit(t, env)
			require.Equal(t, workflows.CreditResult{Status: race.Rejected, Reason: test.reason}, result)
			require.Len(t, w.committed, test.committed)
			require.Zero(t, w.durable, "a rejection is not retried")
			if test.committed == 0 { // operators find it all the same
				require.Equal(t, []maindb.Unmatched{{RaceID: "race", RecordID: "record", Revision: 2, Reason: test.reason}}, w.unmatched)
			} else {
				require.Empty(t, w.unmatched)
			}
		})
	}
}

func TestCreditRecordOfWhatIsWorthNoPoints(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*scoring.Facts)
		want   workflows.CreditResult
	}{
		"DNF": {
			func(f *scoring.Facts) { f.Record.Result.Status = race.DidNotFinish },
			workflows.CreditResult{Status: race.Credited, RunnerID: "runner", Reason: "did not finish"},
		},
		"removed": {
			func(f *scoring.Facts) { f.Record.Removed, f.Record.HoldsBib = true, false },
			workflows.CreditResult{Status: race.Credited, Reason: "record removed"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, env := setupCredit(t)
			facts := finisher()
			test.change(&facts)
			w.facts = func(context.Context, string) (scoring.Facts, error) { return facts, nil }
			require.Equal(t, test.want, runCredit(t, env))
			require.Len(t, w.committed, 1)
		})
	}
}

func TestCreditRecordThatANewerRevisionOvertakes(t *testing.T) {
	t.Parallel()
	newer := finisher()
	newer.Record.Revision = 3
	superseded := workflows.CreditResult{Status: race.Superseded}

	t.Run("before it is validated", func(t *testing.T) {
		t.Parallel()
		w, env := setupCredit(t)
		w.facts = func(context.Context, string) (scoring.Facts, error) { return newer, nil }
		require.Equal(t, superseded, runCredit(t, env))
		require.Empty(t, w.committed)
	})
	t.Run("before its points are computed", func(t *testing.T) {
		t.Parallel()
		w, env := setupCredit(t)
		reads := 0
		w.facts = func(context.Context, string) (scoring.Facts, error) {
			reads++
			if reads > 1 {
				return newer, nil
			}
			return finisher(), nil
		}
		require.Equal(t, superseded, runCredit(t, env))
		require.Empty(t, w.committed)
	})
	t.Run("before it is committed", func(t *testing.T) {
		t.Parallel()
		w, env := setupCredit(t)
		w.apply = func(_ context.Context, c race.Credit) (userdb.Applied, error) {
			c.Revision = 3
			w.facts = func(context.Context, string) (scoring.Facts, error) { return newer, nil }
			return userdb.Applied{Standing: c}, nil
		}
		require.Equal(t, superseded, runCredit(t, env))
		require.Empty(t, w.raised)
	})
	t.Run("in the ledger alone", func(t *testing.T) { // main_db has lost revision 3
		t.Parallel()
		w, env := setupCredit(t)
		w.apply = func(_ context.Context, c race.Credit) (userdb.Applied, error) {
			c.Revision = 3
			return userdb.Applied{Standing: c}, nil
		}
		result := runCredit(t, env)
		require.Equal(t, race.Superseded, result.Status)
		require.Equal(t, "the ledger was ahead at revision 3: the record was revised above it", result.Reason)
		require.Equal(t, map[string]int{"record": 3}, w.raised)
	})
}

func TestCreditRecordThatWasCommittedBefore(t *testing.T) {
	t.Parallel()
	w, env := setupCredit(t)
	w.apply = func(_ context.Context, c race.Credit) (userdb.Applied, error) {
		return userdb.Applied{Standing: c}, nil
	}
	require.Equal(t,
		workflows.CreditResult{Status: race.Credited, RunnerID: "runner", Points: 7, Repeated: true}, runCredit(t, env))
}

func TestCreditRecordTakesTheDurablePathThroughAnOutage(t *testing.T) {
	t.Parallel()
	outage := errors.New("connection refused")

	t.Run("of main_db", func(t *testing.T) {
		t.Parallel()
		w, env := setupCredit(t)
		w.facts = func(ctx context.Context, _ string) (scoring.Facts, error) {
			if isLocal(ctx) || activity.GetInfo(ctx).Attempt < 5 {
				return scoring.Facts{}, fmt.Errorf("read the facts: %w", outage)
			}
			return finisher(), nil
		}
		require.Equal(t, workflows.CreditResult{Status: race.Credited, RunnerID: "runner", Points: 7}, runCredit(t, env))
		require.Equal(t, 10, w.durable, "five attempts of each of two steps")
		require.Len(t, w.committed, 1)
	})
	t.Run("of user_db", func(t *testing.T) {
		t.Parallel()
		w, env := setupCredit(t)
		w.apply = func(ctx context.Context, c race.Credit) (userdb.Applied, error) {
			if isLocal(ctx) {
				return userdb.Applied{}, outage
			}
			return userdb.Applied{Changed: true, Standing: c}, nil
		}
		require.Equal(t, workflows.CreditResult{Status: race.Credited, RunnerID: "runner", Points: 7}, runCredit(t, env))
		require.Equal(t, 2, w.durable, "the commit, and a read of what explains its points")
	})
	t.Run("and finds a rejection there", func(t *testing.T) {
		t.Parallel()
		w, env := setupCredit(t)
		w.facts = func(ctx context.Context, _ string) (scoring.Facts, error) {
			if isLocal(ctx) {
				return scoring.Facts{}, outage
			}
			return scoring.Facts{}, race.ErrNotFound
		}
		require.Equal(t, workflows.CreditResult{Status: race.Rejected, Reason: "there is no such record"}, runCredit(t, env))
		require.Equal(t, 1, w.durable)
	})
}

func TestCreditRecordRecoversWithinTheLocalWindow(t *testing.T) {
	t.Parallel()
	w, env := setupCredit(t)
	w.apply = func(ctx context.Context, c race.Credit) (userdb.Applied, error) {
		if activity.GetInfo(ctx).Attempt < 3 {
			return userdb.Applied{}, errors.New("deadlock")
		}
		return userdb.Applied{Changed: true, Standing: c}, nil
	}
	require.Equal(t, race.Credited, runCredit(t, env).Status)
	require.Zero(t, w.durable)
}
