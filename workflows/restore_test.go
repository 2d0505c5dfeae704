package workflows_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const restoreRunners = 8

// restoreWorld is the way of a record over two real databases, with the outbox,
// the workflow and the audit as they are, and Temporal reduced to what matters
// here: it starts the workflow of a revision once, and resets one that completed.
type restoreWorld struct {
	mainDB, userDB *sql.DB
	main           *maindb.Outcomes
	user           *userdb.Ledger
	registry       *prometheus.Registry
	metrics        *activities.Metrics
	now            time.Time
	random         *rand.Rand
	raceID         string
	runners        []string // user IDs; the bib is the index + 1
	completed      map[string]bool
	t              *testing.T
}

func setupRestore(t *testing.T, seed uint64) *restoreWorld {
	t.Helper()
	w := &restoreWorld{
		now: time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC), random: rand.New(rand.NewPCG(1, seed)),
		raceID: uuid.NewString(), completed: map[string]bool{}, registry: prometheus.NewRegistry(), t: t,
	}
	w.mainDB, _ = mysqltest.New(t, maindb.Migrations())
	w.userDB, _ = mysqltest.New(t, userdb.Migrations())
	clock := func() time.Time { return w.now }
	w.main, w.user, w.metrics = maindb.NewOutcomes(w.mainDB, clock), userdb.NewLedger(w.userDB, clock), activities.NewMetrics(w.registry)
	w.exec(w.mainDB, `INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis, divisions_basis, ties,
			divisions, scoring, points, capacity, status, created_at, updated_at)
		VALUES (?, 'o', 'n', 'c', '2026-04-20', 10000000, 'gun', 'gun', 'share', '[]', 'agegrade-2025', 0, 0, 'provisional', ?, ?)`,
		w.raceID, w.now, w.now)
	for i := range restoreRunners {
		runner := uuid.NewString()
		w.runners = append(w.runners, runner)
		w.exec(w.userDB, `INSERT INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at)
			VALUES (?, 'runner', '', '', '', 0, ?, ?)`, runner, w.now, w.now)
		w.exec(w.mainDB, `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, 'F', ?, 'runner', 'entered', ?, ?)`,
			uuid.NewString(), w.raceID, runner, fmt.Sprint(i+1), fmt.Sprint(i+1), 30+i, w.now, w.now)
	}
	return w
}

func (w *restoreWorld) exec(db *sql.DB, statement string, args ...any) {
	w.t.Helper()
	_, err := db.ExecContext(w.t.Context(), statement, args...)
	require.NoError(w.t, err)
}

func (w *restoreWorld) strings(db *sql.DB, query string) (all []string) {
	w.t.Helper()
	rows, err := db.QueryContext(w.t.Context(), query)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, rows.Close()) }()
	for rows.Next() {
		var s string
		require.NoError(w.t, rows.Scan(&s))
		all = append(all, s)
	}
	require.NoError(w.t, rows.Err())
	return all
}

// backUp copies every table; restore brings the copies back.
func (w *restoreWorld) backUp(db *sql.DB) {
	for _, table := range w.tables(db) {
		w.exec(db, "CREATE TABLE backup_"+table+" AS SELECT * FROM "+table)
	}
}

func (w *restoreWorld) restore(db *sql.DB) {
	for _, table := range w.tables(db) {
		w.exec(db, "DELETE FROM "+table)
		w.exec(db, "INSERT INTO "+table+" SELECT * FROM backup_"+table)
	}
}

func (w *restoreWorld) tables(db *sql.DB) (tables []string) {
	for _, table := range w.strings(db, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()") {
		if !strings.HasPrefix(table, "backup_") && table != "goose_db_version" {
			tables = append(tables, table)
		}
	}
	return tables
}

// post posts a record for a bib.
func (w *restoreWorld) post(bib string) (race.Record, error) {
	r, _, err := w.main.PostRecord(w.t.Context(), w.raceID, uuid.NewString(), race.Result{
		Bib: bib, Gun: race.Time(2_400_000 + w.random.Int64N(1_200_000)), Status: race.Finished,
	}, maindb.Change{By: "organizer"})
	return r, err
}

