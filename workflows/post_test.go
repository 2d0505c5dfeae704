package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/workflows"
)

var somePost = workflows.PostInput{RaceID: "r", PostID: "p"}

// TestPublishPlannedWaits by the database's clock, whatever the worker's says, and is
// woken when the time is moved.
func TestPublishPlannedWaits(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var steps *activities.Offers
	start := env.Now()
	planned := func(left time.Duration) activities.PostResult {
		return activities.PostResult{State: race.PostPlanned, Left: left}
	}
	env.OnActivity(steps.PublishPost, mock.Anything, somePost).Return(activities.PostResult{}, temporal.NewApplicationError("no answer", activities.FaultType)).Times(3)
	env.OnActivity(steps.PublishPost, mock.Anything, somePost).Return(planned(48*time.Hour), nil).Once()
	env.OnActivity(steps.PublishPost, mock.Anything, somePost).Return(planned(time.Hour), nil).Once() // moved, and woken
	env.OnActivity(steps.PublishPost, mock.Anything, somePost).Return(planned(time.Millisecond), nil).Once()
	env.OnActivity(steps.PublishPost, mock.Anything, somePost).Return(activities.PostResult{State: race.PostPublished}, nil).Once()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.PostChangedSignal, nil) }, 10*time.Hour)
	env.ExecuteWorkflow(workflows.PublishPlanned, somePost)
	require.NoError(t, env.GetWorkflowError())
	env.AssertExpectations(t)
	require.InDelta(t, 11*time.Hour, env.Now().Sub(start), float64(time.Hour))
	require.Equal(t, "post/r/p", workflows.PostWorkflowID(somePost))
}

// TestPublishPlannedEnds when there is nothing to publish any more.
func TestPublishPlannedEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]activities.PostResult{
		"taken back": {State: race.PostDraft}, "withdrawn": {State: race.PostWithdrawn}, "removed": {}, "void": {State: race.PostPlanned, Void: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := offerEnvironment(t)
			var steps *activities.Offers
			env.OnActivity(steps.PublishPost, mock.Anything, somePost).Return(end, nil).Once()
			env.ExecuteWorkflow(workflows.PublishPlanned, somePost)
			require.NoError(t, env.GetWorkflowError())
			env.AssertExpectations(t)
		})
	}
}
