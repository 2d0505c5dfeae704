package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// auditPage is how many records the audit reads at once.
const auditPage = 1000

// longPending is the age from which a revision without a credit is sent again even
// while there is a backlog: no backlog lasts this long unless something is wrong.
const longPending = 15 * time.Minute

// AuditConfig sets the limits of the audit.
type AuditConfig struct {
	// Grace is how long a revision may be pending before it counts as lost.
	Grace time.Duration `env:"AUDIT_GRACE" envDefault:"30s" min:"0s" help:"how long a revision may be pending before it counts as lost"`
	// LookBack is how far back the audit looks, so that it does not read all
	// records every time.
	LookBack time.Duration `env:"AUDIT_LOOK_BACK" envDefault:"168h" help:"how far back the audit looks at each record; older races are compared by their sums"`
	// OutboxAge is how long a revision may wait in the outbox before it is reported.
	OutboxAge time.Duration `env:"AUDIT_OUTBOX_AGE" envDefault:"5m" help:"how long a revision may wait in the outbox before it is reported"`
	// WorkflowAge is how long the workflow of a credit may be open before it is reported.
	WorkflowAge time.Duration `env:"AUDIT_WORKFLOW_AGE" envDefault:"15m" help:"how long a credit's workflow may be open before it is reported"`
	// OrphanGrace is how long the record of a credit must be missing before its
	// points are reversed, counted from the first audit that noticed.
	OrphanGrace time.Duration `env:"AUDIT_ORPHAN_GRACE" envDefault:"2m" min:"0s" help:"how long the record of a credit must be missing in main_db before its points are reversed"`
	// MaxOrphans is how many such credits one audit may reverse: when there are
	// more, it is more likely that main_db is the wrong database than that so many
	// records were lost.
	MaxOrphans int `env:"AUDIT_MAX_ORPHANS" envDefault:"1000" min:"0" help:"how many credits without a record one audit may reverse; when there are more it reverses none"`
}

// AuditedRecords is what the audit reads and repairs in main_db.
type AuditedRecords interface {
	LatestRevisions(ctx context.Context, after maindb.LatestRevision, before time.Time, limit int) ([]maindb.LatestRevision, error)
	LatestRevisionsByID(ctx context.Context, recordIDs []string) (map[string]maindb.LatestRevision, error)
	reconcile.Records
	Requeue(ctx context.Context, lost []maindb.LatestRevision) (added int, err error)
	RaiseAbove(ctx context.Context, raceID string, ahead map[string]int) (raised int, err error)
	OutboxIsEmpty(ctx context.Context) (bool, error)
	LateOutbox(ctx context.Context, before time.Time, limit int) (rows int, oldest []maindb.Unsent, err error)
	AuditPosition(ctx context.Context, check string) (maindb.LatestRevision, error)
	SetAuditPosition(ctx context.Context, check string, at maindb.LatestRevision) error
	IsReadOnly(ctx context.Context) (bool, error)
}

// AuditedLedger is what the audit reads and repairs in user_db.
type AuditedLedger interface {
	reconcile.Ledger
	Ledger
	MarkOrphans(ctx context.Context, recordIDs []string, staleBefore time.Time) (since map[string]time.Time, err error)
	UnequalTotals(ctx context.Context, after string, size int) (unequal []userdb.UnequalTotal, next string, err error)
	UnequalCredits(ctx context.Context, after string, size int) (unequal []userdb.UnequalCredit, next string, err error)
	LinesOfRecords(ctx context.Context, recordIDs []string) (map[string][]userdb.RecordLine, error)
	HasUnequalCredit(ctx context.Context, userID string) (bool, error)
	RebuildTotal(ctx context.Context, userID string) (before, after int64, err error)
}

// CreditRuns is what the audit needs from Temporal.
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

// QueueDepth returns how many messages are on the records queue.
type QueueDepth interface {
	Depth(ctx context.Context) (queue.Depth, error)
}

// Audits are the activities of the audit, one for each kind of finding. They
// compare the two databases, which no transaction spans.
type Audits struct {
	cfg       AuditConfig
	records   AuditedRecords
	ledger    AuditedLedger
	databases reconcile.Databases
	runs      CreditRuns
	depth     QueueDepth
	now       func() time.Time
	metrics   *Metrics
}

// NewAudits returns the audit's activities; now is the clock that main_db's
// times are compared with.
func NewAudits(cfg AuditConfig, records AuditedRecords, ledger AuditedLedger, runs CreditRuns, depth QueueDepth, now func() time.Time, metrics *Metrics) *Audits {
	return &Audits{
		cfg: cfg, records: records, ledger: ledger, databases: reconcile.Databases{Records: records, Ledger: ledger},
		runs: runs, depth: depth, now: now, metrics: metrics,
	}
}

// resume reads the last heartbeat of the previous attempt, if there was one, into
// progress.
func resume(ctx context.Context, progress any) error {
	if !activity.HasHeartbeatDetails(ctx) {
		return nil
	}
	if err := activity.GetHeartbeatDetails(ctx, progress); err != nil {
		return fmt.Errorf("read where the last attempt stopped: %w", err)
	}
	return nil
}

