package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// checkedWorld adds to auditWorld what the checks look at.
type checkedWorld struct {
	auditWorld
	totals       [][]userdb.UnequalTotal // in slices
	contradicted string                  // a user
	locked       string                  // a user
	lines        [][]userdb.UnequalCredit
	recordLines  map[string][]userdb.RecordLine
	rebuilt      []string
	outbox       []maindb.Unsent
	lateBefore   time.Time
	completed    map[string]string // run by record
	meanwhile    func(recordID string)
	reset        []string
	resetErr     error
	open         []string
	position     maindb.LatestRevision
	lookups      []string
}

func slice[T any](all [][]T, after string) (part []T, next string) {
	n, _ := strconv.Atoi(after)
	if n >= len(all) {
		return nil, ""
	}
	return all[n], fmt.Sprintf("%04d", n+1)
}

func (w *checkedWorld) UnequalTotals(_ context.Context, after string, _ int) ([]userdb.UnequalTotal, string, error) {
	part, next := slice(w.totals, after)
	return part, next, nil
}

func (w *checkedWorld) UnequalCredits(_ context.Context, after string, _ int) ([]userdb.UnequalCredit, string, error) {
	part, next := slice(w.lines, after)
	return part, next, nil
}

func (w *checkedWorld) LinesOfRecords(context.Context, []string) (map[string][]userdb.RecordLine, error) {
	return w.recordLines, nil
}

func (w *checkedWorld) HasUnequalCredit(_ context.Context, userID string) (bool, error) {
	return userID == w.contradicted, nil
}

func (w *checkedWorld) RebuildTotal(_ context.Context, userID string) (before, after int64, err error) {
	if userID == w.locked {
		return 0, 0, errors.New("somebody holds the row")
	}
	w.rebuilt = append(w.rebuilt, userID)
	return 1, 2, nil
}

func (w *checkedWorld) LatestRevisionsByID(_ context.Context, ids []string) (map[string]maindb.LatestRevision, error) {
	found := map[string]maindb.LatestRevision{}
	for _, l := range w.latest {
		if slices.Contains(ids, l.RecordID) {
			found[l.RecordID] = l
		}
	}
	return found, nil
}

// CreditSums and RevisionSums have no race with older damage.
func (*checkedWorld) CreditSums(context.Context, string, string, int) (map[string]userdb.CreditSum, error) {
	return nil, nil
}

func (*checkedWorld) RevisionSums(context.Context, string, string, int) (map[string]maindb.RevisionSum, error) {
	return nil, nil
}

func (w *checkedWorld) LateOutbox(_ context.Context, before time.Time, limit int) (int, []maindb.Unsent, error) {
	w.lateBefore = before
	return len(w.outbox), w.outbox[:min(limit, len(w.outbox))], nil
}

func (w *checkedWorld) AuditPosition(context.Context, string) (maindb.LatestRevision, error) {
	return w.position, nil
}

func (w *checkedWorld) SetAuditPosition(_ context.Context, _ string, at maindb.LatestRevision) error {
	w.position = at
	return nil
}

func (w *checkedWorld) Completed(_ context.Context, of activities.CreditInput) (string, error) {
	w.lookups = append(w.lookups, of.RecordID)
	if w.meanwhile != nil {
		w.meanwhile(of.RecordID)
	}
	return w.completed[of.RecordID], nil
}

func (w *checkedWorld) Reset(_ context.Context, of activities.CreditInput, runID, reason string) error {
	if w.resetErr != nil {
		return w.resetErr
	}
	w.reset = append(w.reset, of.RecordID+" "+runID+" "+reason)
	return nil
}

func (w *checkedWorld) OpenSince(_ context.Context, before time.Time, limit int) (int, []string, error) {
	w.lateBefore = before
	return len(w.open), w.open[:min(limit, len(w.open))], nil
}

var checkedAt = time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)

// check runs one of the checks and returns what it tallied and what was counted.
func (w *checkedWorld) check(t *testing.T, pick func(*activities.Audits) any) (activities.Tally, *prometheus.Registry) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	registry := prometheus.NewRegistry()
	cfg := activities.AuditConfig{
		Grace: 30 * time.Second, LookBack: time.Hour, OutboxAge: 5 * time.Minute, WorkflowAge: 15 * time.Minute,
	}
	checks := activities.NewAudits(cfg, w, w, w, w, func() time.Time { return checkedAt }, activities.NewMetrics(registry))
	env.RegisterActivity(checks)
	value, err := env.ExecuteActivity(pick(checks))
	require.NoError(t, err)
	var tally activities.Tally
	require.NoError(t, value.Get(&tally))
	return tally, registry
}