// act is something that an organizer does.
func (w *restoreWorld) act() {
	w.now = w.now.Add(time.Second)
	change := maindb.Change{By: "organizer", Reason: "correction"}
	records, err := w.main.ListRecords(w.t.Context(), w.raceID, maindb.RecordFilter{}, "", 100)
	require.NoError(w.t, err)
	bib := fmt.Sprint(1 + w.random.IntN(restoreRunners))
	if len(records) == 0 || w.random.IntN(3) == 0 {
		_, _ = w.post(bib) // may be taken
		return
	}
	r := records[w.random.IntN(len(records))]
	switch w.random.IntN(6) {
	case 0:
		_, _, err = w.main.RemoveRecord(w.t.Context(), w.raceID, r.ID, r.Revision, change)
	case 1:
		_, _, err = w.main.PatchRecord(w.t.Context(), w.raceID, r.ID, r.Revision, maindb.RecordPatch{Bib: &bib}, change)
	case 2:
		status := []race.ResultStatus{race.Finished, race.Disqualified}[w.random.IntN(2)]
		_, _, err = w.main.PatchRecord(w.t.Context(), w.raceID, r.ID, r.Revision, maindb.RecordPatch{Status: &status}, change)
	default:
		gun := race.Time(2_400_000 + w.random.Int64N(1_200_000))
		_, _, err = w.main.PatchRecord(w.t.Context(), w.raceID, r.ID, r.Revision, maindb.RecordPatch{Gun: &gun}, change)
	}
	require.NoError(w.t, err)
}

// deliver sends what is in the outbox and runs the workflows that are not known yet.
func (w *restoreWorld) deliver() {
	for {
		sent, err := w.main.SendOutbox(w.t.Context(), 100, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
			for _, row := range rows {
				of := activities.CreditInput{RaceID: row.RaceID, RecordID: row.RecordID, Revision: row.Revision}
				if id := workflows.CreditWorkflowID(of.RaceID, of.RecordID, of.Revision); !w.completed[id] {
					w.completed[id] = true
					w.credit(of)
				}
			}
			return rows, nil
		})
		require.NoError(w.t, err)
		if sent == 0 {
			return
		}
	}
}

func (w *restoreWorld) environment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(slowMachine)
	env.SetWorkerOptions(worker.Options{
		Interceptors:             []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, slog.New(slog.DiscardHandler))},
		DeadlockDetectionTimeout: slowMachine,
	})
	return env
}

func (w *restoreWorld) credit(of activities.CreditInput) {
	env := w.environment()
	env.RegisterActivity(activities.NewCredits(w.main, w.user, w.metrics))
	env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil)
	env.ExecuteWorkflow(workflows.CreditRecord, of)
	require.NoError(w.t, env.GetWorkflowError())
}

// Completed, Reset and OpenSince are what the audit asks of Temporal.
func (w *restoreWorld) Completed(_ context.Context, of activities.CreditInput) (string, error) {
	if w.completed[workflows.CreditWorkflowID(of.RaceID, of.RecordID, of.Revision)] {
		return "run", nil
	}
	return "", nil
}

func (w *restoreWorld) Reset(_ context.Context, of activities.CreditInput, _, _ string) error {
	w.credit(of)
	return nil
}

func (*restoreWorld) OpenSince(context.Context, time.Time, int) (int, []string, error) {
	return 0, nil, nil
}

func (*restoreWorld) Depth(context.Context) (queue.Depth, error) { return queue.Depth{}, nil }

// DrawRuns is likewise.
func (*restoreWorld) DrawRuns(context.Context, activities.DrawInput) (bool, error) { return true, nil }

// PostRuns is likewise.
func (*restoreWorld) PostRuns(context.Context, activities.PostInput) (bool, error) { return true, nil }

