package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// auditPage is how many records the audit reads at once.
const auditPage = 1000

// longPending is the age from which a revision without a credit is sent again
// even while others are on their way: no backlog lasts so long unless something
// is wrong.
const longPending = 15 * time.Minute

// AuditConfig says what the audit looks at.
type AuditConfig struct {
	// Grace is how long a revision may be on its way before it is missed.
	Grace time.Duration `env:"AUDIT_GRACE" envDefault:"30s" min:"0s" help:"how long a revision may be on its way before it is missed"`
	// LookBack is how far the audit goes back, so that it need not read all history again and again.
	LookBack time.Duration `env:"AUDIT_LOOK_BACK" envDefault:"168h" help:"how far back it looks"`
	// OutboxAge is how long a revision may wait in the outbox before it is reported.
	OutboxAge time.Duration `env:"AUDIT_OUTBOX_AGE" envDefault:"5m" help:"how long a revision may wait in the outbox before it is reported"`
	// WorkflowAge is how long the workflow of a credit may be open before it is reported.
	WorkflowAge time.Duration `env:"AUDIT_WORKFLOW_AGE" envDefault:"15m" help:"how long a credit's workflow may be open before it is reported"`
}

// Revisions is what the audit reads and writes of main_db.
type Revisions interface {
	LatestRevisions(ctx context.Context, after maindb.LatestRevision, before time.Time, limit int) ([]maindb.LatestRevision, error)
	Requeue(ctx context.Context, lost []maindb.LatestRevision) (added int, err error)
	OutboxIsEmpty(ctx context.Context) (bool, error)
}

// CreditedRevisions tells which revisions have a credit in user_db.
type CreditedRevisions interface {
	CreditRevisions(ctx context.Context, recordIDs []string) (map[string]int, error)
}

// QueueDepth tells how many messages are on the records queue.
type QueueDepth interface {
	Depth(ctx context.Context) (queue.Depth, error)
}

// Audits compare the two databases, which no transaction spans.
type Audits struct {
	cfg       AuditConfig
	revisions Revisions
	credited  CreditedRevisions
	depth     QueueDepth
	now       func() time.Time
	metrics   *Metrics
}

// NewAudits returns the audit's activities; now is the clock that main_db's
// times are compared with.
func NewAudits(cfg AuditConfig, revisions Revisions, credited CreditedRevisions, depth QueueDepth, now func() time.Time, metrics *Metrics) *Audits {
	return &Audits{cfg: cfg, revisions: revisions, credited: credited, depth: depth, now: now, metrics: metrics}
}

// CreditAudit is what an audit of credits found.
type CreditAudit struct {
	Checked  int `json:"checked"`  // latest revisions looked at
	Lost     int `json:"lost"`     // of these, without a credit
	Requeued int `json:"requeued"` // of these, sent on their way again
	// Busy: messages were on their way, so only what was long pending was sent again.
	Busy bool `json:"busy,omitempty"`
}

// auditProgress is the heartbeat: where a new attempt goes on.
type auditProgress struct {
	After maindb.LatestRevision `json:"after"`
	Found CreditAudit           `json:"found"`
}

// RequeueLostCredits looks for records whose latest revision, changed longer
// than the grace ago, has no credit, as when a queue lost its messages or a
// server its last seconds, and puts them into the outbox again. While messages
// are on their way it leaves alone what is not long pending, or it would double
// every backlog; sending one again needlessly is harmless.
func (a *Audits) RequeueLostCredits(ctx context.Context) (CreditAudit, error) {
	now := a.now()
	progress := auditProgress{After: maindb.LatestRevision{ChangedAt: now.Add(-a.cfg.LookBack)}}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &progress); err != nil {
			return CreditAudit{}, fmt.Errorf("read where the last attempt was: %w", err)
		}
	}
	quiet, err := a.quiet(ctx)
	if err != nil {
		return CreditAudit{}, err
	}
	progress.Found.Busy = !quiet
	for {
		page, err := a.revisions.LatestRevisions(ctx, progress.After, now.Add(-a.cfg.Grace), auditPage)
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

// quiet tells whether no revision is on its way to the bridge.
func (a *Audits) quiet(ctx context.Context) (bool, error) {
	empty, err := a.revisions.OutboxIsEmpty(ctx)
	if err != nil || !empty {
		return false, err
	}
	depth, err := a.depth.Depth(ctx)
	return depth == (queue.Depth{}), err
}

func (a *Audits) auditPage(ctx context.Context, page []maindb.LatestRevision, quiet bool, found *CreditAudit) error {
	ids := make([]string, len(page))
	for i, revision := range page {
		ids[i] = revision.RecordID
	}
	credited, err := a.credited.CreditRevisions(ctx, ids)
	if err != nil {
		return err
	}
	lost, resend := 0, page[:0:0]
	for _, revision := range page {
		if credited[revision.RecordID] >= revision.Revision {
			continue
		}
		lost++
		if quiet || a.now().Sub(revision.ChangedAt) > longPending {
			resend = append(resend, revision)
		}
	}
	requeued, err := a.revisions.Requeue(ctx, resend)
	if err != nil {
		return err
	}
	found.Checked, found.Lost, found.Requeued = found.Checked+len(page), found.Lost+lost, found.Requeued+requeued
	a.metrics.auditedPage(len(page), lost, requeued)
	return nil
}