// counted is the value of a counter for a kind.
func counted(t *testing.T, registry *prometheus.Registry, name string, kind activities.FindingKind) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == string(kind) {
				return metric.GetCounter().GetValue()
			}
		}
	}
	require.Fail(t, "there is no such counter", "%s of %s", name, kind)
	return 0
}

// TestAuditsTakeALargeTableInTurns has a table of which one audit compares two
// fifths: what is wrong in it is found within three.
func TestAuditsTakeALargeTableInTurns(t *testing.T) {
	t.Parallel()
	w := &checkedWorld{totals: make([][]userdb.UnequalTotal, 250)}
	check := func(c *activities.Audits) any { return c.CheckTotals }
	for page := range w.totals {
		w.totals[page] = []userdb.UnequalTotal{{UserID: fmt.Sprintf("%04d", page), Total: 1, Lines: 2}}
	}
	found := map[string]bool{}
	for audit := range 3 {
		w.rebuilt = nil
		w.check(t, check)
		require.LessOrEqual(t, len(w.rebuilt), 100)
		require.Equal(t, fmt.Sprintf("%04d", audit*100), w.rebuilt[0], "it goes on where the last one stopped")
		for _, id := range w.rebuilt {
			found[id] = true
		}
	}
	require.Len(t, found, len(w.totals))
	small := &checkedWorld{totals: w.totals[:3], position: maindb.LatestRevision{RecordID: "0002"}}
	for range 2 {
		small.rebuilt = nil
		small.check(t, check)
		require.ElementsMatch(t, []string{"0000", "0001", "0002"}, small.rebuilt, "each once")
	}
}

func TestCheckTotalsRebuildsWhatIsSafe(t *testing.T) {
	t.Parallel()
	w := &checkedWorld{contradicted: "b", locked: "c", totals: [][]userdb.UnequalTotal{
		{{UserID: "a", Total: 7, Lines: 700}, {UserID: "b", Total: 1, Lines: 2}}, nil, {{UserID: "c"}, {UserID: "d"}},
	}}
	tally, registry := w.check(t, func(c *activities.Audits) any { return c.CheckTotals })
	require.Equal(t, []string{"a", "d"}, w.rebuilt, "one that cannot be rebuilt does not stop the others")
	require.Equal(t, activities.WrongTotal, tally.Kind)
	require.Equal(t, [2]int{4, 2}, [2]int{tally.Found, tally.Repaired})
	require.Equal(t, []bool{true, false, false, true}, []bool{
		tally.Examples[0].Repaired, tally.Examples[1].Repaired, tally.Examples[2].Repaired, tally.Examples[3].Repaired,
	})
	require.Contains(t, tally.Examples[0].Detail, "the total was 7, the ledger lines come to 700")
	require.Contains(t, tally.Examples[1].Detail, "contradict a credit")
	require.Contains(t, tally.Examples[2].Detail, "somebody holds the row")
	require.InDelta(t, 4, counted(t, registry, "mrmrthon_audit_findings_total", activities.WrongTotal), 0)
	require.InDelta(t, 2, counted(t, registry, "mrmrthon_audit_mended_total", activities.WrongTotal), 0)
}

func TestCheckLinesOnlyReports(t *testing.T) {
	t.Parallel()
	many := make([]userdb.UnequalCredit, 30)
	for i := range many {
		many[i] = userdb.UnequalCredit{RecordID: "r" + strconv.Itoa(i), UserID: "u", Excess: int64(5 - 10*(i%2))}
	}
	w := &checkedWorld{lines: [][]userdb.UnequalCredit{many[:10], many[10:]}}
	tally, registry := w.check(t, func(c *activities.Audits) any { return c.CheckLines })
	require.Equal(t, [2]int{30, 0}, [2]int{tally.Found, tally.Repaired})
	require.Len(t, tally.Examples, 20, "a history has its limits")
	require.Contains(t, tally.InWords(), "r0: the ledger lines give user u 5 points more than the credit")
	require.Contains(t, tally.InWords(), "r1: the ledger lines give user u 5 points less than the credit")
	require.InDelta(t, 30, counted(t, registry, "mrmrthon_audit_findings_total", activities.WrongLines), 0)
}

func TestCheckOutboxAndWorkflowsReportWhatIsLate(t *testing.T) {
	t.Parallel()
	w := &checkedWorld{
		outbox: []maindb.Unsent{{OutboxRow: maindb.OutboxRow{RecordID: "r", Revision: 2}, CreatedAt: checkedAt.Add(-time.Hour)}},
		open:   []string{"credit/a/b/r1"},
	}
	tally, _ := w.check(t, func(c *activities.Audits) any { return c.CheckOutbox })
	require.Equal(t, checkedAt.Add(-5*time.Minute), w.lateBefore)
	require.Equal(t, 1, tally.Found)
	require.Contains(t, tally.InWords(), "r: revision 2 has waited in the outbox for 1h0m0s")
	tally, _ = w.check(t, func(c *activities.Audits) any { return c.CheckWorkflows })
	require.Equal(t, checkedAt.Add(-15*time.Minute), w.lateBefore)
	require.Equal(t, 1, tally.Found)
	require.Contains(t, tally.InWords(), "credit/a/b/r1: open for more than 15m0s")
}