// OfferRuns is likewise; no race of these tests has places.
func (*restoreWorld) OfferRuns(context.Context, activities.OfferInput) (bool, error) {
	return false, nil
}

// audit runs a whole audit and delivers what it sent.
func (w *restoreWorld) audit() workflows.Audit {
	w.now = w.now.Add(3 * time.Minute)
	cfg := activities.AuditConfig{
		Grace: 30 * time.Second, LookBack: 168 * time.Hour, OutboxAge: 5 * time.Minute, WorkflowAge: 15 * time.Minute,
		OrphanGrace: 2 * time.Minute, MaxOrphans: 1000,
	}
	env := w.environment()
	env.RegisterActivity(activities.NewAudits(cfg, w.main, w.user, w, w, func() time.Time { return w.now }, w.metrics))
	env.RegisterActivity(activities.NewOffers(w.main, w, w.metrics))
	env.ExecuteWorkflow(workflows.AuditCredits)
	require.NoError(w.t, env.GetWorkflowError())
	var found workflows.Audit
	require.NoError(w.t, env.GetWorkflowResult(&found))
	w.deliver()
	return found
}

// requireExactlyOnce works out from main_db alone what every runner should have,
// and holds totals and ledger against it.
func (w *restoreWorld) requireExactlyOnce() {
	w.t.Helper()
	want := map[string]int64{}
	ids := w.strings(w.mainDB, "SELECT record_id FROM official_record")
	facts, err := w.main.FactsOf(w.t.Context(), ids)
	require.NoError(w.t, err)
	credits, err := w.user.Credits(w.t.Context(), ids)
	require.NoError(w.t, err)
	for _, id := range ids {
		if award, err := scoring.Judge(facts[id]); err == nil {
			want[award.RunnerID] += award.Points
		}
		require.Equal(w.t, reconcile.Current, reconcile.Of(facts[id].Record.Revision, facts[id].Fingerprint(), credits[id]), id)
	}
	for _, runner := range w.runners {
		total, lines, err := w.user.Total(w.t.Context(), runner)
		require.NoError(w.t, err)
		require.Equal(w.t, want[runner], total)
		require.Equal(w.t, total, lines)
	}
	balance, err := reconcile.Databases{Records: w.main, Ledger: w.user}.Count(w.t.Context(), w.raceID)
	require.NoError(w.t, err)
	require.Zero(w.t, balance.Pending)
}

// TestRestoredDatabasesEndExactlyOnce restores main_db, user_db or both, to
// different moments, while corrections go on, and has the audit bring them
// together again.
func TestRestoredDatabasesEndExactlyOnce(t *testing.T) {
	t.Parallel()
	for name, moments := range map[string]struct{ main, user int }{ // how many acts before the end; -1: not restored
		"main_db only":       {main: 20, user: -1},
		"user_db only":       {main: -1, user: 20},
		"main_db further":    {main: 25, user: 10},
		"user_db further":    {main: 10, user: 25},
		"main_db, by little": {main: 2, user: -1},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) {
				t.Parallel()
				w := setupRestore(t, seed)
				for range 15 {
					w.act()
				}
				w.deliver()
				for left := 25; left > 0; left-- {
					if left == moments.main {
						w.backUp(w.mainDB)
					}
					if left == moments.user {
						w.backUp(w.userDB)
					}
					w.act()
					if w.random.IntN(3) > 0 {
						w.deliver()
					}
				}
				w.deliver()
				if moments.main > 0 {
					w.restore(w.mainDB)
				}
				if moments.user > 0 {
					w.restore(w.userDB)
				}
				for range 10 { // revision numbers are dealt again, lost records posted again
					w.act()
					w.deliver()
				}
				for range 4 {
					w.audit()
				}
				w.requireExactlyOnce()
				found := w.audit()
				for _, tally := range found.Findings {
					require.Zero(t, tally.Found, "%+v", tally)
				}
				require.Zero(t, found.Lost)
			})
		}
	}
}