// CreditAudit is the outcome of an audit of credits.
type CreditAudit struct {
	Checked  int `json:"checked"`  // latest revisions looked at
	Lost     int `json:"lost"`     // of these, without a credit
	Requeued int `json:"requeued"` // of these, sent again
	// Busy means that there was a backlog, so only revisions that had been pending
	// for long were sent again.
	Busy bool `json:"busy,omitempty"`
}

// auditProgress is the heartbeat: where a new attempt resumes.
type auditProgress struct {
	After maindb.LatestRevision `json:"after"`
	Found CreditAudit           `json:"found"`
}

// RequeueLostCredits puts records into the outbox again whose latest revision, made
// longer than the grace ago, has no credit, as when a queue lost its messages or a
// server its last seconds. During a backlog it requeues only revisions that have
// been pending for long, because otherwise it would double every backlog. Sending a
// revision again needlessly is harmless.
func (a *Audits) RequeueLostCredits(ctx context.Context) (CreditAudit, error) {
	now := a.now()
	progress := auditProgress{After: maindb.LatestRevision{ChangedAt: now.Add(-a.cfg.LookBack)}}
	if err := resume(ctx, &progress); err != nil {
		return CreditAudit{}, err
	}
	quiet, err := a.quiet(ctx)
	if err != nil {
		return CreditAudit{}, err
	}
	progress.Found.Busy = !quiet
	for {
		page, err := a.records.LatestRevisions(ctx, progress.After, now.Add(-a.cfg.Grace), auditPage)
		if err != nil {
			return CreditAudit{}, err
		}
		if len(page) == 0 {
			return progress.Found, nil
		}
		if err := a.auditPage(ctx, page, quiet, &progress.Found); err != nil {
			return CreditAudit{}, err
		}
		progress.After = page[len(page)-1]
		activity.RecordHeartbeat(ctx, progress)
	}
}

// quiet reports whether there is no backlog: neither outbox rows nor messages.
func (a *Audits) quiet(ctx context.Context) (bool, error) {
	empty, err := a.records.OutboxIsEmpty(ctx)
	if err != nil || !empty {
		return false, err
	}
	depth, err := a.depth.Depth(ctx)
	return depth == (queue.Depth{}), err
}

func (a *Audits) auditPage(ctx context.Context, page []maindb.LatestRevision, quiet bool, found *CreditAudit) error {
	pending, err := a.pending(ctx, page)
	if err != nil {
		return err
	}
	var resend []maindb.LatestRevision
	for _, revision := range pending {
		if quiet || a.now().Sub(revision.ChangedAt) > longPending {
			resend = append(resend, revision)
		}
	}
	requeued, err := a.records.Requeue(ctx, resend)
	if err != nil {
		return err
	}
	found.Checked, found.Lost, found.Requeued = found.Checked+len(page), found.Lost+len(pending), found.Requeued+requeued
	a.metrics.auditedPage(len(page), len(pending), requeued)
	return nil
}

// pending returns the revisions of a page that the ledger does not have.
func (a *Audits) pending(ctx context.Context, page []maindb.LatestRevision) ([]maindb.LatestRevision, error) {
	credits, err := a.ledger.Credits(ctx, idsOf(page))
	if err != nil {
		return nil, err
	}
	var pending []maindb.LatestRevision
	for _, revision := range page {
		if reconcile.Of(revision.Revision, "", credits[revision.RecordID]) == reconcile.Pending {
			pending = append(pending, revision)
		}
	}
	return pending, nil
}

func idsOf(page []maindb.LatestRevision) []string {
	ids := make([]string, len(page))
	for i, revision := range page {
		ids[i] = revision.RecordID
	}
	return ids
}

// CheckOutbox looks for revisions that have been in the outbox for too long.
func (a *Audits) CheckOutbox(ctx context.Context) (Tally, error) {
	tally := Tally{Kind: LateOutbox}
	now := a.now()
	rows, oldest, err := a.records.LateOutbox(ctx, now.Add(-a.cfg.OutboxAge), maxExamples)
	if err != nil {
		return Tally{}, err
	}
	tally.count(a.metrics, rows, 0)
	for _, row := range oldest {
		tally.show(Finding{ID: row.RecordID, Detail: fmt.Sprintf("revision %d has waited in the outbox for %s", row.Revision, now.Sub(row.CreatedAt).Round(time.Second))})
	}
	return tally, nil
}

// CheckWorkflows looks for workflows of credits that have been open for too long.
func (a *Audits) CheckWorkflows(ctx context.Context) (Tally, error) {
	tally := Tally{Kind: LateWorkflow}
	open, ids, err := a.runs.OpenSince(ctx, a.now().Add(-a.cfg.WorkflowAge), maxExamples)
	if err != nil {
		return Tally{}, err
	}
	tally.count(a.metrics, open, 0)
	for _, id := range ids {
		tally.show(Finding{ID: id, Detail: fmt.Sprintf("open for more than %s", a.cfg.WorkflowAge)})
	}
	return tally, nil
}
