package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type fakeFacts func(recordID string) (scoring.Facts, error)

func (f fakeFacts) Facts(_ context.Context, recordID string) (scoring.Facts, error) {
	return f(recordID)
}

func (fakeFacts) RaiseAbove(context.Context, string, map[string]int) (int, error) { return 1, nil }

type fakeLedger func(c race.Credit) (userdb.Applied, error)

func (f fakeLedger) ApplyCredit(_ context.Context, c race.Credit) (userdb.Applied, error) {
	return f(c)
}

// environment runs activities as the worker does, with its interceptor.
func environment(t *testing.T, facts fakeFacts, ledger fakeLedger) (*testsuite.TestActivityEnvironment, *activities.Credits) {
	t.Helper()
	return environmentOf(t, activities.NewMetrics(prometheus.NewRegistry()), facts, ledger)
}

func environmentOf(t *testing.T, metrics *activities.Metrics, facts fakeFacts, ledger fakeLedger) (*testsuite.TestActivityEnvironment, *activities.Credits) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))}})
	credits := activities.NewCredits(facts, ledger, metrics)
	env.RegisterActivity(credits)
	return env, credits
}

func run[O any](t *testing.T, env *testsuite.TestActivityEnvironment, activity, input any) (O, error) {
	t.Helper()
	var out O
	value, err := env.ExecuteActivity(activity, input)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

// finisher is a woman of 35 who ran a marathon in 2:30:00 by the gun.
func finisher() scoring.Facts {
	return scoring.Facts{
		Record: race.Record{
			ID: "record", RaceID: "race", Revision: 1, HoldsBib: true,
			Result: race.Result{Bib: "34", Gun: 9_000_000, Status: race.Finished},
		},
		Race:    race.Race{Scoring: "agegrade-2025", Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun}},
		Entrant: &race.Participant{UserID: "runner", Sex: race.Female, Age: 35, Field: race.Runner},
	}
}

func factsThat(change func(*scoring.Facts)) fakeFacts {
	facts := finisher()
	facts.Record.Revision = 2
	if change != nil {
		change(&facts)
	}
	return func(string) (scoring.Facts, error) { return facts, nil }
}

var second = activities.CreditInput{RaceID: "race", RecordID: "record", Revision: 2}

func TestValidateParticipant(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		facts fakeFacts
		want  activities.Validated
	}{
		"entered": {factsThat(nil), activities.Validated{RunnerID: "runner", Bib: "34"}},
		"nobody": {
			factsThat(func(f *scoring.Facts) { f.Entrant = nil }),
			activities.Validated{Bib: "34", Rejection: "no participant with bib 34"},
		},
		"held": {
			factsThat(func(f *scoring.Facts) { f.Record.HoldsBib = false }),
			activities.Validated{Bib: "34", Rejection: "bib 34 is held by another record"},
		},
		"removed": {
			factsThat(func(f *scoring.Facts) { f.Record.Removed, f.Record.HoldsBib = true, false }),
			activities.Validated{Bib: "34"},
		},
		"superseded": {
			factsThat(func(f *scoring.Facts) { f.Record.Revision = 3 }),
			activities.Validated{Bib: "34", Superseded: true},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, credits := environment(t, test.facts, nil)
			got, err := run[activities.Validated](t, env, credits.ValidateParticipant, second)
			require.NoError(t, err)
			require.Equal(t, got.RunnerID != "", got.Facts != "", "facts are held for a runner who is known")
			require.Equal(t, got.Rejection != "", got.Fingerprint != "", "a rejection is committed without ComputePoints")
			got.Facts, got.Fingerprint = "", ""
			require.Equal(t, test.want, got)
		})
	}
}

func TestAnUnknownRevisionIsRejectedForGood(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		facts  fakeFacts
		reason string
	}{
		"no record": {
			func(string) (scoring.Facts, error) {
				return scoring.Facts{}, fmt.Errorf("record: %w", race.ErrNotFound)
			},
			"there is no such record",
		},
		"race mismatch": {factsThat(func(f *scoring.Facts) { f.Record.RaceID = "another" }), "the record is of another race"},
		"no revision":   {factsThat(func(f *scoring.Facts) { f.Record.Revision = 1 }), "the record has no revision 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, credits := environment(t, test.facts, nil)
			_, validating := run[any](t, env, credits.ValidateParticipant, second)
			_, computing := run[any](t, env, credits.ComputePoints, activities.ComputeInput{CreditInput: second})
			for _, err := range []error{validating, computing} {
				var failure *temporal.ApplicationError
				require.ErrorAs(t, err, &failure)
				require.Equal(t, activities.RejectionType, failure.Type())
				require.Equal(t, test.reason, failure.Message())
				require.True(t, failure.NonRetryable())
				require.Equal(t, temporal.ApplicationErrorCategoryBenign, failure.Category())
			}
		})
	}
}

