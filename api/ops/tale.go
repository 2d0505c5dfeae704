package ops

import (
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// tale is a record's story as the API tells it.
type tale struct {
	RecordID    string         `json:"record_id" format:"uuid"`
	RaceID      string         `json:"race_id" format:"uuid"`
	Revision    int            `json:"revision" doc:"The latest."`
	Bib         string         `json:"bib"`
	Removed     bool           `json:"removed,omitempty"`
	Waiting     bool           `json:"waiting_for_bib,omitempty" doc:"Another record holds the bib."`
	Condition   Condition      `json:"condition" enum:"settled,damaged,in_outbox,no_workflow,running,failed,lost,unknown"`
	Explanation string         `json:"explanation" doc:"The condition in words, and what can be done."`
	Unavailable []string       `json:"unavailable,omitempty" doc:"Parts that did not answer: what they know is missing here."`
	Revisions   []toldRevision `json:"revisions" nullable:"false" doc:"The first one first."`
	Outbox      []toldUnsent   `json:"outbox" nullable:"false" doc:"What has not been sent to the queue."`
	Credit      *toldCredit    `json:"credit,omitempty" doc:"What the ledger has of the record."`
	Ledger      []toldLine     `json:"ledger" nullable:"false" doc:"The oldest line first."`
	Standings   *toldStandings `json:"standings,omitempty" doc:"The first version that has the latest revision with its points; none when it has not been computed yet."`
}

type toldRevision struct {
	Revision  int               `json:"revision"`
	Bib       string            `json:"bib"`
	GunTime   string            `json:"gun_time,omitempty"`
	NetTime   string            `json:"net_time,omitempty"`
	Status    race.ResultStatus `json:"status"`
	Removed   bool              `json:"removed,omitempty"`
	Reason    string            `json:"reason,omitempty" doc:"Why it was made."`
	ChangedBy string            `json:"changed_by" doc:"User ID of the organizer, or \"system\"."`
	ChangedAt time.Time         `json:"changed_at"`
	Message   string            `json:"message" enum:"in_outbox,sent,received,unknown" doc:"Sent: the outbox does not have it any more. Received: it has a workflow. Unknown: Temporal does not answer."`
	Workflow  toldWorkflow      `json:"workflow"`
}

type toldWorkflow struct {
	WorkflowID string        `json:"workflow_id"`
	TraceURL   string        `json:"trace_url" doc:"In the Temporal Web UI."`
	Status     Status        `json:"status,omitempty" doc:"Of the latest run, as the Web UI names it; none when there is no run, or it is forgotten."`
	Failure    string        `json:"failure,omitempty" doc:"Why the latest run did not complete."`
	Pending    []toldPending `json:"pending_activities,omitempty" doc:"Steps that it waits for."`
	Runs       []toldRun     `json:"runs" nullable:"false" doc:"The oldest first; a reset makes a new one. From Temporal's search, which may be a second or so behind."`
}

type toldPending struct {
	Activity    string     `json:"activity"`
	Attempt     int        `json:"attempt"`
	LastFailure string     `json:"last_failure,omitempty"`
	NextAttempt *time.Time `json:"next_attempt_at,omitempty"`
}

type toldRun struct {
	RunID     string     `json:"run_id"`
	Status    Status     `json:"status"`
	StartedAt time.Time  `json:"started_at"`
	ClosedAt  *time.Time `json:"closed_at,omitempty"`
	TraceURL  string     `json:"trace_url"`
}

type toldUnsent struct {
	OutboxID  int64     `json:"outbox_id"`
	Revision  int       `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
}

type toldCredit struct {
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

type toldLine struct {
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

type toldStandings struct {
	Version    int         `json:"version"`
	Status     race.Status `json:"status"`
	ComputedAt time.Time   `json:"computed_at"`
}

func (s story) tell(k *known) tale {
	told := tale{
		RecordID: k.live.ID, RaceID: k.live.RaceID, Revision: k.live.Revision, Bib: k.live.Result.Bib,
		Removed: k.live.Removed, Waiting: !k.live.Removed && !k.live.HoldsBib, Unavailable: k.unavailable,
		Outbox: []toldUnsent{}, Ledger: []toldLine{}, Revisions: make([]toldRevision, len(k.revisions)),
	}
	told.Condition, told.Explanation = k.verdict()
	for _, row := range k.unsent {
		told.Outbox = append(told.Outbox, toldUnsent{OutboxID: row.ID, Revision: row.Revision, CreatedAt: row.CreatedAt})
	}
	for i, revision := range k.revisions {
		told.Revisions[i] = s.revision(k, revision)
	}
	if k.committed != nil {
		told.Credit = s.credit(*k.committed)
	}
	for _, line := range k.lines {
		told.Ledger = append(told.Ledger, s.line(line))
	}
	if k.standings != nil {
		told.Standings = &toldStandings{
			Version: k.standings.Version, Status: k.standings.Status, ComputedAt: k.standings.ComputedAt,
		}
	}
	return told
}

// verdict is the condition as far as those parts know it that answered.
func (k *known) verdict() (Condition, string) {
	switch {
	case !k.has(partUserDB):
		return Unclear, "The ledger cannot be read at the moment: what is credited is not known. Credits wait for it by themselves."
	case !k.has(partTemporal) && k.condition() == Unseen:
		return Unclear, "The ledger does not have the latest revision, and Temporal does not answer: what its workflow does is not known."
	}
	return k.condition(), k.inWords()
}

func (s story) revision(k *known, r race.Revision) toldRevision {
	return toldRevision{
		Revision: r.Number, Bib: r.Result.Bib, GunTime: r.Result.Gun.String(), NetTime: r.Result.Net.String(),
		Status: r.Result.Status, Removed: r.Removed, Reason: r.Reason, ChangedBy: r.ChangedBy, ChangedAt: r.ChangedAt,
		Message: k.message(r.Number), Workflow: s.workflow(k, r.Number),
	}
}

func (k *known) message(revision int) string {
	for _, row := range k.unsent {
		if row.Revision == revision {
			return string(Waiting)
		}
	}
	if _, started := k.executions[revision]; started {
		return "received"
	}
	if !k.has(partTemporal) {
		return string(Unclear)
	}
	return "sent"
}

func (s story) workflow(k *known, revision int) toldWorkflow {
	id := s.links.workflowID(k.live.RaceID, k.live.ID, revision)
	latest, started := k.executions[revision]
	told := toldWorkflow{
		WorkflowID: id, TraceURL: s.links.traceURL(id), Status: latest.Status, Failure: latest.Failure, Runs: []toldRun{},
	}
	for _, pending := range latest.Pending {
		told.Pending = append(told.Pending, toldPending{
			Activity: pending.Activity, Attempt: pending.Attempt, LastFailure: pending.LastFailure, NextAttempt: orNil(pending.NextAttempt),
		})
	}
	runs := slices.DeleteFunc(slices.Clone(k.runs), func(r Run) bool {
		return r.WorkflowID != id || started && r.RunID == latest.RunID // search may be behind what was described
	})
	if started {
		runs = append(runs, latest.Run)
	}
	slices.SortFunc(runs, func(a, b Run) int { return a.StartedAt.Compare(b.StartedAt) })
	for _, run := range runs {
		told.Runs = append(told.Runs, toldRun{
			RunID: run.RunID, Status: run.Status, StartedAt: run.StartedAt, ClosedAt: orNil(run.ClosedAt), TraceURL: s.links.run(run),
		})
	}
	return told
}

func (s story) credit(c userdb.CommittedCredit) *toldCredit {
	return &toldCredit{
		Revision: c.Revision, Status: c.Status, UserID: c.UserID, Points: c.Points, Rule: c.Rule, Edition: c.Edition,
		Reason: c.Reason, WorkflowID: c.WorkflowID, TraceURL: s.links.traceURL(c.WorkflowID), CommittedAt: c.CommittedAt,
	}
}

func (s story) line(l userdb.RecordLine) toldLine {
	entry := "credit"
	if l.Reversal {
		entry = "reversal"
	}
	return toldLine{
		PointID: l.ID, UserID: l.UserID, Revision: l.Revision, Entry: entry, Points: l.Points, Rule: l.Rule,
		Edition: l.Edition, Reason: l.Reason, WorkflowID: l.WorkflowID, TraceURL: s.links.traceURL(l.WorkflowID),
		CreatedAt: l.CreatedAt,
	}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
