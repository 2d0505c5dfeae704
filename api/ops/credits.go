package ops

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// credits lists credits that may need an operator, explains one, and retries
// them.
type credits struct {
	store   *maindb.Store
	ledger  *userdb.Store
	reader  *history.Reader
	repairs repair.Credits
	log     repair.Log
	links   links
	now     func() time.Time
}

func (c credits) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-credits", Method: http.MethodGet, Path: creditsPath,
		Summary: "List credits that are pending, stuck, failed, rejected or unmatched, or those of a bib",
		Description: "What is pending or rejected is exact: it is decided by the two databases. What failed comes from Temporal's visibility, which may lag " +
			"behind by a second or so; when Temporal does not answer, its last answer is used, as_of says how old it is, and unavailable names it.",
		Errors: statusesOf(http.StatusUnprocessableEntity),
	}, c.list)
	register(api, huma.Operation{
		OperationID: "explain-credit", Method: http.MethodGet, Path: creditPath,
		Summary: "Get a record's history",
		Description: "Revisions, outbox, workflow runs with what they wait for or why they failed, ledger lines, and the first standings with the credit. " +
			"Answers without Temporal and without user_db too, and names what is missing.",
		Errors: statusesOf(http.StatusNotFound),
	}, c.history)
	register(api, huma.Operation{
		OperationID: "retry-credit", Method: http.MethodPost, Path: creditPath + "/retry",
		Summary: "Retry a credit",
		Description: "Safe to repeat: points stay exactly once. A credit that is settled is left alone. A lost revision is sent again, a failed workflow is started again, " +
			"one that completed although the ledger lacks its revision is reset to its first task, and one that is running only with confirm.",
		Errors: statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity),
	}, c.retry)
	register(api, huma.Operation{
		OperationID: "retry-credits", Method: http.MethodPost, Path: creditsPath + "/retry",
		Summary: "Retry all credits of a list",
		Description: "Retries each credit of the list, a limited number in one call: call again with next_cursor until there is none. " +
			"A credit that is pending only because it was posted a moment ago is sent a second time, which changes nothing.",
		Errors: statusesOf(http.StatusUnprocessableEntity),
	}, c.retryAll)
}

type creditsInput struct {
	server.Page
	Status    string `query:"status" example:"pending" enum:"pending,failed,rejected,stuck,unmatched" doc:"pending: the ledger does not have the latest revision. stuck: pending for longer than older_than_s. failed: pending, and the workflow was closed without completing. rejected: an answer; correct the record or the start list. unmatched: rejected because main_db has no such record or revision. Required without bib; with it, only credits of that status."`
	Bib       string `query:"bib" maxLength:"16" doc:"Only credits of this bib, settled ones included, in the given race or in all. Leading zeros do not matter."`
	RaceID    string `query:"race_id" format:"uuid" doc:"Only credits of this race."`
	Reason    string `query:"reason" maxLength:"200" doc:"Only credits rejected for a reason that contains this."`
	OlderThan int    `query:"older_than_s" minimum:"0" maximum:"31536000" default:"600" doc:"Age of the latest revision, in seconds, from which a pending credit counts as stuck."`
}

// listed is a credit in a list.
type listed struct {
	RecordID    string    `json:"record_id" format:"uuid"`
	RaceID      string    `json:"race_id" format:"uuid"`
	Bib         string    `json:"bib,omitempty"`
	RaceName    string    `json:"race_name,omitempty"`
	Revision    int       `json:"revision" doc:"The latest, or of unmatched ones the one rejected."`
	Status      string    `json:"status" enum:"pending,failed,rejected,credited,unmatched,ahead" doc:"credited: with bib, or settled while this list was made. ahead: the ledger has a newer revision than main_db."`
	ChangedAt   time.Time `json:"changed_at" doc:"When the revision was made, or of unmatched ones rejected."`
	PendingFor  int64     `json:"pending_s,omitempty" doc:"Seconds since then, for a pending credit."`
	CreditedTo  int       `json:"credited_revision,omitempty" doc:"The older revision that the ledger has of a pending credit."`
	Reason      string    `json:"reason,omitempty" doc:"Why it is rejected."`
	TraceURL    string    `json:"trace_url" doc:"The revision's workflow in the Temporal Web UI."`
	HistoryPath string    `json:"explanation" doc:"Path of the record's history."`
}

type creditsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items       []listed        `json:"items" nullable:"false" doc:"By race and record."`
		NextCursor  string          `json:"next_cursor,omitempty"`
		Counts      *history.Counts `json:"counts,omitempty" doc:"With the first page."`
		Matching    *int            `json:"matching,omitempty" doc:"How many there are, with status=unmatched."`
		AsOf        *time.Time      `json:"as_of,omitempty" doc:"When Temporal said which credits failed; with the first page and with status=failed."`
		Unavailable []string        `json:"unavailable,omitempty" doc:"Parts that did not answer: what failed is as of as_of and was not checked, or not known at all without as_of."`
		Detail      string          `json:"detail,omitempty" doc:"What is missing, in words."`
	}
}

// listUnmatched is the list of what main_db does not have.
const listUnmatched = "unmatched"

func (in *creditsInput) check() error {
	wrong := func(name, message string) error {
		return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query." + name, Message: message})
	}
	switch {
	case in.Status == "" && in.Bib == "":
		return wrong("status", "is required without bib")
	case in.Bib != "" && race.CheckBib(in.Bib) != nil:
		return wrong("bib", race.CheckBib(in.Bib).Error())
	case in.Bib != "" && in.Status == listUnmatched:
		return wrong("bib", "is not known of what main_db does not have")
	case in.Reason != "" && (in.Status != history.ListRejected || in.Bib != ""):
		return wrong("reason", "is for status=rejected without bib: a pending credit has no reason yet")
	}
	return nil
}

