package temporal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// callTimeout bounds one call to Temporal; its client would retry for longer.
	callTimeout = 5 * time.Second
	// listPage is how many runs one page of a list holds.
	listPage = 1000
	// maxResetReason is how much of a reason goes into a history, in characters.
	maxResetReason = 500
)

var (
	// ErrUnavailable says that Temporal did not answer, or not in time.
	ErrUnavailable = errors.New("temporal does not answer")
	// ErrNotStarted says that there is nothing to reset: no worker has taken the
	// workflow's first task yet.
	ErrNotStarted = errors.New("no worker has taken the workflow's first task yet")
)

// Status is the state of a run, in the words of the Web UI.
type Status string

// The statuses on which decisions are made. Every other one means that the run
// was closed without completing.
const (
	Running   Status = "Running"
	Completed Status = "Completed"
)

// Run is one run of a workflow.
type Run struct {
	WorkflowID string
	RunID      string
	Status     Status
	StartedAt  time.Time
	ClosedAt   time.Time // zero while it runs
}

// Ended reports whether the run was closed without completing: it failed, timed
// out, or was canceled or terminated.
func (r Run) Ended() bool { return r.Status != Running && r.Status != Completed }

// Execution is a run with what it waits for, or why it ended.
type Execution struct {
	Run
	Pending []PendingActivity
	Failure string // of a run that was closed without completing
}

// PendingActivity is a step that a workflow waits for.
type PendingActivity struct {
	Activity    string // for instance CommitPoints
	Attempt     int    // from 1
	LastFailure string // empty before the first
	NextAttempt time.Time
}

// Workflows describes, lists, starts, signals, schedules and resets workflows. Its methods return an
// error that wraps ErrUnavailable when Temporal does not answer, and
// race.ErrNotFound for a workflow that it does not know: one that never started,
// or whose retention is over.
type Workflows struct {
	client    client.Client
	namespace string
}

// NewWorkflows returns the workflows of a namespace.
func NewWorkflows(c client.Client, namespace string) Workflows {
	return Workflows{client: c, namespace: namespace}
}

// Describe returns the latest run of a workflow.
func (w Workflows) Describe(ctx context.Context, workflowID string) (Execution, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := w.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return Execution{}, translate("describe workflow "+workflowID, err)
	}
	found := Execution{Run: runOf(answer.GetWorkflowExecutionInfo())}
	for _, pending := range answer.GetPendingActivities() {
		found.Pending = append(found.Pending, PendingActivity{
			Activity: pending.GetActivityType().GetName(), Attempt: int(pending.GetAttempt()),
			LastFailure: failureText(pending.GetLastFailure()), NextAttempt: timeOf(pending.GetNextAttemptScheduleTime()),
		})
	}
	if found.Ended() {
		if found.Failure, err = w.failure(ctx, found.Run); err != nil {
			return Execution{}, err
		}
	}
	return found, nil
}

// failure returns why a run was closed without completing, from the last event of
// its history.
func (w Workflows) failure(ctx context.Context, run Run) (string, error) {
	events := w.client.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return "", translate("read the end of workflow "+run.WorkflowID, err)
		}
		if failed := event.GetWorkflowExecutionFailedEventAttributes(); failed != nil {
			return failureText(failed.GetFailure()), nil
		}
		if terminated := event.GetWorkflowExecutionTerminatedEventAttributes(); terminated != nil {
			return terminated.GetReason(), nil
		}
	}
	return "", nil
}

// List returns up to limit of the runs that a visibility query finds, or all of
// them when limit is 0, in the server's order: running ones first, then the
// newest. Visibility may lag behind by a second or so.
func (w Workflows) List(ctx context.Context, query string, limit int) ([]Run, error) {
	size := listPage
	if limit > 0 {
		size = min(size, limit)
	}
	var runs []Run
	for token := []byte(nil); ; {
		bounded, cancel := context.WithTimeout(ctx, callTimeout)
		page, err := w.client.ListWorkflow(bounded, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: w.namespace, Query: query, PageSize: int32(size), NextPageToken: token,
		})
		cancel()
		if err != nil {
			return nil, translate("list workflows", err)
		}
		for _, info := range page.GetExecutions() {
			runs = append(runs, runOf(info))
		}
		if token = page.GetNextPageToken(); len(token) == 0 || limit > 0 && len(runs) >= limit {
			return runs, nil
		}
	}
}

// Count returns how many runs a visibility query finds.
func (w Workflows) Count(ctx context.Context, query string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	counted, err := w.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: w.namespace, Query: query})
	if err != nil {
		return 0, translate("count workflows", err)
	}
	return int(counted.GetCount()), nil
}

