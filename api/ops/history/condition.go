// Package history explains the state of official records to operators: what main_db,
// the outbox, Temporal and the ledger hold about each, and what that means.
//
// The two databases alone decide what is pending, credited or rejected. Temporal adds
// what a workflow is waiting for or why it failed; its visibility store may lag by a
// second or so.
package history

import (
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Condition is the state of a record's credit.
type Condition string

// The conditions. Settled needs nothing, InOutbox and Running resolve themselves, and
// the others may need an operator.
const (
	Settled    Condition = "settled"     // the ledger has the latest revision
	Damaged    Condition = "damaged"     // the ledger's lines contradict the credit
	InOutbox   Condition = "in_outbox"   // the revision has not been sent to the queue
	NoWorkflow Condition = "no_workflow" // sent, but no workflow is known for it
	Running    Condition = "running"
	Failed     Condition = "failed"    // the workflow was closed without completing
	Lost       Condition = "lost"      // the workflow completed, but the ledger does not have the revision
	Ahead      Condition = "ahead"     // the ledger has a revision that the record does not have
	NoRecord   Condition = "no_record" // main_db does not have the record
	Unknown    Condition = "unknown"   // a server that would know does not answer
)

// Evidence is what is known about a record's latest revision.
type Evidence struct {
	Record maindb.LatestRevision // its Revision is 0 when there is no such record
	Inputs race.Fingerprint      // what the record would be credited from now; empty if unknown
	Ledger Entry
	Unsent *maindb.Unsent // its row in the outbox, or nil
	// Workflow is the latest run of the revision's workflow, or nil.
	Workflow *temporal.Execution
}

// Entry is what the ledger holds for a record.
type Entry struct {
	Credit race.Credit // zero when there is none
	Lines  []userdb.RecordLine
}

// balanced reports whether the lines of a record add up to its credit, runner by
// runner.
func (e Entry) balanced() bool {
	sums := map[string]int64{}
	for _, line := range e.Lines {
		if line.Revision > e.Credit.Revision {
			return false
		}
		sums[line.UserID] += line.Points
	}
	sums[e.Credit.UserID] -= e.Credit.Points
	for _, sum := range sums {
		if sum != 0 {
			return false
		}
	}
	return true
}

// Condition returns the state that the evidence shows.
func (e Evidence) Condition() Condition {
	if !e.Ledger.balanced() {
		return Damaged
	}
	switch reconcile.Of(e.Record.Revision, e.Inputs, e.Ledger.Credit) {
	case reconcile.None, reconcile.Orphaned:
		return NoRecord
	case reconcile.Current:
		return Settled
	case reconcile.Ahead:
		return Ahead
	case reconcile.Pending:
	}
	switch {
	case e.Unsent != nil:
		return InOutbox
	case e.Workflow == nil:
		return NoWorkflow
	case e.Workflow.Status == temporal.Running:
		return Running
	case e.Workflow.Status == temporal.Completed:
		return Lost
	}
	return Failed
}

// Explain describes the condition and what an operator can do about it.
func (e Evidence) Explain() string {
	revision := e.Record.Revision
	switch e.Condition() {
	case Settled:
		return explainCredit(e.Ledger.Credit)
	case Damaged:
		return "The lines of the ledger do not add up to the credit. A retry does not repair this: compare the lines and restore them by hand."
	case InOutbox:
		return fmt.Sprintf("Revision %d has been waiting in the outbox since %s. It is sent as soon as the queue answers.",
			revision, e.Unsent.CreatedAt.UTC().Format(time.RFC3339))
	case NoWorkflow:
		return fmt.Sprintf("Revision %d was sent to the queue but has no workflow: the message has not been received yet, or it was lost. A retry sends it again.", revision)
	case Running:
		return fmt.Sprintf("The workflow of revision %d is running%s.", revision, e.waitingFor())
	case Lost:
		return fmt.Sprintf("The workflow of revision %d completed, but the ledger does not have the revision, as happens after a restore from a backup. A retry resets the workflow.", revision)
	case Failed:
		text := fmt.Sprintf("The workflow of revision %d ended as %s", revision, e.Workflow.Status)
		if e.Workflow.Failure != "" {
			text += " (" + e.Workflow.Failure + ")"
		}
		return text + ". A retry starts it again."
	case Ahead:
		return fmt.Sprintf("The ledger is ahead of the record: it has revision %d, which main_db has lost or assigned again, as happens after a restore from a backup or a failover. "+
			"The audit gives the record a higher revision, and so does a retry; it is then credited as it stands.", e.Ledger.Credit.Revision)
	case NoRecord:
		return e.explainNoRecord()
	case Unknown:
	}
	return "The state of the credit is not known."
}

func (e Evidence) explainNoRecord() string {
	switch credit := e.Ledger.Credit; {
	case credit.Revision == 0:
		return "main_db has no such record, and the ledger has no credit for it; only a message mentioned it. If main_db was restored from a backup, post the record again."
	case reconcile.Of(0, "", credit) == reconcile.Orphaned:
		return fmt.Sprintf("main_db has no such record, but the ledger has revision %d of it with %d points, as happens after main_db is restored from a backup. "+
			"The audit reverses them once it has missed the record for long enough (AUDIT_ORPHAN_GRACE).", credit.Revision, credit.Points)
	}
	return "main_db has no such record, as happens after it is restored from a backup. The ledger gives nobody points for it: " + e.Ledger.Credit.Reason + "."
}

func explainCredit(c race.Credit) string {
	switch {
	case c.Status == race.Rejected:
		return fmt.Sprintf("Revision %d is rejected: %s. That is an outcome, not a failure: correct the record or the start list.", c.Revision, c.Reason)
	case c.Reason != "":
		return fmt.Sprintf("Revision %d is credited with %d points: %s.", c.Revision, c.Points, c.Reason)
	}
	return fmt.Sprintf("Revision %d is credited with %d points.", c.Revision, c.Points)
}

// waitingFor names the first pending step that has failed, if there is one.
func (e Evidence) waitingFor() string {
	for _, pending := range e.Workflow.Pending {
		if pending.LastFailure != "" {
			return fmt.Sprintf(" and waits for %s, which is at attempt %d. Its last failure: %s", pending.Activity, pending.Attempt, pending.LastFailure)
		}
	}
	return ""
}
