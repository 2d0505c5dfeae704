package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// retryAll brings a page of a list's credits on their way again.
type retryAll struct {
	finder   finder
	examiner examiner
	mender   mender
	journal  journal
}

type retryAllInput struct {
	Body struct {
		Status    string `json:"status" enum:"pending,failed,stuck" doc:"The list. A rejection is an answer: only a correction heals it."`
		RaceID    string `json:"race_id,omitempty" format:"uuid" doc:"Only credits of this race."`
		OlderThan *int   `json:"older_than_s,omitempty" minimum:"0" maximum:"31536000" doc:"Seconds from when on a pending credit is stuck; 600 when not given."`
		Limit     int    `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"How many credits at most, in this call."`
		Cursor    string `json:"cursor,omitempty" maxLength:"500" doc:"next_cursor of the call before; empty for the first."`
		Confirm   bool   `json:"confirm,omitempty" doc:"Reset workflows even if they are running."`
		Reason    string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record of actions. No names."`
	}
}

type retryAllOutput struct {
	Body struct {
		Examined   int             `json:"examined"`
		Outcomes   map[Outcome]int `json:"outcomes" doc:"How many came to what: unchanged, on_its_way, needs_confirmation, sent, reset, failed. Of these, failed are to be tried again."`
		Items      []retriedOne    `json:"items" nullable:"false"`
		NextCursor string          `json:"next_cursor,omitempty" doc:"To go on with the rest of the list."`
	}
}

type retriedOne struct {
	RecordID  string    `json:"record_id" format:"uuid"`
	Revision  int       `json:"revision"`
	Condition Condition `json:"condition" doc:"As it was before."`
	Outcome   Outcome   `json:"outcome"`
	RunID     string    `json:"run_id,omitempty"`
}

// stuckAfter is from when on a pending credit is stuck, unless the caller says.
const stuckAfter = 10 * time.Minute

func (r retryAll) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "retry-credits", Method: http.MethodPost, Path: listPath + "/retry",
		Summary:     "Bring all credits of a list on their way again",
		Description: "As a retry of each, a bounded number at a time: call again with next_cursor until there is none. What is pending only because it was posted a moment ago is sent a second time, which changes nothing.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, r.handle)
}

func (r retryAll) handle(ctx context.Context, in *retryAllInput) (*retryAllOutput, error) {
	after, err := parsePosition(in.Body.Cursor)
	if err != nil {
		return nil, err
	}
	wanted := search{list: in.Body.Status, raceID: in.Body.RaceID, olderThan: stuckAfter}
	if in.Body.OlderThan != nil {
		wanted.olderThan = time.Duration(*in.Body.OlderThan) * time.Second
	}
	page, _, err := r.finder.find(ctx, wanted, after, in.Body.Limit)
	if err != nil {
		return nil, err
	}
	found, err := r.examiner.examine(ctx, idsOf(page.hits))
	if err != nil {
		return nil, err
	}
	var done []mended
	e := entry{action: retryCredits, reason: in.Body.Reason, before: beforeAll(in, found)}
	err = r.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		done = r.mender.mend(ctx, found, in.Body.Confirm, resetReason(ctx, in.Body.Reason))
		return afterAll(done), nil
	})
	if err != nil {
		return nil, err
	}
	out := &retryAllOutput{}
	out.Body.Examined, out.Body.Outcomes, out.Body.NextCursor = len(done), map[Outcome]int{}, page.next()
	out.Body.Items = make([]retriedOne, len(done))
	for i, d := range done {
		out.Body.Outcomes[d.outcome]++
		out.Body.Items[i] = retriedOne{
			RecordID: d.record.RecordID, Revision: d.record.Revision, Condition: d.condition(), Outcome: d.outcome, RunID: d.runID,
		}
	}
	return out, nil
}

// allState is what is kept of an action on many credits: which list, and how
// each stood.
type allState struct {
	Status  string           `json:"status"`
	RaceID  string           `json:"race_id,omitempty"`
	Cursor  string           `json:"cursor,omitempty"`
	Records map[string]state `json:"records"` // by record ID
}

func beforeAll(in *retryAllInput, found []evidence) allState {
	before := allState{
		Status: in.Body.Status, RaceID: in.Body.RaceID, Cursor: in.Body.Cursor, Records: make(map[string]state, len(found)),
	}
	for _, e := range found {
		before.Records[e.record.RecordID] = stateOf(e)
	}
	return before
}

func afterAll(done []mended) map[string]doneState {
	after := make(map[string]doneState, len(done))
	for _, d := range done {
		after[d.record.RecordID] = doneState{Outcome: d.outcome, RunID: d.runID, Error: textOf(d.err)}
	}
	return after
}
