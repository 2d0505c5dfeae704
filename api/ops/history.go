package ops

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

type historyInput struct {
	RecordID string `path:"record_id"`
}

type historyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         recordHistory
}

// recordHistory is a record's history in JSON.
type recordHistory struct {
	RecordID    string            `json:"record_id" format:"uuid"`
	RaceID      string            `json:"race_id" format:"uuid"`
	Revision    int               `json:"revision" doc:"The latest."`
	RaceName    string            `json:"race_name,omitempty"`
	Bib         string            `json:"bib"`
	Removed     bool              `json:"removed,omitempty"`
	Waiting     bool              `json:"waiting_for_bib,omitempty" doc:"Another record holds the bib."`
	Condition   history.Condition `json:"condition" enum:"settled,damaged,in_outbox,no_workflow,running,failed,lost,ahead,no_record,unknown"`
	Explanation string            `json:"explanation" doc:"Describes the condition and what to do about it."`
	Unavailable []string          `json:"unavailable,omitempty" doc:"Servers that did not answer; what they know is missing here."`
	Unmatched   []shownUnmatched  `json:"unmatched,omitempty" doc:"Revisions that messages named and that main_db did not have."`
	Revisions   []shownRevision   `json:"revisions" nullable:"false" doc:"The first one first."`
	Outbox      []shownUnsent     `json:"outbox" nullable:"false" doc:"Revisions that have not been sent to the queue."`
	Credit      *shownCredit      `json:"credit,omitempty" doc:"The credit in the ledger."`
	Ledger      []shownLine       `json:"ledger" nullable:"false" doc:"The oldest line first."`
	Standings   *shownStandings   `json:"standings,omitempty" doc:"The first version with the latest revision and its points; left out until it is computed."`
}

type shownUnmatched struct {
	RaceID     string    `json:"race_id" format:"uuid"`
	Revision   int       `json:"revision"`
	Reason     string    `json:"reason"`
	RejectedAt time.Time `json:"rejected_at"`
	TraceURL   string    `json:"trace_url"`
}

type shownRevision struct {
	Revision  int               `json:"revision"`
	Bib       string            `json:"bib"`
	GunTime   string            `json:"gun_time,omitempty"`
	NetTime   string            `json:"net_time,omitempty"`
	Status    race.ResultStatus `json:"status"`
	Removed   bool              `json:"removed,omitempty"`
	Reason    string            `json:"reason,omitempty" doc:"Why it was made."`
	ChangedBy string            `json:"changed_by" doc:"User ID of the organizer, or \"system\"."`
	ChangedAt time.Time         `json:"changed_at"`
	Message   string            `json:"message" enum:"in_outbox,sent,received,unknown" doc:"Sent: the outbox no longer has it. Received: it has a workflow. Unknown: Temporal does not answer."`
	Workflow  shownWorkflow     `json:"workflow"`
}

type shownWorkflow struct {
	WorkflowID string          `json:"workflow_id"`
	TraceURL   string          `json:"trace_url" doc:"The workflow in the Temporal Web UI."`
	Status     temporal.Status `json:"status,omitempty" doc:"The status of the latest run, as in the Web UI; left out when there is no run or its retention period is over."`
	Failure    string          `json:"failure,omitempty" doc:"Why the latest run ended without completing."`
	Pending    []shownPending  `json:"pending_activities,omitempty" doc:"The steps that it is waiting for."`
	Runs       []shownRun      `json:"runs" nullable:"false" doc:"The oldest first; a reset starts a new one. From Temporal's visibility store, which may lag by a second or so."`
}

type shownPending struct {
	Activity    string     `json:"activity"`
	Attempt     int        `json:"attempt"`
	LastFailure string     `json:"last_failure,omitempty"`
	NextAttempt *time.Time `json:"next_attempt_at,omitempty"`
}

type shownRun struct {
	RunID     string          `json:"run_id"`
	Status    temporal.Status `json:"status"`
	StartedAt time.Time       `json:"started_at"`
	ClosedAt  *time.Time      `json:"closed_at,omitempty"`
	TraceURL  string          `json:"trace_url"`
}

type shownUnsent struct {
	OutboxID  int64     `json:"outbox_id"`
	Revision  int       `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
}

type shownCredit struct {
	Revision    int               `json:"revision"`
	Status      race.CreditStatus `json:"status" enum:"credited,rejected"`
	UserID      string            `json:"user_id,omitempty"`
	Points      int64             `json:"points"`
	Rule        string            `json:"rule,omitempty"`
	Edition     string            `json:"edition,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	WorkflowID  string            `json:"workflow_id"`
	TraceURL    string            `json:"trace_url"`
	CommittedAt time.Time         `json:"committed_at"`
}

type shownLine struct {
	PointID    int64     `json:"point_id"`
	UserID     string    `json:"user_id"`
	Revision   int       `json:"revision"`
	Entry      string    `json:"entry" enum:"credit,reversal"`
	Points     int64     `json:"points"`
	Rule       string    `json:"rule"`
	Edition    string    `json:"edition"`
	Reason     string    `json:"reason,omitempty"`
	WorkflowID string    `json:"workflow_id"`
	TraceURL   string    `json:"trace_url"`
	CreatedAt  time.Time `json:"created_at"`
}

