package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// repairTimeout bounds one repair: a locked row must not hold up the audit.
	repairTimeout = 4 * time.Second
	// maxLookups is how many workflows one audit asks Temporal about.
	maxLookups = 500
)

// AuditedRecords is what the checks read of main_db.
type AuditedRecords interface {
	LatestRevisions(ctx context.Context, after maindb.LatestRevision, before time.Time, limit int) ([]maindb.LatestRevision, error)
	LatestRevisionsByID(ctx context.Context, recordIDs []string) (map[string]maindb.LatestRevision, error)
	LateOutbox(ctx context.Context, before time.Time, limit int) (rows int, oldest []maindb.Unsent, err error)
}

// AuditedLedger is what the checks read and mend of user_db.
type AuditedLedger interface {
	CreditedRevisions
	UnequalTotals(ctx context.Context, after string, size int) (unequal []userdb.UnequalTotal, next string, err error)
	UnequalCredits(ctx context.Context, after string, size int) (unequal []userdb.UnequalCredit, next string, err error)
	LinesOfRecords(ctx context.Context, recordIDs []string) (map[string][]userdb.RecordLine, error)
	HasUnequalCredit(ctx context.Context, userID string) (bool, error)
	RebuildTotal(ctx context.Context, userID string) (before, after int64, err error)
}

// CreditRuns is what the checks ask of Temporal.
type CreditRuns interface {
	// Completed returns the latest run of a revision's workflow if it completed,
	// else an empty ID.
	Completed(ctx context.Context, of CreditInput) (runID string, err error)
	// Reset begins a run again from its first task.
	Reset(ctx context.Context, of CreditInput, runID, reason string) error
	// OpenSince counts the workflows of credits that were started before a time and
	// are open, and returns the IDs of up to limit of them.
	OpenSince(ctx context.Context, before time.Time, limit int) (open int, workflowIDs []string, err error)
}

// Checks are the audit's other steps, one for each kind of finding.
type Checks struct {
	cfg     AuditConfig
	records AuditedRecords
	ledger  AuditedLedger
	runs    CreditRuns
	now     func() time.Time
	metrics *Metrics
}

// NewChecks returns the checks; now is the clock that main_db's times are
// compared with.
func NewChecks(cfg AuditConfig, records AuditedRecords, ledger AuditedLedger, runs CreditRuns, now func() time.Time, metrics *Metrics) *Checks {
	return &Checks{cfg: cfg, records: records, ledger: ledger, runs: runs, now: now, metrics: metrics}
}

// sliceProgress is the heartbeat of a check that goes through a table.
type sliceProgress struct {
	After string `json:"after"`
	Tally Tally  `json:"tally"`
}

// inSlices calls check for one slice of a table after the other; a new attempt
// goes on where the last one was.
func inSlices(ctx context.Context, kind FindingKind, check func(p *sliceProgress) (next string, err error)) (Tally, error) {
	progress := sliceProgress{Tally: Tally{Kind: kind}}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &progress); err != nil {
			return Tally{}, fmt.Errorf("read where the last attempt was: %w", err)
		}
	}
	for {
		next, err := check(&progress)
		if err != nil {
			return Tally{}, err
		}
		if next == "" {
			return progress.Tally, nil
		}
		progress.After = next
		activity.RecordHeartbeat(ctx, progress)
	}
}

// CheckTotals compares every total with its ledger lines and rebuilds those that
// differ: the ledger is the truth. It does not where the lines themselves
// contradict a credit, which is for an operator to judge.
func (c *Checks) CheckTotals(ctx context.Context) (Tally, error) {
	return inSlices(ctx, WrongTotal, func(p *sliceProgress) (string, error) {
		unequal, next, err := c.ledger.UnequalTotals(ctx, p.After, auditPage)
		if err != nil {
			return "", err
		}
		for _, total := range unequal {
			p.Tally.note(ctx, c.metrics, c.rebuild(ctx, total))
			p.After = total.UserID
			activity.RecordHeartbeat(ctx, *p)
		}
		return next, nil
	})
}

func (c *Checks) rebuild(ctx context.Context, total userdb.UnequalTotal) Finding {
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	finding := Finding{ID: total.UserID, Detail: fmt.Sprintf("the total was %d, the ledger lines come to %d", total.Total, total.Lines)}
	contradicted, err := c.ledger.HasUnequalCredit(ctx, total.UserID)
	switch {
	case err != nil:
		finding.Detail += ". Not rebuilt: " + err.Error()
		return finding
	case contradicted:
		finding.Detail += ". Not rebuilt: the lines themselves contradict a credit"
		return finding
	}
	before, after, err := c.ledger.RebuildTotal(ctx, total.UserID)
	if err != nil {
		finding.Detail += ". Not rebuilt: " + err.Error()
		return finding
	}
	finding.Mended = true
	finding.Detail += fmt.Sprintf(". Rebuilt: from %d to %d", before, after)
	return finding
}

// CheckLines looks for records whose ledger lines do not add up to their credit,
// as after a double credit. It only reports them.
func (c *Checks) CheckLines(ctx context.Context) (Tally, error) {
	return inSlices(ctx, WrongLines, func(p *sliceProgress) (string, error) {
		unequal, next, err := c.ledger.UnequalCredits(ctx, p.After, auditPage)
		if err != nil {
			return "", err
		}
		for _, credit := range unequal {
			p.Tally.note(ctx, c.metrics, Finding{ID: credit.RecordID, Detail: inPoints(credit)})
		}
		return next, nil
	})
}

func inPoints(credit userdb.UnequalCredit) string {
	if credit.Excess < 0 {
		return fmt.Sprintf("the ledger lines give user %s %d points less than the credit", credit.UserID, -credit.Excess)
	}
	return fmt.Sprintf("the ledger lines give user %s %d points more than the credit", credit.UserID, credit.Excess)
}

// CheckOutbox looks for revisions that wait in the outbox for too long.
func (c *Checks) CheckOutbox(ctx context.Context) (Tally, error) {
	tally := Tally{Kind: LateOutbox}
	now := c.now()
	rows, oldest, err := c.records.LateOutbox(ctx, now.Add(-c.cfg.OutboxAge), maxExamples)
	if err != nil {
		return Tally{}, err
	}
	tally.count(c.metrics, rows, 0)
	for _, row := range oldest {
		tally.show(Finding{ID: row.RecordID, Detail: fmt.Sprintf("revision %d has waited in the outbox for %s", row.Revision, now.Sub(row.CreatedAt).Round(time.Second))})
	}
	return tally, nil
}

// CheckWorkflows looks for workflows of credits that are open for too long.
func (c *Checks) CheckWorkflows(ctx context.Context) (Tally, error) {
	tally := Tally{Kind: LateWorkflow}
	open, ids, err := c.runs.OpenSince(ctx, c.now().Add(-c.cfg.WorkflowAge), maxExamples)
	if err != nil {
		return Tally{}, err
	}
	tally.count(c.metrics, open, 0)
	for _, id := range ids {
		tally.show(Finding{ID: id, Detail: fmt.Sprintf("open for more than %s", c.cfg.WorkflowAge)})
	}
	return tally, nil
}