// Start starts a workflow without waiting for it. Whether one that is already
// running counts as started is for the options to say.
func (w Workflows) Start(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (Run, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	run, err := w.client.ExecuteWorkflow(ctx, options, workflow, args...)
	if err != nil {
		return Run{}, translate("start workflow "+options.ID, err)
	}
	return Run{WorkflowID: run.GetID(), RunID: run.GetRunID(), Status: Running}, nil
}

// SignalWithStart signals a workflow, and starts it first unless it is running. When
// it returns nil, the signal is durable.
func (w Workflows) SignalWithStart(ctx context.Context, options client.StartWorkflowOptions, signal string, workflow any, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := w.client.SignalWithStartWorkflow(ctx, options.ID, signal, nil, options, workflow, args...)
	if err != nil {
		return translate("signal workflow "+options.ID, err)
	}
	return nil
}

// Result reads what a completed run returned into result, a pointer.
func (w Workflows) Result(ctx context.Context, run Run, result any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := w.client.GetWorkflow(ctx, run.WorkflowID, run.RunID).Get(ctx, result); err != nil {
		return translate("read the result of workflow "+run.WorkflowID, err)
	}
	return nil
}

// Reset begins a run again from its first task, as Temporal's own reset does, and
// returns the new run's ID. It returns ErrNotStarted when no worker has taken that
// task yet.
func (w Workflows) Reset(ctx context.Context, run Run, reason string) (newRunID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	first, err := w.firstTask(ctx, run)
	if err != nil {
		return "", err
	}
	if letters := []rune(reason); len(letters) > maxResetReason {
		reason = string(letters[:maxResetReason])
	}
	answer, err := w.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace:         w.namespace,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.WorkflowID, RunId: run.RunID},
		Reason:            reason, WorkflowTaskFinishEventId: first, RequestId: uuid.NewString(),
	})
	if err != nil {
		return "", translate(fmt.Sprintf("reset workflow %s to event %d", run.WorkflowID, first), err)
	}
	return answer.GetRunId(), nil
}

// firstTask returns the ID of the event by which the first workflow task ended.
func (w Workflows) firstTask(ctx context.Context, run Run) (int64, error) {
	events := w.client.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return 0, translate("read the history of workflow "+run.WorkflowID, err)
		}
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED,
			enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
			return event.GetEventId(), nil
		default:
		}
	}
	return 0, ErrNotStarted
}

// ResetCause is when, why and from which run another run was reset, as its history
// has it; the zero value for a run that was started otherwise.
type ResetCause struct {
	BaseRunID string
	Reason    string
	At        time.Time
}

// ResetCause returns what the history of a run says about the reset that began it.
func (w Workflows) ResetCause(ctx context.Context, run Run) (ResetCause, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	events := w.client.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return ResetCause{}, translate("read the history of workflow "+run.WorkflowID, err)
		}
		failed := event.GetWorkflowTaskFailedEventAttributes()
		if failed.GetCause() == enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW && failed.GetNewRunId() == run.RunID {
			return ResetCause{BaseRunID: failed.GetBaseRunId(), Reason: failed.GetFailure().GetMessage(), At: timeOf(event.GetEventTime())}, nil
		}
	}
	return ResetCause{}, nil
}

const (
	// scheduleOverlap lets a run that takes longer than the interval finish; the
	// next one is skipped.
	scheduleOverlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	// scheduleCatchUp is how late a run may begin. A run that was missed while the
	// server was down is skipped; the next one does its work.
	scheduleCatchUp = time.Minute
)

// Schedule creates the schedule that runs action at an interval, or updates the
// one that exists under the action's ID. A pause by an operator stays.
func (w Workflows) Schedule(ctx context.Context, every time.Duration, action *client.ScheduleWorkflowAction) error {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	_, err := w.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: action.ID, Spec: spec, Action: action, Overlap: scheduleOverlap, CatchupWindow: scheduleCatchUp,
	})
	if err == nil {
		return nil
	}
	if !exists(err) {
		return fmt.Errorf("create schedule %s: %w", action.ID, err)
	}
	err = w.client.ScheduleClient().GetHandle(ctx, action.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			schedule.Spec, schedule.Action = &spec, action
			schedule.Policy.Overlap, schedule.Policy.CatchupWindow = scheduleOverlap, scheduleCatchUp
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("update schedule %s: %w", action.ID, err)
	}
	return nil
}

func exists(err error) bool {
	var exists *serviceerror.AlreadyExists
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	return errors.Is(err, temporal.ErrScheduleAlreadyRunning) || errors.As(err, &exists) || errors.As(err, &started)
}

// Trigger runs what a schedule runs once more, now, unless it is running.
func (w Workflows) Trigger(ctx context.Context, scheduleID string) error {
	err := w.client.ScheduleClient().GetHandle(ctx, scheduleID).Trigger(ctx, client.ScheduleTriggerOptions{Overlap: scheduleOverlap})
	if err != nil {
		return fmt.Errorf("trigger schedule %s: %w", scheduleID, err)
	}
	return nil
}

func runOf(info *workflowpb.WorkflowExecutionInfo) Run {
	return Run{
		WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(),
		Status: Status(info.GetStatus().String()), StartedAt: timeOf(info.GetStartTime()), ClosedAt: timeOf(info.GetCloseTime()),
	}
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// failureText joins the messages of a failure and of its causes.
func failureText(failure *failurepb.Failure) string {
	var messages []string
	for ; failure != nil; failure = failure.GetCause() {
		if message := failure.GetMessage(); message != "" {
			messages = append(messages, message)
		}
	}
	return strings.Join(messages, ": ")
}

// translate adds what was being done, and distinguishes a Temporal that does not
// answer and a workflow that it does not know from a call that it refuses.
func translate(doing string, err error) error {
	var (
		notFound    *serviceerror.NotFound
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
		exhausted   *serviceerror.ResourceExhausted
	)
	switch {
	case errors.As(err, &notFound):
		return fmt.Errorf("%s: %w", doing, race.ErrNotFound)
	case errors.As(err, &unavailable), errors.As(err, &deadline), errors.As(err, &exhausted),
		errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