func TestChecksFindNothingInConsistentDatabases(t *testing.T) {
	t.Parallel()
	for _, pick := range []func(*activities.Audits) any{
		func(c *activities.Audits) any { return c.CheckEnded },
		func(c *activities.Audits) any { return c.CheckTotals },
		func(c *activities.Audits) any { return c.CheckLines },
		func(c *activities.Audits) any { return c.CheckOutbox },
		func(c *activities.Audits) any { return c.CheckWorkflows },
	} {
		w := &checkedWorld{}
		tally, registry := w.check(t, pick)
		require.Equal(t, activities.Tally{Kind: tally.Kind}, tally)
		require.Empty(t, tally.InWords())
		require.Zero(t, counted(t, registry, "mrmrthon_audit_findings_total", tally.Kind), "there from the start")
	}
}

func endedWorld() *checkedWorld {
	return &checkedWorld{
		auditWorld: *newAuditWorld(checkedAt),
		completed:  map[string]string{"ancient": "run", "credited": "run", "one behind": "run 2", "lost": "run 1", "fresh": "run"},
	}
}

func (w *checkedWorld) checkEnded(t *testing.T) activities.Tally {
	t.Helper()
	tally, _ := w.check(t, func(c *activities.Audits) any { return c.CheckEnded })
	return tally
}

func TestCheckEndedResetsWhatCompletedWithoutACredit(t *testing.T) {
	t.Parallel()
	w := endedWorld()
	tally := w.checkEnded(t)
	require.Equal(t, [2]int{2, 2}, [2]int{tally.Found, tally.Repaired}, tally.InWords())
	require.Equal(t, []string{
		"one behind run 2 audit: the workflow of revision 2 completed, but the ledger does not have it",
		"lost run 1 audit: the workflow of revision 1 completed, but the ledger does not have it",
	}, w.reset)
}

func TestCheckEndedDoesNotBelieveAnOldPage(t *testing.T) {
	t.Parallel()
	w := endedWorld()
	w.meanwhile = func(recordID string) {
		switch recordID {
		case "lost":
			w.credited["lost"] = 1
		case "one behind":
			w.latest[3].Revision = 3
		}
	}
	require.Zero(t, w.checkEnded(t).Found)
	require.Empty(t, w.reset)
}

func TestCheckEndedReportsWhatItCannotReset(t *testing.T) {
	t.Parallel()
	w := endedWorld()
	w.recordLines = map[string][]userdb.RecordLine{"lost": {{PointLine: userdb.PointLine{Revision: 1}}}}
	w.resetErr = errors.New("not now")
	tally := w.checkEnded(t)
	require.Equal(t, [2]int{2, 0}, [2]int{tally.Found, tally.Repaired})
	require.Contains(t, tally.Examples[0].Detail, "Not reset: not now")
	require.Contains(t, tally.Examples[1].Detail, "lines of it without a credit")
}

// TestCheckEndedRepairsAWholeRaceInOneAudit has more to reset than there may be
// look-ups that lead to nothing.
func TestCheckEndedRepairsAWholeRaceInOneAudit(t *testing.T) {
	t.Parallel()
	const lost = 2000
	w := &checkedWorld{completed: map[string]string{}}
	for i := range lost {
		id := strconv.Itoa(i)
		w.completed[id] = "run"
		at := checkedAt.Add(time.Duration(i)*time.Second - 50*time.Minute)
		w.latest = append(w.latest, maindb.LatestRevision{RecordID: id, Revision: 1, ChangedAt: at})
	}
	tally := w.checkEnded(t)
	require.Equal(t, lost, tally.Repaired, tally.InWords())
	require.False(t, tally.Partial)
}

