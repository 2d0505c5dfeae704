package workflows_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

func TestAuditCreditsRetriesUntilItHasLooked(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	var audits *activities.Audits
	env.RegisterActivity(audits)
	expectChecks(env)
	want := activities.CreditAudit{Checked: 5, Lost: 2, Requeued: 2}
	env.OnActivity(audits.RequeueLostCredits, mock.Anything).Return(activities.CreditAudit{}, errors.New("no answer")).Times(3)
	env.OnActivity(audits.RequeueLostCredits, mock.Anything).Return(want, nil).Once()

	env.ExecuteWorkflow(workflows.AuditCredits)
	require.NoError(t, env.GetWorkflowError())
	var got workflows.Audit
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, want, got.CreditAudit)
	require.Equal(t, tallies(), got.Findings)
	env.AssertExpectations(t)
}

func tallies() []activities.Tally {
	return []activities.Tally{
		{Kind: activities.EndedUncredited},
		{Kind: activities.WrongTotal, Found: 2, Repaired: 1},
		{Kind: activities.WrongLines, Found: 1},
		{Kind: activities.LateOutbox},
		{Kind: activities.LateWorkflow},
		{Kind: activities.LedgerAhead, Found: 1, Repaired: 1},
		{Kind: activities.OrphanedCredit},
		{Kind: activities.WrongPool, Found: 1, Repaired: 1},
		{Kind: activities.LostOffer},
	}
}

// expectChecks has every check find its tally, but for those that fail.
func expectChecks(env *testsuite.TestWorkflowEnvironment, failing ...activities.FindingKind) {
	var checks *activities.Audits
	var places *activities.Offers
	env.RegisterActivity(places)
	for i, check := range []any{
		checks.CheckEnded, checks.CheckTotals, checks.CheckLines, checks.CheckOutbox, checks.CheckWorkflows,
		checks.CheckAhead, checks.CheckOrphans, places.CheckPools, places.CheckOffers,
	} {
		tally, err := tallies()[i], error(nil)
		if slices.Contains(failing, tally.Kind) {
			err = temporal.NewNonRetryableApplicationError("no answer", "", nil)
		}
		env.OnActivity(check, mock.Anything).Return(tally, err)
	}
}

func TestAuditCreditsShowsWhatItFoundWhenAPartFails(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	var audits *activities.Audits
	env.RegisterActivity(audits)
	expectChecks(env, activities.EndedUncredited, activities.LateOutbox)
	env.OnActivity(audits.RequeueLostCredits, mock.Anything).Return(activities.CreditAudit{Checked: 3, Lost: 1, Requeued: 1}, nil)

	env.ExecuteWorkflow(workflows.AuditCredits)
	require.ErrorContains(t, env.GetWorkflowError(), "no answer")
	value, err := env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(t, value.Get(&metadata))
	require.Equal(t, "1 of 3 revisions had no credit, 1 were sent again\n\n"+
		"2 totals that were not the sum of their ledger lines, 1 repaired\n\n"+
		"1 credits that the lines of the ledger did not add up to, 0 repaired\n\n"+
		"1 records that the ledger was ahead of, 1 repaired\n\n"+
		"1 pools whose counters differed from their entries, 1 repaired\n\n"+
		"2 checks failed: see their activities.", metadata.GetCurrentDetails())
}
