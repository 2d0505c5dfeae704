package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

// webhookSteps is how many steps a run has before the next run goes on.
const webhookSteps = 200

// webhookOptions bound one step: up to 50,000 deliveries, eight at once, of which the eighth
// that fails ends it when none arrives. A slow endpoint takes fewer in a step.
var webhookOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 10 * time.Minute, HeartbeatTimeout: 15 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
}

// WebhookInput names an endpoint, and says what runs before this one have done.
type WebhookInput struct {
	WebhookID string `json:"webhook_id"`
	Delivered int    `json:"delivered,omitempty"`
	Failed    int    `json:"failed,omitempty"`
}

// WebhookResult counts attempts.
type WebhookResult struct {
	Delivered int `json:"delivered"`
	Failed    int `json:"failed"`
}

// DeliverWebhook sends an endpoint everything that waits for it, in batches, and each
// further attempt when it is due. It is started by a signal, and ends when nothing waits.
// What waits is in main_db, so that losing a signal delays an event and loses none.
func DeliverWebhook(ctx workflow.Context, input WebhookInput) (WebhookResult, error) {
	var steps *activities.Webhooks // never set: only used to name the worker's activities
	done := func() WebhookResult { return WebhookResult{Delivered: input.Delivered, Failed: input.Failed} }
	wakes := workflow.GetSignalChannel(ctx, WakeSignal)
	options := webhookOptions
	options.Summary = "send what is due"
	ctx = workflow.WithActivityOptions(ctx, options)
	for range webhookSteps {
		drain(wakes) // before the step reads what waits
		var sent activities.WebhookSent
		if err := workflow.ExecuteActivity(ctx, steps.SendWebhooks, activities.WebhookInput{WebhookID: input.WebhookID}).Get(ctx, &sent); err != nil {
			return done(), err
		}
		input.Delivered += sent.Delivered
		input.Failed += sent.Failed
		switch {
		case sent.More:
			continue
		case sent.NextAt.IsZero():
			if wakes.Len() == 0 {
				return done(), nil
			}
			continue
		}
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d attempts succeeded, %d failed. The next is due at %s.", input.Delivered, input.Failed, sent.NextAt.UTC().Format(time.RFC3339)))
		if err := waitForWake(ctx, wakes, sent.NextAt); err != nil {
			return done(), err
		}
	}
	drain(wakes)
	return done(), workflow.NewContinueAsNewError(ctx, DeliverWebhook, input)
}

func drain(wakes workflow.ReceiveChannel) {
	for wakes.ReceiveAsync(nil) {
	}
}

// waitForWake waits until a time, or for a signal.
func waitForWake(ctx workflow.Context, wakes workflow.ReceiveChannel, until time.Time) error {
	timers, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timers, max(until.Sub(workflow.Now(ctx)), 0), workflow.TimerOptions{Summary: "until the next attempt is due"})
	var err error
	workflow.NewSelector(ctx).
		AddFuture(timer, func(f workflow.Future) { err = f.Get(ctx, nil) }).
		AddReceive(wakes, func(workflow.ReceiveChannel, bool) {}).
		Select(ctx)
	return err
}

// WebhookWorkflowID returns the ID of the workflow that serves an endpoint:
// webhook/<webhook>.
func WebhookWorkflowID(webhookID string) string { return "webhook/" + webhookID }

// DeliverWebhookOptions returns how DeliverWebhook is started: always with WakeSignal.
func DeliverWebhookOptions(webhookID string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: WebhookWorkflowID(webhookID), TaskQueue: WebhooksTaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "events for webhook " + webhookID,
	}
}
