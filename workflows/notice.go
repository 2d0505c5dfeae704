package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/notice"
)

// NoticeInput names an event that people are told about, and how far a run before this
// one has come.
type NoticeInput struct {
	Position int64       `json:"position"`
	Kind     notice.Kind `json:"kind"`
	After    string      `json:"after,omitempty"`
	Found    bool        `json:"found,omitempty"` // all recipients
	Written  int         `json:"written,omitempty"`
	Sent     int         `json:"sent,omitempty"`
}

// NoticeResult says how many notices there were.
type NoticeResult struct {
	Written int `json:"written"`
	Sent    int `json:"sent"`
}

const (
	// noticeStep bounds one step: a page of recipients, or a batch of mails.
	noticeStep = 10 * time.Minute
	// noticeSteps is how many steps a run has before the next run goes on.
	noticeSteps = 100
)

// noticeOptions keep a step alive by heartbeats, so that another worker takes over soon
// from one that died.
var noticeOptions = workflow.ActivityOptions{
	StartToCloseTimeout: noticeStep, HeartbeatTimeout: 15 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute},
}

// TellNotice tells people about an event: it waits until the event is due, finds whom it
// concerns page by page, and sends in batches. Everything that must not happen twice is
// decided by the databases, so that any step may be repeated.
func TellNotice(ctx workflow.Context, input NoticeInput) (NoticeResult, error) {
	var steps *activities.Notices // never set: only used to name the worker's activities
	do := func(summary string, step, result any) error {
		options := noticeOptions
		options.Summary = summary
		in := activities.NoticeInput{Position: input.Position, Kind: input.Kind, After: input.After}
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), step, in).Get(ctx, result)
	}
	told := func() NoticeResult { return NoticeResult{Written: input.Written, Sent: input.Sent} }
	if input.After == "" && !input.Found {
		var plan activities.NoticePlan
		if err := do("look when the event is told", steps.PlanNotice, &plan); err != nil || plan.Gone {
			return told(), err
		}
		if wait := plan.DueAt.Sub(workflow.Now(ctx)); wait > 0 {
			workflow.SetCurrentDetails(ctx, "Changes gather until "+plan.DueAt.UTC().Format(time.RFC3339)+".")
			if err := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "until the event is told"}).Get(ctx, nil); err != nil {
				return told(), err
			}
		}
	}
	for range noticeSteps {
		if !input.Found {
			var page activities.NoticePage
			if err := do("find whom it concerns", steps.FindRecipients, &page); err != nil {
				return told(), err
			}
			input.After, input.Found = page.After, page.Done
			input.Written += page.Written
			workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d notices written so far.", input.Written))
			continue
		}
		var sent activities.NoticesSent
		if err := do("send a batch of mails", steps.SendNotices, &sent); err != nil {
			return told(), err
		}
		input.Sent += sent.Sent
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d notices written, %d sent or given up.", input.Written, input.Sent))
		if !sent.More {
			return told(), do("note that the event is told", steps.FinishNotice, nil)
		}
	}
	return told(), workflow.NewContinueAsNewError(ctx, TellNotice, input)
}

// NoticeWorkflowID returns the ID of the workflow that tells an event:
// notice/<position of the change>/<kind>.
func NoticeWorkflowID(position int64, kind notice.Kind) string {
	return fmt.Sprintf("notice/%d/%s", position, kind)
}

// TellNoticeOptions returns how an event is told: once, again only if the workflow failed.
// A start that finds it running or completed is an error, which says that nothing is left
// to do.
func TellNoticeOptions(e notice.Event) client.StartWorkflowOptions {
	changes := "1 change"
	if n := len(e.Subjects); n > 1 {
		changes = fmt.Sprintf("%d changes", n)
	}
	return client.StartWorkflowOptions{
		ID: NoticeWorkflowID(e.Position, e.Kind), TaskQueue: NoticesTaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("%s · %s from position %d of the change log", e.Kind, changes, e.Position),
	}
}
