package ops

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

type retryInput struct {
	RecordID string `path:"record_id"`
	Body     *retryBody
}

type retryBody struct {
	Reason  string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the log of actions and the history of a workflow that is reset. No names."`
	Confirm bool   `json:"confirm,omitempty" doc:"Reset the workflow even if it is running."`
}

type retryOutput struct {
	Body Retried
}

// Retried is the result of a retry.
type Retried struct {
	RecordID   string            `json:"record_id" format:"uuid"`
	RaceID     string            `json:"race_id" format:"uuid"`
	Revision   int               `json:"revision" doc:"The latest."`
	Outcome    repair.Outcome    `json:"outcome" enum:"unchanged,on_its_way,needs_confirmation,sent,reset" doc:"Only sent and reset change anything."`
	Condition  history.Condition `json:"condition" enum:"settled,damaged,in_outbox,no_workflow,running,failed,lost,ahead" doc:"Before the retry."`
	Detail     string            `json:"detail" doc:"Describes the outcome."`
	WorkflowID string            `json:"workflow_id"`
	RunID      string            `json:"run_id,omitempty" doc:"The run that a reset started."`
	TraceURL   string            `json:"trace_url" doc:"The workflow in the Temporal Web UI."`
}

func (c credits) retry(ctx context.Context, in *retryInput) (*retryOutput, error) {
	if err := checkID(in.RecordID); err != nil {
		return nil, err
	}
	found, err := c.reader.Examine(ctx, []string{in.RecordID})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		if _, err := c.reader.Record(ctx, in.RecordID); err != nil {
			return nil, err
		}
		return nil, &race.ConflictError{Message: "main_db does not have this record, so there is nothing to retry; its history shows what is known about it"}
	}
	reason, confirm := "", false
	if in.Body != nil {
		reason, confirm = in.Body.Reason, in.Body.Confirm
	}
	var done repair.Result
	order := repair.Order{Action: repair.RetryCredit, OperatorID: operator(ctx), Target: in.RecordID, Reason: reason, Before: stateOf(found[0])}
	err = c.log.Do(ctx, order, func(ctx context.Context, actionID string) (any, error) {
		done = c.repairs.Retry(ctx, found, confirm, resetReason(ctx, actionID, reason))[0]
		return doneState{Outcome: done.Outcome, RunID: done.RunID, Error: textOf(done.Err)}, done.Err
	})
	if err != nil {
		return nil, err
	}
	id := workflows.CreditWorkflowID(done.Record.RaceID, done.Record.RecordID, done.Record.Revision)
	return &retryOutput{Body: Retried{
		RecordID: done.Record.RecordID, RaceID: done.Record.RaceID, Revision: done.Record.Revision,
		Outcome: done.Outcome, Condition: done.Condition(), Detail: done.Explain(),
		WorkflowID: id, RunID: done.RunID, TraceURL: c.links.traceURL(id),
	}}, nil
}

// resetReason is the reason of a reset in the workflow's history. The worker finds the
// action's ID in it and sees that the reset is already logged (activities.Notes).
func resetReason(ctx context.Context, actionID, reason string) string {
	text := "operator " + operator(ctx) + ", action " + actionID
	if reason != "" {
		text += ": " + reason
	}
	return text
}

type retryAllInput struct {
	Body struct {
		Status    string `json:"status" enum:"pending,failed,stuck" doc:"The list. A rejection is an outcome: correct the record or the start list instead."`
		RaceID    string `json:"race_id,omitempty" format:"uuid" doc:"Only credits of this race."`
		OlderThan *int   `json:"older_than_s,omitempty" minimum:"0" maximum:"31536000" doc:"Age in seconds from which a pending credit counts as stuck; 600 when not given."`
		Limit     int    `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"The most credits to retry in this call."`
		Cursor    string `json:"cursor,omitempty" maxLength:"500" doc:"The next_cursor of the previous call; leave it out in the first."`
		Confirm   bool   `json:"confirm,omitempty" doc:"Reset workflows even if they are running."`
		Reason    string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the log of actions. No names."`
	}
}

type retryAllOutput struct {
	Body struct {
		Examined   int                    `json:"examined"`
		Outcomes   map[repair.Outcome]int `json:"outcomes" doc:"Counts by outcome: unchanged, on_its_way, needs_confirmation, sent, reset, failed. Retry those that failed."`
		Items      []retriedOne           `json:"items" nullable:"false"`
		NextCursor string                 `json:"next_cursor,omitempty" doc:"The cursor for the rest of the list."`
	}
}