func TestComputePoints(t *testing.T) {
	t.Parallel()
	env, credits := environment(t, factsThat(nil), nil)
	award, err := run[scoring.Award](t, env, credits.ComputePoints, activities.ComputeInput{CreditInput: second})
	require.NoError(t, err)
	require.Equal(t, race.Credited, award.Status)
	require.Equal(t, "runner", award.RunnerID)
	require.Positive(t, award.Points)

	env, credits = environment(t, factsThat(func(f *scoring.Facts) { f.Record.Result.Gun = 0 }), nil)
	award, err = run[scoring.Award](t, env, credits.ComputePoints, activities.ComputeInput{CreditInput: second})
	require.NoError(t, err)
	require.NotEmpty(t, award.Fingerprint)
	award.Fingerprint = ""
	require.Equal(t, scoring.Award{Status: race.Rejected, Reason: "no gun time, which ranks this race"}, award)

	env, credits = environment(t, factsThat(func(f *scoring.Facts) { f.Record.Revision = 3 }), nil)
	award, err = run[scoring.Award](t, env, credits.ComputePoints, activities.ComputeInput{CreditInput: second})
	require.NoError(t, err)
	require.Equal(t, scoring.Award{Status: race.Superseded}, award)
}

func TestCommitPoints(t *testing.T) {
	t.Parallel()
	in := activities.CommitInput{
		Credit: second,
		Award:  scoring.Award{Status: race.Credited, RunnerID: "runner", Points: 700, Rule: "agegrade", Edition: "2025"},
	}
	var written race.Credit
	env, credits := environment(t, factsThat(nil), func(c race.Credit) (userdb.Applied, error) {
		written = c
		return userdb.Applied{Changed: true, Standing: c}, nil
	})
	committed, err := run[activities.Committed](t, env, credits.CommitPoints, in)
	require.NoError(t, err)
	require.Equal(t, activities.Committed{Status: race.Credited, RunnerID: "runner", Points: 700}, committed)
	require.NotEmpty(t, written.WorkflowID)
	written.WorkflowID = ""
	require.Equal(t, race.Credit{
		RecordID: "record", RaceID: "race", Revision: 2, Status: race.Credited, UserID: "runner", Points: 700,
		Rule: "agegrade", Edition: "2025",
	}, written)

	env, credits = environment(t, factsThat(nil), func(c race.Credit) (userdb.Applied, error) { return userdb.Applied{Standing: c}, nil })
	committed, err = run[activities.Committed](t, env, credits.CommitPoints, in)
	require.NoError(t, err)
	require.Equal(t, activities.Committed{Status: race.Credited, RunnerID: "runner", Points: 700, Repeated: true}, committed)

	env, credits = environment(t, factsThat(func(f *scoring.Facts) { f.Record.Revision = 3 }), func(c race.Credit) (userdb.Applied, error) {
		c.Revision = 3
		return userdb.Applied{Standing: c}, nil
	})
	committed, err = run[activities.Committed](t, env, credits.CommitPoints, in)
	require.NoError(t, err)
	require.Equal(t, activities.Committed{Status: race.Superseded}, committed)
}

func TestFaultsAreRetriedAndNamed(t *testing.T) {
	t.Parallel()
	for want, cause := range map[string]error{
		activities.UnavailableType: context.DeadlineExceeded,
		activities.FaultType:       errors.New("runner has no account"),
	} {
		env, credits := environment(t, factsThat(nil), func(race.Credit) (userdb.Applied, error) {
			return userdb.Applied{}, fmt.Errorf("apply credit: %w", cause)
		})
		_, err := run[activities.Committed](t, env, credits.CommitPoints, activities.CommitInput{Credit: second})
		var failure *temporal.ApplicationError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, want, failure.Type())
		require.False(t, failure.NonRetryable())
		require.Contains(t, failure.Message(), "apply credit: ")
	}
}

