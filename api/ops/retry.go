package ops

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// retry brings the credit of one record on its way again.
type retry struct {
	examiner examiner
	mender   mender
	journal  journal
	links    links
}

type retryInput struct {
	RecordID string `path:"record_id"`
	Body     *struct {
		Reason  string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record of actions and the history of a workflow that is reset. No names."`
		Confirm bool   `json:"confirm,omitempty" doc:"Reset the workflow even if it is running."`
	}
}

type retryOutput struct {
	Body retried
}

// retried is what a retry came to, as the API shows it.
type retried struct {
	RecordID   string    `json:"record_id" format:"uuid"`
	RaceID     string    `json:"race_id" format:"uuid"`
	Revision   int       `json:"revision" doc:"The latest."`
	Outcome    Outcome   `json:"outcome" enum:"unchanged,on_its_way,needs_confirmation,sent,reset" doc:"Only sent and reset changed something."`
	Condition  Condition `json:"condition" enum:"settled,damaged,in_outbox,no_workflow,running,failed,lost" doc:"As it was before."`
	Detail     string    `json:"detail" doc:"The outcome in words."`
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"run_id,omitempty" doc:"Of the run that a reset began."`
	TraceURL   string    `json:"trace_url" doc:"In the Temporal Web UI."`
}

func (r retry) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "retry-credit", Method: http.MethodPost, Path: creditPath + "/retry",
		Summary: "Bring the credit of a record on its way again",
		Description: "Safe to repeat: points stay exactly once. A record that is fine stays as it is. A lost revision is sent again, a failed workflow is started again, " +
			"one that completed although the ledger lacks its revision is reset to its first task, and one that is running only with confirm.",
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, r.handle)
}

func (r retry) handle(ctx context.Context, in *retryInput) (*retryOutput, error) {
	if err := checkID(in.RecordID); err != nil {
		return nil, err
	}
	found, err := r.examiner.examine(ctx, []string{in.RecordID})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, race.ErrNotFound
	}
	reason, confirm := "", false
	if in.Body != nil {
		reason, confirm = in.Body.Reason, in.Body.Confirm
	}
	var done mended
	e := entry{action: retryCredit, target: in.RecordID, reason: reason, before: stateOf(found[0])}
	err = r.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		done = r.mender.mend(ctx, found, confirm, resetReason(ctx, reason))[0]
		return doneState{Outcome: done.outcome, RunID: done.runID, Error: textOf(done.err)}, done.err
	})
	if err != nil {
		return nil, err
	}
	id := r.links.workflowID(done.record.RaceID, done.record.RecordID, done.record.Revision)
	return &retryOutput{Body: retried{
		RecordID: done.record.RecordID, RaceID: done.record.RaceID, Revision: done.record.Revision,
		Outcome: done.outcome, Condition: done.condition(), Detail: done.inWords(),
		WorkflowID: id, RunID: done.runID, TraceURL: r.links.traceURL(id),
	}}, nil
}

// resetReason is what the history of a workflow says of its reset.
func resetReason(ctx context.Context, reason string) string {
	text := "operator " + server.CallerFrom(ctx).UserID
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// state is how a credit stood before an action, for the record of actions.
type state struct {
	Condition Condition    `json:"condition"`
	Revision  int          `json:"revision"`
	Credit    *creditState `json:"credit"` // null: none
	RunID     string       `json:"run_id,omitempty"`
	Workflow  Status       `json:"workflow_status,omitempty"`
}

type creditState struct {
	Revision int               `json:"revision"`
	Status   race.CreditStatus `json:"status"`
	UserID   string            `json:"user_id,omitempty"`
	Points   int64             `json:"points"`
}

// doneState is what an action on a credit came to.
type doneState struct {
	Outcome Outcome `json:"outcome"`
	RunID   string  `json:"run_id,omitempty"`
	Error   string  `json:"error,omitempty"`
}

func stateOf(e evidence) state {
	s := state{Condition: e.condition(), Revision: e.record.Revision}
	if e.credit.Revision > 0 {
		s.Credit = &creditState{Revision: e.credit.Revision, Status: e.credit.Status, UserID: e.credit.UserID, Points: e.credit.Points}
	}
	if e.workflow != nil {
		s.RunID, s.Workflow = e.workflow.RunID, e.workflow.Status
	}
	return s
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