type shownStandings struct {
	Version    int         `json:"version"`
	Status     race.Status `json:"status"`
	ComputedAt time.Time   `json:"computed_at"`
}

func (c credits) history(ctx context.Context, in *historyInput) (*historyOutput, error) {
	if err := checkID(in.RecordID); err != nil {
		return nil, err
	}
	h, err := c.reader.Record(ctx, in.RecordID)
	if err != nil {
		return nil, err
	}
	return &historyOutput{CacheControl: "no-store", Body: c.showHistory(h)}, nil
}

func (c credits) showHistory(h *history.Record) recordHistory {
	shown := recordHistory{
		RecordID: h.Live.ID, RaceID: h.Live.RaceID, Revision: h.Live.Revision, RaceName: h.RaceName, Bib: h.Live.Result.Bib,
		Removed: h.Live.Removed, Waiting: h.Live.Revision > 0 && !h.Live.Removed && !h.Live.HoldsBib, Unavailable: h.Unavailable,
		Outbox: []shownUnsent{}, Ledger: []shownLine{}, Revisions: make([]shownRevision, len(h.Revisions)),
	}
	shown.Condition, shown.Explanation = h.Verdict()
	for i, revision := range h.Revisions {
		shown.Revisions[i] = c.showRevision(h, revision)
	}
	for _, u := range h.Unmatched {
		shown.Unmatched = append(shown.Unmatched, shownUnmatched{
			RaceID: u.RaceID, Revision: u.Revision, Reason: u.Reason, RejectedAt: u.RejectedAt,
			TraceURL: c.links.traceURL(workflows.CreditWorkflowID(u.RaceID, u.RecordID, u.Revision)),
		})
	}
	for _, row := range h.Outbox {
		shown.Outbox = append(shown.Outbox, shownUnsent{OutboxID: row.ID, Revision: row.Revision, CreatedAt: row.CreatedAt})
	}
	if h.Committed != nil {
		shown.Credit = c.showCredit(*h.Committed)
	}
	for _, line := range h.Ledger.Lines {
		shown.Ledger = append(shown.Ledger, c.showLine(line))
	}
	if h.Standings != nil {
		shown.Standings = &shownStandings{Version: h.Standings.Version, Status: h.Standings.Status, ComputedAt: h.Standings.ComputedAt}
	}
	return shown
}

func (c credits) showRevision(h *history.Record, r race.Revision) shownRevision {
	return shownRevision{
		Revision: r.Number, Bib: r.Result.Bib, GunTime: r.Result.Gun.String(), NetTime: r.Result.Net.String(),
		Status: r.Result.Status, Removed: r.Removed, Reason: r.Reason, ChangedBy: r.ChangedBy, ChangedAt: r.ChangedAt,
		Message: h.Message(r.Number), Workflow: c.showWorkflow(h, r.Number),
	}
}

func (c credits) showWorkflow(h *history.Record, revision int) shownWorkflow {
	id := workflows.CreditWorkflowID(h.Live.RaceID, h.Live.ID, revision)
	latest := h.Executions[revision]
	shown := shownWorkflow{
		WorkflowID: id, TraceURL: c.links.traceURL(id), Status: latest.Status, Failure: latest.Failure, Runs: []shownRun{},
	}
	for _, pending := range latest.Pending {
		shown.Pending = append(shown.Pending, shownPending{
			Activity: pending.Activity, Attempt: pending.Attempt, LastFailure: pending.LastFailure, NextAttempt: server.TimeOrNil(pending.NextAttempt),
		})
	}
	for _, run := range h.RunsOf(revision) {
		shown.Runs = append(shown.Runs, shownRun{
			RunID: run.RunID, Status: run.Status, StartedAt: run.StartedAt, ClosedAt: server.TimeOrNil(run.ClosedAt), TraceURL: c.links.run(run),
		})
	}
	return shown
}

func (c credits) showCredit(credit userdb.CommittedCredit) *shownCredit {
	return &shownCredit{
		Revision: credit.Revision, Status: credit.Status, UserID: credit.UserID, Points: credit.Points, Rule: credit.Rule, Edition: credit.Edition,
		Reason: credit.Reason, WorkflowID: credit.WorkflowID, TraceURL: c.links.traceURL(credit.WorkflowID), CommittedAt: credit.CommittedAt,
	}
}

func (c credits) showLine(l userdb.RecordLine) shownLine {
	entry := "credit"
	if l.Reversal {
		entry = "reversal"
	}
	return shownLine{
		PointID: l.ID, UserID: l.UserID, Revision: l.Revision, Entry: entry, Points: l.Points, Rule: l.Rule,
		Edition: l.Edition, Reason: l.Reason, WorkflowID: l.WorkflowID, TraceURL: c.links.traceURL(l.WorkflowID),
		CreatedAt: l.CreatedAt,
	}
}
