package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// taskTimeout is how long the server waits for a worker that died with a workflow
// task, and so how long recovery from a killed worker takes. It must exceed the 2 s
// window of local activities.
const taskTimeout = 3 * time.Second

// CreditLabel is how people refer to a record; both fields are optional and public.
type CreditLabel struct {
	Bib      string
	RaceName string
}

// summary is what the Web UI shows of a credit, such as "bib 101 · Park 10K ·
// revision 2".
func (l CreditLabel) summary(input CreditInput) string {
	parts := []string{"record " + input.RecordID}
	if l.Bib != "" {
		parts[0] = "bib " + l.Bib
	}
	if name := fitting(l.RaceName, 200); name != "" {
		parts = append(parts, name)
	}
	return strings.Join(append(parts, fmt.Sprintf("revision %d", input.Revision)), " · ")
}

// fitting cuts a text to at most most bytes as JSON, where some characters take
// six. The server refuses to start a workflow whose summary is longer than 400
// bytes.
func fitting(text string, most int) string {
	for i, r := range text {
		encoded, err := json.Marshal(string(r))
		if most -= len(encoded) - len(`""`); err != nil || most < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// StartCreditOptions returns how CreditRecord is started: once for each revision,
// again only if it failed, and with an error if it has already been started, which
// the SDK would otherwise hide. The start is eager when a worker of the same client
// has a slot: the first task comes back with the response instead of through a task
// queue.
func StartCreditOptions(input CreditInput, label CreditLabel) client.StartWorkflowOptions {
	attributes := []temporal.SearchAttributeUpdate{
		RaceIDKey.ValueSet(input.RaceID),
		RecordIDKey.ValueSet(input.RecordID),
		CreditStatusKey.ValueSet(string(race.Pending)),
	}
	if label.Bib != "" {
		attributes = append(attributes, BibKey.ValueSet(label.Bib))
	}
	return client.StartWorkflowOptions{
		ID:                                       CreditWorkflowID(input.RaceID, input.RecordID, input.Revision),
		TaskQueue:                                RecordsTaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         true,
		WorkflowTaskTimeout:                      taskTimeout,
		TypedSearchAttributes:                    temporal.NewSearchAttributes(attributes...),
		StaticSummary:                            label.summary(input),
	}
}

// A local activity that retries is invisible: it adds nothing to the history and is
// not pending. So its window is short: long enough for a deadlock or a broken
// connection, and below the workflow task's timeout.
var localOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: 2 * time.Second,
	StartToCloseTimeout:    1500 * time.Millisecond,
	RetryPolicy: &temporal.RetryPolicy{
		InitialInterval: 50 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 400 * time.Millisecond,
	},
}

// An ordinary activity is retried for as long as it takes. The Web UI shows its
// attempts and its last failure. The coefficient makes the last wait at most half
// as long as the outage; the maximum is long enough that thousands of waiting
// activities do not keep the server busy.
var durableOptions = workflow.ActivityOptions{
	StartToCloseTimeout: 10 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{
		InitialInterval: time.Second, BackoffCoefficient: 1.5, MaximumInterval: 30 * time.Second,
	},
}

// step runs an activity on the fast path, as a local activity, and when that fails
// for a reason that may pass, runs it again on the durable path, as an ordinary
// activity. summary is what the Web UI shows for it.
func step(ctx workflow.Context, summary string, activity, input, result any) error {
	local := localOptions
	local.Summary = summary
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, local), activity, input).Get(ctx, result)
	if err == nil || isFinal(err) {
		return err
	}
	durable := durableOptions
	durable.Summary = summary
	workflow.SetCurrentDetails(ctx, "Waiting for a step whose first attempts failed: "+summary+". Pending activities show its last failure.")
	err = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, durable), activity, input).Get(ctx, result)
	workflow.SetCurrentDetails(ctx, "")
	return err
}

// isFinal reports whether another attempt would be pointless: the error is an
// expected outcome, or the workflow was canceled.
func isFinal(err error) bool {
	var failure *temporal.ApplicationError
	return temporal.IsCanceledError(err) || errors.As(err, &failure) && failure.NonRetryable()
}
