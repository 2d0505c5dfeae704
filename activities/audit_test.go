package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// auditWorld stands in for the two databases, the queue and Temporal. What a test
// does not expect to be called panics.
type auditWorld struct {
	activities.AuditedRecords
	activities.AuditedLedger
	activities.CreditRuns
	latest   []maindb.LatestRevision
	credited map[string]int
	outbox   bool // has rows
	depth    queue.Depth
	depthErr error
	requeued []string
	before   time.Time
}

func (w *auditWorld) LatestRevisions(_ context.Context, after maindb.LatestRevision, before time.Time, _ int) ([]maindb.LatestRevision, error) {
	w.before = before
	for i, l := range w.latest { // pages of one, to go through the paging
		if l.ChangedAt.After(after.ChangedAt) && l.ChangedAt.Before(before) {
			return w.latest[i : i+1], nil
		}
	}
	return nil, nil
}

func (w *auditWorld) Requeue(_ context.Context, lost []maindb.LatestRevision) (int, error) {
	for _, l := range lost {
		w.requeued = append(w.requeued, l.RecordID)
	}
	return len(lost), nil
}

func (w *auditWorld) OutboxIsEmpty(context.Context) (bool, error) { return !w.outbox, nil }

func (w *auditWorld) Credits(_ context.Context, ids []string) (map[string]race.Credit, error) {
	found := map[string]race.Credit{}
	for _, id := range ids {
		if revision, ok := w.credited[id]; ok {
			found[id] = race.Credit{RecordID: id, Revision: revision, Status: race.Rejected}
		}
	}
	return found, nil
}

func (w *auditWorld) Depth(context.Context) (queue.Depth, error) { return w.depth, w.depthErr }

func (w *auditWorld) audit(t *testing.T, now time.Time) (activities.CreditAudit, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	cfg := activities.AuditConfig{Grace: 30 * time.Second, LookBack: time.Hour}
	audits := activities.NewAudits(cfg, w, w, w, w, func() time.Time { return now }, activities.NewMetrics(prometheus.NewRegistry()))
	env.RegisterActivity(audits)
	var found activities.CreditAudit
	value, err := env.ExecuteActivity(audits.RequeueLostCredits)
	if err == nil {
		err = value.Get(&found)
	}
	return found, err
}

func newAuditWorld(now time.Time) *auditWorld {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return &auditWorld{
		latest: []maindb.LatestRevision{
			{RecordID: "ancient", Revision: 1, ChangedAt: ago(2 * time.Hour)}, // beyond the look-back
			{RecordID: "long pending", Revision: 1, ChangedAt: ago(20 * time.Minute)},
			{RecordID: "credited", Revision: 2, ChangedAt: ago(5 * time.Minute)},
			{RecordID: "one behind", Revision: 2, ChangedAt: ago(4 * time.Minute)},
			{RecordID: "lost", Revision: 1, ChangedAt: ago(3 * time.Minute)},
			{RecordID: "fresh", Revision: 1, ChangedAt: ago(10 * time.Second)}, // within the grace
		},
		credited: map[string]int{"credited": 2, "one behind": 1},
	}
}

func TestAuditRequeuesWhatHasNoCredit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)
	w := newAuditWorld(now)
	found, err := w.audit(t, now)
	require.NoError(t, err)
	require.Equal(t, activities.CreditAudit{Checked: 4, Lost: 3, Requeued: 3}, found)
	require.Equal(t, []string{"long pending", "one behind", "lost"}, w.requeued)
	require.Equal(t, now.Add(-30*time.Second), w.before)
}

func TestAuditLeavesABacklogAlone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)
	for name, busy := range map[string]func(*auditWorld){
		"outbox":    func(w *auditWorld) { w.outbox = true },
		"visible":   func(w *auditWorld) { w.depth.Visible = 1 },
		"in flight": func(w *auditWorld) { w.depth.InFlight = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAuditWorld(now)
			busy(w)
			found, err := w.audit(t, now)
			require.NoError(t, err)
			require.Equal(t, activities.CreditAudit{Checked: 4, Lost: 3, Requeued: 1, Busy: true}, found)
			require.Equal(t, []string{"long pending"}, w.requeued)
		})
	}
}

func TestAuditFailsWhenTheQueueDepthIsUnknown(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newAuditWorld(now)
	w.depthErr = errors.New("no answer")
	_, err := w.audit(t, now)
	require.ErrorContains(t, err, "no answer")
	require.Empty(t, w.requeued)
}
