package workflows

import (
	"cmp"
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
// from one that died: no kill, however many there are, delays mails much longer than the lease
// of the step that was killed.
var noticeOptions = workflow.ActivityOptions{
	StartToCloseTimeout: noticeStep, HeartbeatTimeout: 15 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
}

// sendWhileFinding is a change ID of this workflow, for workflow.GetVersion.
const sendWhileFinding = "send-while-finding"

// TellNotice tells people about an event: it waits until the event is due, finds whom it
// concerns page by page, and meanwhile sends in batches. Everything that must not happen
// twice is decided by the databases, so that any step may be repeated.
func TellNotice(ctx workflow.Context, input NoticeInput) (NoticeResult, error) {
	var steps *activities.Notices // never set: only used to name the worker's activities
	do := func(ctx workflow.Context, summary string, step, result any) error {
		options := noticeOptions
		options.Summary = summary
		in := activities.NoticeInput{Position: input.Position, Kind: input.Kind, After: input.After}
		return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), step, in).Get(ctx, result)
	}
	told := func() NoticeResult { return NoticeResult{Written: input.Written, Sent: input.Sent} }
	if input.After == "" && !input.Found {
		var plan activities.NoticePlan
		if err := do(ctx, "look when the event is told", steps.PlanNotice, &plan); err != nil || plan.Gone {
			return told(), err
		}
		if wait := plan.DueAt.Sub(workflow.Now(ctx)); wait > 0 {
			workflow.SetCurrentDetails(ctx, "Changes gather until "+plan.DueAt.UTC().Format(time.RFC3339)+".")
			if err := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "until the event is told"}).Get(ctx, nil); err != nil {
				return told(), err
			}
		}
	}
	find := func(ctx workflow.Context) error {
		var page activities.NoticePage
		err := do(ctx, "find whom it concerns", steps.FindRecipients, &page)
		if err == nil {
			input.After, input.Found = page.After, page.Done
			input.Written += page.Written
			workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d notices written so far, %d sent or given up.", input.Written, input.Sent))
		}
		return err
	}
	send := func(ctx workflow.Context) (more bool, err error) {
		var sent activities.NoticesSent
		err = do(ctx, "send a batch of mails", steps.SendNotices, &sent)
		input.Sent += sent.Sent
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d notices written, %d sent or given up.", input.Written, input.Sent))
		return sent.More, err
	}
	var done bool
	var err error
	if workflow.GetVersion(ctx, sendWhileFinding, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		done, err = findThenSend(ctx, &input, find, send)
	} else {
		done, err = findAndSend(ctx, &input, find, send)
	}
	switch {
	case err != nil:
		return told(), err
	case done:
		return told(), do(ctx, "note that the event is told", steps.FinishNotice, nil)
	}
	return told(), workflow.NewContinueAsNewError(ctx, TellNotice, input)
}

// findAndSend sends what is written while further recipients are found. It returns whether
// all is sent, or false after as many steps as a run has.
func findAndSend(ctx workflow.Context, input *NoticeInput, find func(workflow.Context) error, send func(workflow.Context) (more bool, err error)) (done bool, err error) {
	taken, finding := 0, !input.Found
	var failed error
	workflow.Go(ctx, func(ctx workflow.Context) {
		for ; failed == nil && !input.Found && taken < noticeSteps; taken++ {
			failed = find(ctx)
		}
		finding = false
	})
	for written := 0; failed == nil && taken < noticeSteps; taken++ {
		err := workflow.Await(ctx, func() bool { return input.Written > written || !finding })
		if err != nil || failed != nil {
			return false, cmp.Or(failed, err)
		}
		all := input.Found
		written = input.Written
		more, err := send(ctx)
		switch {
		case err != nil:
			return false, err
		case more:
			written = 0
		case all:
			return true, nil
		}
	}
	err = workflow.Await(ctx, func() bool { return !finding })
	return false, cmp.Or(failed, err)
}

// findThenSend is how runs go on that began before recipients were found and told at the
// same time.
func findThenSend(ctx workflow.Context, input *NoticeInput, find func(workflow.Context) error, send func(workflow.Context) (more bool, err error)) (done bool, err error) {
	for range noticeSteps {
		if !input.Found {
			if err := find(ctx); err != nil {
				return false, err
			}
			continue
		}
		if more, err := send(ctx); err != nil || !more {
			return err == nil, err
		}
	}
	return false, nil
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
