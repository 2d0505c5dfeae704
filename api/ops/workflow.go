package ops

import (
	"context"
	"time"
)

// Run is one run of a workflow.
type Run struct {
	WorkflowID string
	RunID      string
	Status     Status
	StartedAt  time.Time
	ClosedAt   time.Time // zero while it runs
}

// Status is how a run is, in the words of the Web UI.
type Status string

// The statuses that decisions are made by.
const (
	Running   Status = "Running"
	Completed Status = "Completed"
)

// Execution is a run with what it waits for, or why it failed.
type Execution struct {
	Run
	Pending []PendingActivity
	Failure string // of a run that neither runs nor completed
}

// PendingActivity is a step that a workflow waits for.
type PendingActivity struct {
	Activity    string // e.g. CommitPoints
	Attempt     int    // from 1
	LastFailure string // empty before the first
	NextAttempt time.Time
}

// FailedCredit is a run of CreditRecord that ended otherwise than by completing.
type FailedCredit struct {
	RaceID   string
	RecordID string
	Revision int
}

// Workflows is what operators need of Temporal. Every method returns a
// *DownError when it does not answer.
type Workflows interface {
	// Latest returns the latest run of a workflow, race.ErrNotFound when there is
	// none: it was never started, or its time of retention is over.
	Latest(ctx context.Context, workflowID string) (Execution, error)
	// RunsOf returns the runs of all workflows of a record, from Temporal's search.
	RunsOf(ctx context.Context, recordID string) ([]Run, error)
	// Failed returns the failed runs of a race, or of all when raceID is empty, from
	// Temporal's search. A later run of the same workflow may have done better.
	Failed(ctx context.Context, raceID string) ([]FailedCredit, error)
	// Reset begins the workflow of a run again from its first task, as Temporal's
	// own reset does, and returns the new run's ID. It returns ErrNotBegun when no
	// worker has taken that task yet.
	Reset(ctx context.Context, run Run, reason string) (runID string, err error)
}
