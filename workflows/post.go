package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// PostChangedSignal tells the workflow of a planned post that the plan has changed. It is a
// wake-up only.
const PostChangedSignal = "changed"

// PostInput names a post that is published at its time.
type PostInput = activities.PostInput

// PublishPlanned waits for the time at which a post is published. When that is, the
// database's clock decides: this waits for as long as the database says is left, and asks
// again.
func PublishPlanned(ctx workflow.Context, input PostInput) (activities.PostResult, error) {
	var steps *activities.Offers // never set: only used to name the worker's activities
	changed := workflow.GetSignalChannel(ctx, PostChangedSignal)
	options := durableOptions
	options.Summary = "publish the post if it is time to"
	for {
		for changed.ReceiveAsync(nil) { // what they are about is read below
		}
		var result activities.PostResult
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), steps.PublishPost, input).Get(ctx, &result); err != nil {
			return result, err
		}
		switch {
		case result.Void:
			workflow.SetCurrentDetails(ctx, "The post is not published: the race is void.")
		case result.State == race.PostPublished:
			workflow.SetCurrentDetails(ctx, "The post is published.")
		case result.State != race.PostPlanned:
			workflow.SetCurrentDetails(ctx, "The post is not published: it was taken back or removed.")
		default:
			workflow.SetCurrentDetails(ctx, "The post is published at "+workflow.Now(ctx).Add(result.Left).UTC().Format(time.RFC3339)+".")
			waiting, cancel := workflow.WithCancel(ctx)
			timer := workflow.NewTimerWithOptions(waiting, max(result.Left, leastHold), workflow.TimerOptions{Summary: "until the post is published"})
			workflow.NewSelector(ctx).
				AddFuture(timer, func(workflow.Future) {}).
				AddReceive(changed, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) }).
				Select(ctx)
			cancel()
			continue
		}
		if changed.Len() == 0 { // planned again meanwhile, perhaps
			return result, nil
		}
	}
}

// PostWorkflowID returns the ID of the workflow that publishes a post: post/<race>/<post>.
func PostWorkflowID(p PostInput) string { return "post/" + p.RaceID + "/" + p.PostID }

// PublishPlannedOptions returns how the workflow of a planned post is started, or woken
// when it runs. A start after the publication finds that there is nothing left to do.
func PublishPlannedOptions(p PostInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: PostWorkflowID(p), TaskQueue: EntriesTaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "planned post of a race",
	}
}