// credits returns what a record's credit is shown as.
func (w *restoreWorld) shown(r race.Record) reconcile.Credit {
	w.t.Helper()
	live, err := w.main.RecordByID(w.t.Context(), r.ID)
	require.NoError(w.t, err)
	shown, err := reconcile.Databases{Records: w.main, Ledger: w.user}.Credits(w.t.Context(), []race.Record{live})
	require.NoError(w.t, err)
	return shown[0]
}

func (w *restoreWorld) correct(r race.Record, gun race.Time) race.Record {
	w.t.Helper()
	corrected, _, err := w.main.PatchRecord(w.t.Context(), w.raceID, r.ID, r.Revision, maindb.RecordPatch{Gun: &gun},
		maindb.Change{By: "organizer", Reason: "correction"})
	require.NoError(w.t, err)
	return corrected
}

// total returns the points of the first runner.
func (w *restoreWorld) total() int64 {
	w.t.Helper()
	total, lines, err := w.user.Total(w.t.Context(), w.runners[0])
	require.NoError(w.t, err)
	require.Equal(w.t, lines, total)
	return total
}

// tally returns what an audit found of a kind.
func tally(found workflows.Audit, kind activities.FindingKind) activities.Tally {
	for _, tally := range found.Findings {
		if tally.Kind == kind {
			return tally
		}
	}
	return activities.Tally{}
}

// TestACorrectionBelowTheLedgerIsNotShownAsCredited has a record at revision 1
// with a ledger at revision 3, as after main_db was restored, take a correction.
func TestACorrectionBelowTheLedgerIsNotShownAsCredited(t *testing.T) {
	t.Parallel()
	for name, corrections := range map[string]int{"below the ledger": 1, "the same number": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setupRestore(t, 0)
			record, err := w.post("1")
			require.NoError(t, err)
			w.backUp(w.mainDB)
			w.correct(w.correct(record, 2_500_000), 2_600_000)
			w.deliver()
			w.restore(w.mainDB)
			old := w.total()
			require.Equal(t, reconcile.Ahead, w.shown(record).State)

			for i := range corrections {
				record = w.correct(record, race.Time(3_000_000+1000*i))
			}
			require.Equal(t, race.Pending, w.shown(record).Status(), "the ledger holds other inputs")
			w.deliver()
			found := w.audit()
			w.audit()
			require.Equal(t, reconcile.Current, w.shown(record).State)
			require.Less(t, w.total(), old)
			require.Positive(t, w.total())
			live, err := w.main.RecordByID(t.Context(), record.ID)
			require.NoError(t, err)
			require.Equal(t, 4, live.Revision)
			revisions, err := w.main.Revisions(t.Context(), record.ID)
			require.NoError(t, err)
			last := revisions[len(revisions)-1]
			require.Equal(t, race.SystemActor, last.ChangedBy)
			require.Contains(t, last.Reason, "the ledger is ahead: it holds revision 3")
			if corrections == 2 { // no workflow met it: revision 2 and 3 had been started before
				require.Equal(t, 1, tally(found, activities.LedgerAhead).Repaired)
			}
			w.requireExactlyOnce()
		})
	}
}

// TestABackupOlderThanTheLookBack restores a user_db from before a race that was
// credited weeks ago: all of its workflows have completed.
func TestABackupOlderThanTheLookBack(t *testing.T) {
	t.Parallel()
	w := setupRestore(t, 0)
	w.backUp(w.userDB)
	for bib := range restoreRunners {
		_, err := w.post(fmt.Sprint(bib + 1))
		require.NoError(t, err)
	}
	w.deliver()
	w.now = w.now.AddDate(0, 1, 0)
	w.restore(w.userDB)
	found := tally(w.audit(), activities.EndedUncredited)
	require.Equal(t, [2]int{restoreRunners, restoreRunners}, [2]int{found.Found, found.Repaired}, found.InWords())
	w.requireExactlyOnce()
	require.Zero(t, tally(w.audit(), activities.EndedUncredited).Found)
}

