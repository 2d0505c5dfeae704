package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	// callTimeout bounds a call to Temporal: its client would try for longer.
	callTimeout = 5 * time.Second
	// searchPage is how many runs one search answers with.
	searchPage = 1000
)

// ErrNotBegun says that there is nothing to reset: no worker has taken the
// workflow's first task yet.
var ErrNotBegun = workflows.ErrNotBegun

// Temporal is Workflows and Audits over a client of Temporal's.
type Temporal struct {
	Client    client.Client
	Namespace string
}

// Latest returns the latest run of a workflow.
func (t Temporal) Latest(ctx context.Context, workflowID string) (Execution, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := t.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return Execution{}, fault("describe "+workflowID, err)
	}
	found := Execution{Run: runOf(answer.GetWorkflowExecutionInfo())}
	for _, pending := range answer.GetPendingActivities() {
		found.Pending = append(found.Pending, PendingActivity{
			Activity: pending.GetActivityType().GetName(), Attempt: int(pending.GetAttempt()),
			LastFailure: failureText(pending.GetLastFailure()), NextAttempt: timeOf(pending.GetNextAttemptScheduleTime()),
		})
	}
	if found.Status != Running && found.Status != Completed {
		if found.Failure, err = t.failure(ctx, found.Run); err != nil {
			return Execution{}, err
		}
	}
	return found, nil
}

// failure says why a closed run did not complete: the last event of its history
// has it.
func (t Temporal) failure(ctx context.Context, run Run) (string, error) {
	events := t.Client.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return "", fault("read the end of "+run.WorkflowID, err)
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

// RunsOf returns the runs of all workflows of a record.
func (t Temporal) RunsOf(ctx context.Context, recordID string) ([]Run, error) {
	var runs []Run
	err := t.search(ctx, fmt.Sprintf("RecordId = '%s'", recordID), func(found *workflowpb.WorkflowExecutionInfo) {
		runs = append(runs, runOf(found))
	})
	return runs, err
}

// Failed returns the failed runs of CreditRecord.
func (t Temporal) Failed(ctx context.Context, raceID string) ([]FailedCredit, error) {
	query := "WorkflowType = 'CreditRecord' AND ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut', 'Canceled')"
	if raceID != "" {
		query += fmt.Sprintf(" AND RaceId = '%s'", raceID)
	}
	var failed []FailedCredit
	err := t.search(ctx, query, func(found *workflowpb.WorkflowExecutionInfo) {
		if of, ok := workflows.ParseCreditWorkflowID(found.GetExecution().GetWorkflowId()); ok {
			failed = append(failed, FailedCredit(of))
		}
	})
	return failed, err
}

// search hands over what Temporal's search finds, page by page.
func (t Temporal) search(ctx context.Context, query string, found func(*workflowpb.WorkflowExecutionInfo)) error {
	for token := []byte(nil); ; {
		bounded, cancel := context.WithTimeout(ctx, callTimeout)
		page, err := t.Client.ListWorkflow(bounded, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: t.Namespace, Query: query, PageSize: searchPage, NextPageToken: token,
		})
		cancel()
		if err != nil {
			return fault("search workflows", err)
		}
		for _, execution := range page.GetExecutions() {
			found(execution)
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			return nil
		}
	}
}

// Reset begins the workflow of a run again from its first task.
func (t Temporal) Reset(ctx context.Context, run Run, reason string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	runID, err := workflows.Reset(ctx, t.Client, t.Namespace, run.WorkflowID, run.RunID, reason)
	if errors.Is(err, ErrNotBegun) {
		return "", err
	}
	if err != nil {
		return "", fault("reset "+run.WorkflowID, err)
	}
	return runID, nil
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

// failureText is the message of a failure and of those that caused it.
func failureText(failure *failurepb.Failure) string {
	var messages []string
	for ; failure != nil; failure = failure.GetCause() {
		if message := failure.GetMessage(); message != "" {
			messages = append(messages, message)
		}
	}
	return strings.Join(messages, ": ")
}

// fault says what was being done, and tells a Temporal that is down or forgot a
// workflow from one that refuses.
func fault(doing string, err error) error {
	var (
		gone        *serviceerror.NotFound
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
		exhausted   *serviceerror.ResourceExhausted
	)
	switch {
	case errors.As(err, &gone):
		return fmt.Errorf("%s: %w", doing, race.ErrNotFound)
	case errors.As(err, &unavailable), errors.As(err, &deadline), errors.As(err, &exhausted),
		errors.Is(err, context.DeadlineExceeded):
		return &DownError{Part: "Temporal", Err: fmt.Errorf("%s: %w", doing, err)}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// StartAudit starts an audit, or returns the one that an operator asked for
// before and that still runs.
func (t Temporal) StartAudit(ctx context.Context) (Run, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	run, err := workflows.StartAudit(ctx, t.Client)
	if err != nil {
		return Run{}, fault("start an audit", err)
	}
	return Run{WorkflowID: run.GetID(), RunID: run.GetRunID(), Status: Running}, nil
}

// LastAudits returns up to limit audits, those that run first and then the
// newest, with what those that completed found.
func (t Temporal) LastAudits(ctx context.Context, limit int) ([]Audit, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	page, err := t.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: t.Namespace, Query: "WorkflowType = 'AuditCredits'", PageSize: int32(cmp.Or(limit, 1)), //nolint:gosec // a page
	})
	if err != nil {
		return nil, fault("search audits", err)
	}
	var audits []Audit
	for _, execution := range page.GetExecutions() {
		audit := Audit{Run: runOf(execution)}
		if audit.Status == Completed {
			if err := t.Client.GetWorkflow(ctx, audit.WorkflowID, audit.RunID).Get(ctx, &audit.Found); err != nil {
				return nil, fault("read the result of "+audit.WorkflowID, err)
			}
		}
		audits = append(audits, audit)
	}
	return audits, nil
}