func (c credits) list(ctx context.Context, in *creditsInput) (*creditsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Status == listUnmatched {
		return c.listUnmatched(ctx, in)
	}
	var after history.Position
	if err := in.Seek(&after.RaceID, &after.RecordID); err != nil {
		return nil, err
	}
	if in.Bib != "" {
		return c.listBib(ctx, in, after)
	}
	wanted := history.Search{List: in.Status, RaceID: in.RaceID, Reason: in.Reason, OlderThan: time.Duration(in.OlderThan) * time.Second}
	page, err := c.reader.Find(ctx, wanted, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	if out.Body.Items, err = c.show(ctx, page.Hits); err != nil {
		return nil, err
	}
	out.Body.Counts, out.Body.NextCursor, out.Body.AsOf = page.Counts, nextCursor(page), orNil(page.FailedAsOf)
	out.sayUnavailable(page)
	return out, nil
}

func (out *creditsOutput) sayUnavailable(page history.Found) {
	if !page.Unavailable {
		return
	}
	out.Body.Unavailable = []string{history.Temporal}
	out.Body.Detail = "Temporal does not answer: which of the pending credits failed is not known. status=pending lists them all."
	if !page.FailedAsOf.IsZero() {
		out.Body.Detail = "Temporal does not answer: which of the pending credits failed is what it said at as_of."
	}
}

// listBib lists the credits of a bib, whatever their status, or those of one
// status.
func (c credits) listBib(ctx context.Context, in *creditsInput, after history.Position) (*creditsOutput, error) {
	page, err := c.reader.FindBib(ctx, in.RaceID, in.Bib, after, in.Limit)
	if err != nil {
		return nil, err
	}
	items, err := c.show(ctx, page.Hits)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	out.Body.Items, out.Body.NextCursor, out.Body.AsOf = []listed{}, nextCursor(page), orNil(page.FailedAsOf)
	for _, item := range items {
		pending := item.Status == string(race.Pending) || item.Status == history.ListFailed
		switch in.Status {
		case "", item.Status:
		case history.ListPending:
			if !pending {
				continue
			}
		case history.ListStuck:
			if !pending || item.PendingFor <= int64(in.OlderThan) {
				continue
			}
		default:
			continue
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	out.sayUnavailable(page)
	return out, nil
}

// listUnmatched lists what messages named and main_db does not have.
func (c credits) listUnmatched(ctx context.Context, in *creditsInput) (*creditsOutput, error) {
	var after maindb.Unmatched
	if err := in.Seek(&after.RaceID, &after.RecordID, &after.Revision); err != nil {
		return nil, err
	}
	found, total, err := c.store.Unmatched(ctx, in.RaceID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Unmatched) []any {
		return []any{last.RaceID, last.RecordID, last.Revision}
	})
	out.Body.Matching = &total
	out.Body.Items = make([]listed, len(found))
	for i, u := range found {
		out.Body.Items[i] = listed{
			RecordID: u.RecordID, RaceID: u.RaceID, Revision: u.Revision, Status: listUnmatched, ChangedAt: u.RejectedAt, Reason: u.Reason,
			HistoryPath: creditsPath + "/" + u.RecordID, TraceURL: c.links.traceURL(workflows.CreditWorkflowID(u.RaceID, u.RecordID, u.Revision)),
		}
	}
	return out, nil
}

// nextCursor is the cursor of the page after this one, empty at the end.
func nextCursor(p history.Found) string {
	if !p.More || len(p.Hits) == 0 {
		return ""
	}
	last := p.Hits[len(p.Hits)-1]
	return server.Cursor(last.RaceID, last.RecordID)
}

// show reads what a list shows of its credits.
func (c credits) show(ctx context.Context, hits []history.Hit) ([]listed, error) {
	ids := idsOf(hits)
	latest, err := c.store.LatestRevisionsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	labels, err := c.store.RecordLabels(ctx, ids)
	if err != nil {
		return nil, err
	}
	credits, err := c.ledger.Credits(ctx, ids)
	if err != nil {
		return nil, &history.LedgerError{Err: err}
	}
	items := make([]listed, len(hits))
	for i, hit := range hits {
		items[i] = c.item(hit, latest[hit.RecordID], labels[hit.RecordID], credits[hit.RecordID])
	}
	return items, nil
}

func idsOf(hits []history.Hit) []string {
	ids := make([]string, len(hits))
	for i, hit := range hits {
		ids[i] = hit.RecordID
	}
	return ids
}

func (c credits) item(hit history.Hit, record maindb.LatestRevision, label maindb.RecordLabel, credit race.Credit) listed {
	shown := listed{
		RecordID: hit.RecordID, RaceID: hit.RaceID, Bib: label.Bib, RaceName: label.RaceName, Revision: record.Revision, ChangedAt: record.ChangedAt,
		Status: string(race.Pending), HistoryPath: creditsPath + "/" + hit.RecordID,
		TraceURL: c.links.traceURL(workflows.CreditWorkflowID(hit.RaceID, hit.RecordID, record.Revision)),
	}
	switch reconcile.Of(record.Revision, "", credit) {
	case reconcile.Ahead:
		shown.Status, shown.Reason = string(history.Ahead), fmt.Sprintf("the ledger has revision %d, which main_db does not have", credit.Revision)
		return shown
	case reconcile.Current:
		shown.Status, shown.Reason = string(credit.Status), credit.Reason
		return shown
	case reconcile.Pending, reconcile.None, reconcile.Orphaned:
	}
	if hit.Failed {
		shown.Status = history.ListFailed
	}
	shown.CreditedTo = credit.Revision
	shown.PendingFor = int64(c.now().Sub(record.ChangedAt).Seconds())
	return shown
}

type retryInput struct {
	RecordID string `path:"record_id"`
	Body     *struct {
		Reason  string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the log of actions and the history of a workflow that is reset. No names."`
		Confirm bool   `json:"confirm,omitempty" doc:"Reset the workflow even if it is running."`
	}
}

type retryOutput struct {
	Body retried
}

// retried is what a retry led to.
type retried struct {
	RecordID   string            `json:"record_id" format:"uuid"`
	RaceID     string            `json:"race_id" format:"uuid"`
	Revision   int               `json:"revision" doc:"The latest."`
	Outcome    repair.Outcome    `json:"outcome" enum:"unchanged,on_its_way,needs_confirmation,sent,reset" doc:"Only sent and reset changed something."`
	Condition  history.Condition `json:"condition" enum:"settled,damaged,in_outbox,no_workflow,running,failed,lost,ahead" doc:"As it was before."`
	Detail     string            `json:"detail" doc:"The outcome in words."`
	WorkflowID string            `json:"workflow_id"`
	RunID      string            `json:"run_id,omitempty" doc:"Of the run that a reset began."`
	TraceURL   string            `json:"trace_url" doc:"In the Temporal Web UI."`
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
		return nil, &race.ConflictError{Message: "main_db does not have this record, so there is nothing to retry: its history says what is known of it"}
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
	return &retryOutput{Body: retried{
		RecordID: done.Record.RecordID, RaceID: done.Record.RaceID, Revision: done.Record.Revision,
		Outcome: done.Outcome, Condition: done.Condition(), Detail: done.Explain(),
		WorkflowID: id, RunID: done.RunID, TraceURL: c.links.traceURL(id),
	}}, nil
}

// resetReason is what the history of a workflow says about its reset. By the ID of
// the action the worker knows that the log has it (activities.Notes).
func resetReason(ctx context.Context, actionID, reason string) string {
	text := "operator " + operator(ctx) + ", action " + actionID
	if reason != "" {
		text += ": " + reason
	}
	return text
}

type retryAllInput struct {
	Body struct {
		Bib       string `json:"bib,omitempty"`
		RaceName  string `json:"race_name,omitempty"`
		Status    string `json:"status" enum:"pending,failed,stuck" doc:"The list. A rejection is an answer: correct the record or the start list instead."`
		RaceID    string `json:"race_id,omitempty" format:"uuid" doc:"Only credits of this race."`
		OlderThan *int   `json:"older_than_s,omitempty" minimum:"0" maximum:"31536000" doc:"Age in seconds from which a pending credit counts as stuck; 600 when not given."`
		Limit     int    `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"How many credits at most, in this call."`
		Cursor    string `json:"cursor,omitempty" maxLength:"500" doc:"next_cursor of the call before; empty for the first."`
		Confirm   bool   `json:"confirm,omitempty" doc:"Reset workflows even if they are running."`
		Reason    string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the log of actions. No names."`
	}
}

type retryAllOutput struct {
	Body struct {
		Examined   int                    `json:"examined"`
		Outcomes   map[repair.Outcome]int `json:"outcomes" doc:"How many had which outcome: unchanged, on_its_way, needs_confirmation, sent, reset, failed. Try those that failed again."`
		Items      []retriedOne           `json:"items" nullable:"false"`
		NextCursor string                 `json:"next_cursor,omitempty" doc:"To go on with the rest of the list."`
	}
}

type retriedOne struct {
	RecordID  string            `json:"record_id" format:"uuid"`
	Revision  int               `json:"revision"`
	Condition history.Condition `json:"condition" doc:"As it was before."`
	Outcome   repair.Outcome    `json:"outcome"`
	RunID     string            `json:"run_id,omitempty"`
}

// stuckAfter is the age from which a pending credit is stuck, unless the caller
// says otherwise.
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
		return nil, temporal.ErrUnavailable // an empty list would say that nothing failed
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

// doneState is what an action on a credit led to.
type doneState struct {
	Outcome repair.Outcome `json:"outcome"`
	RunID   string         `json:"run_id,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// allState is what is logged of an action on many credits: which list, and each
// credit before it.
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
