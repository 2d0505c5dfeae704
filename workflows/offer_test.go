package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
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

// TestClockOfAWorkerIsNotAsked: a worker whose clock is wrong by more than the offer has
// left ends it neither before its deadline nor later than any other.
func TestClockOfAWorkerIsNotAsked(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]time.Duration{"slow": -5 * time.Minute, "right": 0, "fast": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := mysqltest.New(t, maindb.Migrations())
			main := maindb.NewOutcomes(db, func() time.Time { return time.Now().Add(wrong) })
			r, err := main.CreateRace(t.Context(), race.Race{
				ID: uuid.Must(uuid.NewV7()).String(), OrganizerID: uuid.NewString(), Name: "One place", Date: race.DateOf(time.Now().AddDate(1, 0, 0)),
				Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
				Entry: &race.EntrySettings{Zone: "UTC", WaitingList: true, Capacity: 1},
			})
			require.NoError(t, err)
			entering := maindb.NewEntering(main.Store, func(_ context.Context, userIDs []string) (map[string]maindb.Account, error) {
				return map[string]maindb.Account{userIDs[0]: {Sex: race.Female}}, nil
			})
			users := []string{uuid.NewString(), uuid.NewString(), uuid.NewString()}
			for _, u := range users {
				_, err := entering.Enter(t.Context(), maindb.Entry{ID: uuid.Must(uuid.NewV7()).String(), RaceID: r.ID, UserID: u})
				require.NoError(t, err)
			}
			require.NoError(t, main.CancelEntry(t.Context(), r.ID, users[0]))
			const hold = 400 * time.Millisecond
			_, err = db.ExecContext(t.Context(), "UPDATE entry SET offer_expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE user_id = ?", hold.Microseconds(), users[1])
			require.NoError(t, err)
			offered, err := main.EntryOf(t.Context(), r.ID, users[1])
			require.NoError(t, err)
			open, err := main.OpenOffers(t.Context(), time.Minute, 10)
			require.NoError(t, err)
			require.Empty(t, open, "the audit does not think that it is older")

			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetTestTimeout(slowMachine)
			env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: slowMachine})
			env.SetStartTime(time.Now().Add(wrong))
			env.RegisterActivity(activities.NewOffers(main, nil, nil))
			env.SetOnTimerScheduledListener(func(_ string, wait time.Duration) {
				require.LessOrEqual(t, wait, hold, "waits for as long as the database says is left, whatever its own clock says")
			})
			env.ExecuteWorkflow(workflows.HoldOffer, workflows.OfferInput{RaceID: r.ID, Pool: 1, Seq: 2, No: 1})
			require.Equal(t, race.OfferExpired, result(t, env).Status)
			ended, err := main.EntryOf(t.Context(), r.ID, users[1])
			require.NoError(t, err)
			require.False(t, ended.ChangedAt.Before(offered.OfferExpiresAt), "not before the deadline")
			next, err := main.EntryOf(t.Context(), r.ID, users[2])
			require.NoError(t, err)
			require.Equal(t, race.Offered, next.Status)
			require.Equal(t, ended.ChangedAt, next.ChangedAt, "at the same moment")
			require.Greater(t, next.OfferExpiresAt.Sub(next.ChangedAt), time.Hour, "the next hold is counted by the database's clock, too")
		})
	}
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