// TestCheckEndedGivesEveryRevisionItsTurn has 600 revisions that cannot be
// repaired before one that can: an audit that always began with the oldest 500
// would never come to it.
func TestCheckEndedGivesEveryRevisionItsTurn(t *testing.T) {
	t.Parallel()
	const stuck = 600
	w := &checkedWorld{completed: map[string]string{"repairable": "run"}}
	for i := range stuck + 1 {
		id := strconv.Itoa(i)
		if i == stuck {
			id = "repairable"
		}
		at := checkedAt.Add(time.Duration(i)*time.Second - 50*time.Minute)
		w.latest = append(w.latest, maindb.LatestRevision{RecordID: id, Revision: 1, ChangedAt: at})
	}
	tally := w.checkEnded(t)
	require.True(t, tally.Partial)
	require.Contains(t, tally.InWords(), "more for the next audit")
	require.Empty(t, w.reset)

	tally = w.checkEnded(t)
	require.Equal(t, 1, tally.Repaired, tally.InWords())
	require.Len(t, w.reset, 1)
	looked := map[string]bool{}
	for _, id := range w.lookups {
		looked[id] = true
	}
	require.Len(t, looked, stuck+1, "every one had its turn within two audits")
	require.Equal(t, "399", w.lookups[len(w.lookups)-1], "the second went on from the beginning, up to its limit")
}

// lostDraws is a store with draws and wrong counters, and a Temporal that runs the
// workflows of some draws. What it does not define, a test must not call.
type lostDraws struct {
	*maindb.Outcomes
	running  map[string]bool
	posts    []maindb.PlannedPost
	requeued []string
}

func (*lostDraws) OpenOffers(context.Context, time.Duration, int) ([]maindb.OpenOffer, error) {
	return nil, nil
}

func (*lostDraws) OpenDraws(context.Context, time.Duration, int) ([]string, error) {
	return []string{"lost", "running"}, nil
}

func (w *lostDraws) RequeueDraw(_ context.Context, raceID string) error {
	w.requeued = append(w.requeued, raceID)
	return nil
}

func (*lostDraws) RecountPools(context.Context) ([]maindb.WrongPool, error) {
	return []maindb.WrongPool{{RaceID: "r", Pool: 1, Counted: [4]int{0, 0, 0, 7}, Actual: [4]int{0, 0, 0, 8}}}, nil
}

func (*lostDraws) OfferRuns(context.Context, activities.OfferInput) (bool, error) { return false, nil }

func (w *lostDraws) DrawRuns(_ context.Context, in activities.DrawInput) (bool, error) {
	return w.running[in.RaceID], nil
}

func (w *lostDraws) PostRuns(_ context.Context, in activities.PostInput) (bool, error) {
	return w.running[in.PostID], nil
}

func (w *lostDraws) PlannedPosts(context.Context, time.Duration, int) ([]maindb.PlannedPost, error) {
	return w.posts, nil
}

func (w *lostDraws) RequeueLateTasks(context.Context, time.Duration, int) ([]maindb.LateTask, error) {
	return nil, nil
}

func (w *lostDraws) RequeuePost(_ context.Context, p maindb.PlannedPost) error {
	w.requeued = append(w.requeued, p.PostID)
	return nil
}

// TestAuditOfPosts: a planned post without a workflow is started again.
func TestAuditOfPosts(t *testing.T) {
	t.Parallel()
	w := &lostDraws{running: map[string]bool{"running": true, "lost": true}, posts: []maindb.PlannedPost{{RaceID: "r", PostID: "p"}, {RaceID: "r", PostID: "running"}}}
	offers := activities.NewOffers(w, w, activities.NewMetrics(prometheus.NewRegistry()))
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(offers)
	value, err := env.ExecuteActivity(offers.CheckOffers)
	require.NoError(t, err)
	var tally activities.Tally
	require.NoError(t, value.Get(&tally))
	require.Contains(t, tally.InWords(), "r: the workflow of planned post p is started again")
	require.Equal(t, []string{"p"}, w.requeued)
}

// TestAuditOfDraws: a draw without a workflow is started again, and a wrong count of the
// registered says what it was.
func TestAuditOfDraws(t *testing.T) {
	t.Parallel()
	w := &lostDraws{running: map[string]bool{"running": true}}
	registry := prometheus.NewRegistry()
	offers := activities.NewOffers(w, w, activities.NewMetrics(registry))
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(offers)
	for _, c := range []struct {
		check any
		says  string
	}{
		{offers.CheckOffers, "lost: the workflow of the race's draw is started again"},
		{offers.CheckPools, "r: pool 1 counted 0 entered, 0 offered, 0 waiting and 7 registered, it has 0, 0, 0 and 8"},
	} {
		value, err := env.ExecuteActivity(c.check)
		require.NoError(t, err)
		var tally activities.Tally
		require.NoError(t, value.Get(&tally))
		require.Equal(t, [2]int{1, 1}, [2]int{tally.Found, tally.Repaired})
		require.Contains(t, tally.InWords(), c.says)
	}
	require.Equal(t, []string{"lost"}, w.requeued)
	require.InDelta(t, 1, counted(t, registry, "mrmrthon_audit_findings_total", activities.LostOffer), 0)
}
