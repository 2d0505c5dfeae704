package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// AnsweredSignal tells the workflow of an offer that the runner has answered. It is a
// wake-up only: without it the workflow finds the answer at the deadline.
const AnsweredSignal = "answered"

// leastHold is the shortest time to wait until the deadline is looked at again.
const leastHold = 100 * time.Millisecond

// OfferInput names an offer.
type OfferInput = activities.OfferInput

// HoldOffer waits until an offer of a place is answered or its deadline has passed, and
// then passes the place on. When that is, the database's clock decides: this waits for
// as long as the database says is left, and asks again.
func HoldOffer(ctx workflow.Context, input OfferInput) (activities.OfferResult, error) {
	var steps *activities.Offers // never set: only used to name the worker's activities
	answered := workflow.GetSignalChannel(ctx, AnsweredSignal)
	options := durableOptions
	options.Summary = "end the offer if its time has passed"
	for {
		var result activities.OfferResult
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), steps.EndOffer, input).Get(ctx, &result); err != nil {
			return result, err
		}
		if result.Status != race.Offered {
			workflow.SetCurrentDetails(ctx, offerInWords(result.Status))
			return result, nil
		}
		workflow.SetCurrentDetails(ctx, "The place is held until "+workflow.Now(ctx).Add(result.Left).UTC().Format(time.RFC3339)+", unless the runner answers before.")
		waiting, cancel := workflow.WithCancel(ctx)
		timer := workflow.NewTimerWithOptions(waiting, max(result.Left, leastHold), workflow.TimerOptions{Summary: "until the offer's deadline"})
		workflow.NewSelector(ctx).
			AddFuture(timer, func(workflow.Future) {}).
			AddReceive(answered, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) }).
			Select(ctx)
		cancel()
	}
}

func offerInWords(status race.EntryStatus) string {
	switch status {
	case race.Entered:
		return "The runner has taken the place."
	case race.OfferExpired:
		return "Nobody answered in time: the place went on to the next in line."
	case race.OfferDeclined, race.Cancelled, race.RemovedEntry, race.Transferred, race.Deferred:
		return "The runner did not take the place: it went on to the next in line."
	case race.Waiting, race.Offered, race.Registered, race.NotDrawn:
		return "The runner has joined the line again."
	}
	return "The offer is no longer there."
}

// OfferWorkflowID returns the ID of the workflow that holds an offer:
// offer/<race>/<pool>/<number>/<n>.
func OfferWorkflowID(o OfferInput) string {
	return fmt.Sprintf("offer/%s/%d/%d/%d", o.RaceID, o.Pool, o.Seq, o.No)
}

// HoldOfferOptions returns how an offer is held: once, again only if the workflow failed.
// A start that finds it running or completed is an error, which says that nothing is left
// to do.
func HoldOfferOptions(o OfferInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: OfferWorkflowID(o), TaskQueue: EntriesTaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("place offered to number %d of pool %d", o.Seq, o.Pool),
	}
}
