package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

var someDraw = workflows.DrawInput{RaceID: "r"}

// TestDrawRaceWaits by the database's clock, is woken by changed settings, and waits for
// the end of a pause.
func TestDrawRaceWaits(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var steps *activities.Offers
	start := env.Now()
	drawn := activities.DrawResult{Drawn: true, Entered: 3, Waiting: 2}
	env.OnActivity(steps.DrawPlaces, mock.Anything, someDraw).Return(activities.DrawResult{}, temporal.NewApplicationError("no answer", activities.FaultType)).Times(3)
	env.OnActivity(steps.DrawPlaces, mock.Anything, someDraw).Return(activities.DrawResult{Left: 48 * time.Hour}, nil).Once()
	env.OnActivity(steps.DrawPlaces, mock.Anything, someDraw).Return(activities.DrawResult{Left: time.Hour}, nil).Once() // woken
	env.OnActivity(steps.DrawPlaces, mock.Anything, someDraw).Return(activities.DrawResult{Paused: true}, nil).Once()
	env.OnActivity(steps.DrawPlaces, mock.Anything, someDraw).Return(drawn, nil).Once()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.DrawChangedSignal, nil) }, 10*time.Hour)
	env.ExecuteWorkflow(workflows.DrawRace, someDraw)
	require.NoError(t, env.GetWorkflowError())
	var got activities.DrawResult
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, drawn, got)
	env.AssertExpectations(t)
	require.InDelta(t, 12*time.Hour, env.Now().Sub(start), float64(time.Hour))
	require.Equal(t, "draw/r", workflows.DrawWorkflowID("r"))
}

func TestDrawRaceEndsWithTheRace(t *testing.T) {
	t.Parallel()
	env := offerEnvironment(t)
	var steps *activities.Offers
	env.OnActivity(steps.DrawPlaces, mock.Anything, someDraw).Return(activities.DrawResult{Over: true}, nil).Once()
	env.ExecuteWorkflow(workflows.DrawRace, someDraw)
	require.NoError(t, env.GetWorkflowError())
}
