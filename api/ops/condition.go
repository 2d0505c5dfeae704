package ops

import (
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Condition is how the credit of a record is.
type Condition string

// The conditions. Settled is well; Waiting and Working are on their way; the
// rest is for an operator.
const (
	Settled Condition = "settled"     // the ledger has the latest revision
	Damaged Condition = "damaged"     // the ledger's lines and the credit contradict each other
	Waiting Condition = "in_outbox"   // the revision has not been sent to the queue
	Unseen  Condition = "no_workflow" // sent, and no workflow of it is known
	Working Condition = "running"
	Failed  Condition = "failed"  // the workflow ended otherwise than by completing
	Lost    Condition = "lost"    // the workflow has completed, and the ledger does not have it
	Unclear Condition = "unknown" // a part does not answer
)

// evidence is what is known of a record's latest revision.
type evidence struct {
	record maindb.LatestRevision
	ledgerEntry
	unsent   *maindb.Unsent // its row in the outbox; nil: none
	workflow *Execution     // nil: there is none
}

// ledgerEntry is what user_db has of a record.
type ledgerEntry struct {
	credit race.Credit // zero when there is none
	lines  []userdb.RecordLine
}

// balanced tells whether the lines of a record add up to its credit: for each
// runner to the points that the credit gives them.
func (l ledgerEntry) balanced() bool {
	sums := map[string]int64{}
	for _, line := range l.lines {
		if line.Revision > l.credit.Revision {
			return false
		}
		sums[line.UserID] += line.Points
	}
	sums[l.credit.UserID] -= l.credit.Points
	for _, sum := range sums {
		if sum != 0 {
			return false
		}
	}
	return true
}

func (e evidence) condition() Condition {
	switch {
	case !e.balanced():
		return Damaged
	case e.credit.Revision >= e.record.Revision:
		return Settled
	case e.unsent != nil:
		return Waiting
	case e.workflow == nil:
		return Unseen
	case e.workflow.Status == Running:
		return Working
	case e.workflow.Status == Completed:
		return Lost
	}
	return Failed
}

// inWords says how a credit is and what an operator can do.
func (e evidence) inWords() string {
	revision := e.record.Revision
	switch e.condition() {
	case Settled:
		return settledInWords(e.credit)
	case Damaged:
		return "The lines of the ledger do not add up to the credit. A retry changes nothing here: compare the lines, and restore them by hand."
	case Waiting:
		return fmt.Sprintf("Revision %d waits in the outbox since %s. It is sent as soon as the queue answers.",
			revision, e.unsent.CreatedAt.UTC().Format(time.RFC3339))
	case Unseen:
		return fmt.Sprintf("Revision %d has been sent to the queue, and there is no workflow of it: it is on its way, or lost. A retry sends it again.", revision)
	case Working:
		return fmt.Sprintf("The workflow of revision %d is running%s.", revision, e.waitsFor())
	case Lost:
		return fmt.Sprintf("The workflow of revision %d has completed, and the ledger does not have it, as after a restore from a backup. A retry resets the workflow.", revision)
	case Failed:
		text := fmt.Sprintf("The workflow of revision %d ended as %s", revision, e.workflow.Status)
		if e.workflow.Failure != "" {
			text += " (" + e.workflow.Failure + ")"
		}
		return text + ". A retry starts it again."
	case Unclear:
	}
	return "It is not known how the credit is."
}

func settledInWords(c race.Credit) string {
	switch {
	case c.Status == race.Rejected:
		return fmt.Sprintf("Revision %d is rejected: %s. That is an answer, not a fault: a correction of the record or of the start list heals it.", c.Revision, c.Reason)
	case c.Reason != "":
		return fmt.Sprintf("Revision %d is credited with %d points: %s.", c.Revision, c.Points, c.Reason)
	}
	return fmt.Sprintf("Revision %d is credited with %d points.", c.Revision, c.Points)
}

// waitsFor says which step has failed so far.
func (e evidence) waitsFor() string {
	for _, pending := range e.workflow.Pending {
		if pending.LastFailure != "" {
			return fmt.Sprintf(" and waits for %s, which is at attempt %d. Its last failure: %s", pending.Activity, pending.Attempt, pending.LastFailure)
		}
	}
	return ""
}