func TestCommittedPointsAreExplained(t *testing.T) {
	t.Parallel()
	reads, outage := 0, error(nil)
	facts := fakeFacts(func(recordID string) (scoring.Facts, error) {
		reads++
		if outage != nil {
			return scoring.Facts{}, outage
		}
		return factsThat(nil)(recordID)
	})
	var written race.Credit
	env, credits := environment(t, facts, func(c race.Credit) (userdb.Applied, error) {
		written = c
		return userdb.Applied{Changed: true, Standing: c}, nil
	})
	validated, err := run[activities.Validated](t, env, credits.ValidateParticipant, second)
	require.NoError(t, err)
	award, err := run[scoring.Award](t, env, credits.ComputePoints, activities.ComputeInput{CreditInput: second, Facts: validated.Facts})
	require.NoError(t, err)
	commit := func(change func(*activities.CommitInput)) *race.Parts {
		in := activities.CommitInput{Credit: second, Award: award, Facts: validated.Facts}
		change(&in)
		_, err := run[activities.Committed](t, env, credits.CommitPoints, in)
		require.NoError(t, err)
		return written.Parts
	}
	require.Equal(t, 35, *commit(func(*activities.CommitInput) {}).Age)
	require.Equal(t, 1, reads, "the facts are read once on the fast path")
	require.NotNil(t, commit(func(*activities.CommitInput) {}), "a second attempt reads them")
	require.Equal(t, 2, reads)
	require.Nil(t, commit(func(in *activities.CommitInput) { in.Award.Points++ }), "the facts are no longer those of the award")
	require.Nil(t, commit(func(in *activities.CommitInput) { in.Award.RunnerID = "another" }))
	require.Nil(t, commit(func(in *activities.CommitInput) { in.Award.Points, in.Award.Reason = 0, "did not finish" }))
	require.Nil(t, commit(func(in *activities.CommitInput) { in.Award = scoring.Award{Status: race.Rejected, Reason: "no"} }))
	outage = errors.New("main_db is away")
	require.Nil(t, commit(func(*activities.CommitInput) {}), "and points do not wait for it")
}

func TestATicketSavesTheNextActivityARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reads, revision := 0, 2
		credits := activities.NewCredits(fakeFacts(func(recordID string) (scoring.Facts, error) {
			reads++
			return factsThat(func(f *scoring.Facts) { f.Record.Revision = revision })(recordID)
		}), nil, activities.NewMetrics(prometheus.NewRegistry()))
		validate := func() activities.FactsTicket {
			validated, err := credits.ValidateParticipant(t.Context(), second)
			require.NoError(t, err)
			return validated.Facts
		}
		compute := func(ticket activities.FactsTicket, want race.CreditStatus, wantReads int) {
			t.Helper()
			award, err := credits.ComputePoints(t.Context(), activities.ComputeInput{CreditInput: second, Facts: ticket})
			require.NoError(t, err)
			require.Equal(t, want, award.Status)
			require.Equal(t, wantReads, reads)
		}
		ticket := validate()
		compute(ticket, race.Credited, 1)
		compute(ticket, race.Credited, 1)
		compute("", race.Credited, 2) // who has no ticket reads
		compute("another worker's", race.Credited, 3)

		ticket = validate()
		time.Sleep(time.Second)
		revision = 3
		compute(ticket, race.Superseded, 5) // as does who comes late
	})
}

func TestATicketSaysNothingOfTheRunner(t *testing.T) {
	t.Parallel()
	credits := activities.NewCredits(factsThat(nil), nil, activities.NewMetrics(prometheus.NewRegistry()))
	validated, err := credits.ValidateParticipant(t.Context(), second)
	require.NoError(t, err)
	validated.Facts = ""
	payload, err := json.Marshal(validated)
	require.NoError(t, err)
	require.JSONEq(t, `{"runner_id":"runner","bib":"34"}`, string(payload))
}

// A release without tickets scheduled ComputePoints with a CreditInput, and such
// an activity may still wait when this release takes over.
func TestAnInputWithoutATicketIsStillRead(t *testing.T) {
	t.Parallel()
	payload, err := json.Marshal(second)
	require.NoError(t, err)
	var in activities.ComputeInput
	require.NoError(t, json.Unmarshal(payload, &in))
	require.Equal(t, activities.ComputeInput{CreditInput: second}, in)
}
