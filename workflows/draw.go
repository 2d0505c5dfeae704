package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

// DrawChangedSignal tells the workflow of a draw that the race's settings have changed.
// It is a wake-up only.
const DrawChangedSignal = "changed"

const (
	// drawTimeout is how long one attempt to draw may take. 30,000 registrants take some
	// seconds.
	drawTimeout = 2 * time.Minute
	// pausedCheck is how often a paused draw is looked at without a signal.
	pausedCheck = time.Hour
)

// DrawInput names the race whose places are drawn.
type DrawInput = activities.DrawInput

// DrawRace waits for the time of a race's draw, and has the places drawn. When that is,
// the database's clock decides: this waits for as long as the database says is left, and
// asks again.
func DrawRace(ctx workflow.Context, input DrawInput) (activities.DrawResult, error) {
	var steps *activities.Offers // never set: only used to name the worker's activities
	changed := workflow.GetSignalChannel(ctx, DrawChangedSignal)
	options := durableOptions
	options.StartToCloseTimeout = drawTimeout
	options.Summary = "draw the places if it is time to"
	for {
		for changed.ReceiveAsync(nil) { // what they are about is read below
		}
		var result activities.DrawResult
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), steps.DrawPlaces, input).Get(ctx, &result); err != nil {
			return result, err
		}
		left := max(result.Left, leastHold)
		switch {
		case result.Drawn:
			workflow.SetCurrentDetails(ctx, fmt.Sprintf("The places are drawn: of those who were registered, %d entered, %d wait in line and %d were not drawn.", result.Entered, result.Waiting, result.NotDrawn))
			return result, nil
		case result.Over:
			workflow.SetCurrentDetails(ctx, "Nothing is drawn: the race has results or is no longer there, or its places are given in the order of arrival.")
			return result, nil
		case result.Paused:
			left = pausedCheck
			workflow.SetCurrentDetails(ctx, "It is time to draw, but the organizer has paused entry.")
		default:
			workflow.SetCurrentDetails(ctx, "The places are drawn at "+workflow.Now(ctx).Add(result.Left).UTC().Format(time.RFC3339)+".")
		}
		waiting, cancel := workflow.WithCancel(ctx)
		timer := workflow.NewTimerWithOptions(waiting, left, workflow.TimerOptions{Summary: "until the draw"})
		workflow.NewSelector(ctx).
			AddFuture(timer, func(workflow.Future) {}).
			AddReceive(changed, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) }).
			Select(ctx)
		cancel()
	}
}

// DrawWorkflowID returns the ID of the workflow that waits for a race's draw:
// draw/<race>.
func DrawWorkflowID(raceID string) string { return "draw/" + raceID }

// DrawRaceOptions returns how the workflow of a draw is started, or woken when it runs.
// A start after the draw finds that there is nothing left to do.
func DrawRaceOptions(raceID string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: DrawWorkflowID(raceID), TaskQueue: EntriesTaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "draw of a race's places",
	}
}
