package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/workflows"
)

var someOffer = workflows.OfferInput{RaceID: "r", Pool: 1, Seq: 1001, No: 2}

func offerEnvironment(t *testing.T) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
	var offers *activities.Offers
	env.RegisterActivity(offers)
	return env
}

func result(t *testing.T, env *testsuite.TestWorkflowEnvironment) (got activities.OfferResult) {
	t.Helper()
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, env.GetWorkflowResult(&got))
	env.AssertExpectations(t)
	return got
}

// TestHoldOfferWaitsByTheDatabasesClock: however long the database says is left.
func TestHoldOfferWaitsByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var offers *activities.Offers
	start := env.Now()
	env.OnActivity(offers.EndOffer, mock.Anything, someOffer).Return(activities.OfferResult{}, temporal.NewApplicationError("no answer", activities.FaultType)).Times(3)
	env.OnActivity(offers.EndOffer, mock.Anything, someOffer).Return(activities.OfferResult{Status: race.Offered, Left: 24 * time.Hour}, nil).Once()
	env.OnActivity(offers.EndOffer, mock.Anything, someOffer).Return(activities.OfferResult{Status: race.Offered, Left: time.Minute}, nil).Once()
	env.OnActivity(offers.EndOffer, mock.Anything, someOffer).Return(activities.OfferResult{Status: race.OfferExpired}, nil).Once()
	env.ExecuteWorkflow(workflows.HoldOffer, someOffer)
	require.Equal(t, race.OfferExpired, result(t, env).Status)
	require.GreaterOrEqual(t, env.Now().Sub(start), 24*time.Hour+time.Minute)
}

func TestHoldOfferEndsWithTheAnswer(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var offers *activities.Offers
	start := env.Now()
	env.OnActivity(offers.EndOffer, mock.Anything, someOffer).Return(activities.OfferResult{Status: race.Offered, Left: 24 * time.Hour}, nil).Once()
	env.OnActivity(offers.EndOffer, mock.Anything, someOffer).Return(activities.OfferResult{Status: race.Entered}, nil).Once()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.AnsweredSignal, nil) }, time.Hour)
	env.ExecuteWorkflow(workflows.HoldOffer, someOffer)
	require.Equal(t, race.Entered, result(t, env).Status)
	require.Less(t, env.Now().Sub(start), 2*time.Hour)
	require.Equal(t, "offer/r/1/1001/2", workflows.OfferWorkflowID(someOffer))
}