type retriedOne struct {
	RecordID  string            `json:"record_id" format:"uuid"`
	Revision  int               `json:"revision"`
	Condition history.Condition `json:"condition" doc:"Before the retry."`
	Outcome   repair.Outcome    `json:"outcome"`
	RunID     string            `json:"run_id,omitempty"`
}

// stuckAfter is the age from which a pending credit counts as stuck by default.
const stuckAfter = 10 * time.Minute

func (c credits) retryAll(ctx context.Context, in *retryAllInput) (*retryAllOutput, error) {
	var after history.Position
	if err := server.ReadCursor(in.Body.Cursor, &after.RaceID, &after.RecordID); err != nil {
		return nil, err
	}
	wanted := history.Search{List: in.Body.Status, RaceID: in.Body.RaceID, OlderThan: stuckAfter}
	if in.Body.OlderThan != nil {
		wanted.OlderThan = time.Duration(*in.Body.OlderThan) * time.Second
	}
	page, err := c.reader.Find(ctx, wanted, after, in.Body.Limit)
	if err != nil {
		return nil, err
	}
	if in.Body.Status == history.ListFailed && page.FailedAsOf.IsZero() {
		return nil, temporal.ErrUnavailable // an empty list would mean that nothing failed
	}
	found, err := c.reader.Examine(ctx, idsOf(page.Hits))
	if err != nil {
		return nil, err
	}
	var done []repair.Result
	order := repair.Order{Action: repair.RetryCredits, OperatorID: operator(ctx), Reason: in.Body.Reason, Before: beforeAll(in, found)}
	err = c.log.Do(ctx, order, func(ctx context.Context, actionID string) (any, error) {
		done = c.repairs.Retry(ctx, found, in.Body.Confirm, resetReason(ctx, actionID, in.Body.Reason))
		return afterAll(done), nil
	})
	if err != nil {
		return nil, err
	}
	out := &retryAllOutput{}
	out.Body.Examined, out.Body.Outcomes, out.Body.NextCursor = len(done), map[repair.Outcome]int{}, nextCursor(page)
	out.Body.Items = make([]retriedOne, len(done))
	for i, d := range done {
		out.Body.Outcomes[d.Outcome]++
		out.Body.Items[i] = retriedOne{
			RecordID: d.Record.RecordID, Revision: d.Record.Revision, Condition: d.Condition(), Outcome: d.Outcome, RunID: d.RunID,
		}
	}
	return out, nil
}

// state is a credit before an action, for the log of actions.
type state struct {
	Condition history.Condition `json:"condition"`
	Revision  int               `json:"revision"`
	Credit    *creditState      `json:"credit"` // null: none
	RunID     string            `json:"run_id,omitempty"`
	Workflow  temporal.Status   `json:"workflow_status,omitempty"`
}

type creditState struct {
	Revision int               `json:"revision"`
	Status   race.CreditStatus `json:"status"`
	UserID   string            `json:"user_id,omitempty"`
	Points   int64             `json:"points"`
}

// doneState is the outcome of an action on a credit, for the log of actions.
type doneState struct {
	Outcome repair.Outcome `json:"outcome"`
	RunID   string         `json:"run_id,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// allState is what is logged before an action on a list of credits.
type allState struct {
	Status  string           `json:"status"`
	RaceID  string           `json:"race_id,omitempty"`
	Cursor  string           `json:"cursor,omitempty"`
	Records map[string]state `json:"records"` // by record ID
}

func stateOf(e history.Evidence) state {
	s := state{Condition: e.Condition(), Revision: e.Record.Revision}
	if credit := e.Ledger.Credit; credit.Revision > 0 {
		s.Credit = &creditState{Revision: credit.Revision, Status: credit.Status, UserID: credit.UserID, Points: credit.Points}
	}
	if e.Workflow != nil {
		s.RunID, s.Workflow = e.Workflow.RunID, e.Workflow.Status
	}
	return s
}

func beforeAll(in *retryAllInput, found []history.Evidence) allState {
	before := allState{
		Status: in.Body.Status, RaceID: in.Body.RaceID, Cursor: in.Body.Cursor, Records: make(map[string]state, len(found)),
	}
	for _, e := range found {
		before.Records[e.Record.RecordID] = stateOf(e)
	}
	return before
}

func afterAll(done []repair.Result) map[string]doneState {
	after := make(map[string]doneState, len(done))
	for _, d := range done {
		after[d.Record.RecordID] = doneState{Outcome: d.Outcome, RunID: d.RunID, Error: textOf(d.Err)}
	}
	return after
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