func TestALostRecordThatIsPostedAgainGivesItsPointsOnce(t *testing.T) {
	t.Parallel()
	w := setupRestore(t, 0)
	w.backUp(w.mainDB)
	lost, err := w.post("1")
	require.NoError(t, err)
	w.deliver()
	points := w.total()
	w.restore(w.mainDB)
	again, _, err := w.main.PostRecord(t.Context(), w.raceID, uuid.NewString(), lost.Result, maindb.Change{By: "organizer"})
	require.NoError(t, err)
	w.deliver()
	require.Equal(t, 2*points, w.total())

	require.Zero(t, tally(w.audit(), activities.OrphanedCredit).Found, "it has only just been missed")
	found := tally(w.audit(), activities.OrphanedCredit)
	require.Equal(t, [2]int{1, 1}, [2]int{found.Found, found.Repaired})
	require.Contains(t, found.InWords(), lost.ID+": revision 1 gave runner "+w.runners[0])
	require.Contains(t, found.InWords(), "Reversed as revision 2")
	require.Equal(t, points, w.total())
	require.Equal(t, race.Credited, w.shown(again).Status())
	lines, err := w.user.LinesOfRecords(t.Context(), []string{lost.ID})
	require.NoError(t, err)
	require.Equal(t, -points, lines[lost.ID][1].Points)
	require.NotEmpty(t, lines[lost.ID][1].WorkflowID)
	w.requireExactlyOnce()
	require.Zero(t, tally(w.audit(), activities.OrphanedCredit).Found, "once")

	// A second, more complete restore brings the record back and loses the other.
	_, _, err = w.main.RemoveRecord(t.Context(), w.raceID, again.ID, 1, maindb.Change{By: "organizer", Reason: "double"})
	require.NoError(t, err)
	w.deliver()
	_, _, err = w.main.PostRecord(t.Context(), w.raceID, lost.ID, lost.Result, maindb.Change{By: "organizer"})
	require.NoError(t, err)
	w.deliver()
	w.audit()
	w.audit()
	require.Equal(t, points, w.total())
	w.requireExactlyOnce()
}

// TestNothingIsReversedWhileMainDBMayBeTheWrongOne covers a replica, which may
// lag, and a database that lacks more than one audit may reverse.
func TestNothingIsReversedWhileMainDBMayBeTheWrongOne(t *testing.T) {
	t.Parallel()
	w := setupRestore(t, 0)
	w.backUp(w.mainDB)
	for bib := range 3 {
		_, err := w.post(fmt.Sprint(bib + 1))
		require.NoError(t, err)
	}
	w.deliver()
	w.restore(w.mainDB)
	before := w.total()
	check := func(records activities.AuditedRecords, most int) activities.Tally {
		w.now = w.now.Add(3 * time.Minute)
		cfg := activities.AuditConfig{LookBack: time.Hour, OrphanGrace: 2 * time.Minute, MaxOrphans: most}
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(slog.New(slog.DiscardHandler))
		env := suite.NewTestActivityEnvironment()
		audits := activities.NewAudits(cfg, records, w.user, w, w, func() time.Time { return w.now }, w.metrics)
		env.RegisterActivity(audits)
		value, err := env.ExecuteActivity(audits.CheckOrphans)
		require.NoError(t, err)
		var found activities.Tally
		require.NoError(t, value.Get(&found))
		return found
	}
	for range 3 {
		require.True(t, check(replica{w.main}, 10).Partial)
	}
	for range 2 {
		check(w.main, 2)
	}
	found := check(w.main, 2)
	require.Equal(t, [2]int{3, 0}, [2]int{found.Found, found.Repaired})
	require.Contains(t, found.InWords(), "AUDIT_MAX_ORPHANS")
	require.Equal(t, before, w.total())
	require.Equal(t, 3, check(w.main, 3).Repaired)
	require.Zero(t, w.total())
}

type replica struct{ *maindb.Outcomes }

func (replica) IsReadOnly(context.Context) (bool, error) { return true, nil }
