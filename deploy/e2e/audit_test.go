package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// tally is what an audit reports about one kind of damage.
type tally struct {
	Kind     string `json:"kind"`
	Found    int    `json:"found"`
	Mended   int    `json:"mended"`
	Examples []struct {
		ID     string `json:"id"`
		Detail string `json:"detail"`
		Mended bool   `json:"mended"`
	} `json:"examples"`
}

// nothingFound lists every kind of finding.
func nothingFound() map[string][2]int {
	return map[string][2]int{
		"lost_credit": {}, "ended_uncredited": {}, "wrong_total": {}, "wrong_lines": {}, "late_outbox": {}, "late_workflow": {},
		"ledger_ahead": {}, "orphaned_credit": {}, "wrong_pool": {}, "lost_offer": {},
	}
}

// TestAudit damages the databases of its own system in every way that the audit
// detects, and runs the audit.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := ownSystem(t, "audit", func(opts *stack.Options) {
		maps.Copy(opts.Env[stack.Worker], map[string]string{
			"AUDIT_INTERVAL": "24h", "AUDIT_GRACE": "1s", "AUDIT_WORKFLOW_AGE": "2s", "AUDIT_ORPHAN_GRACE": "0s",
		})
	})
	b := operated{boston: startBoston(t, s, 20), operator: s.anonymous()}
	login, password := s.Operator()
	b.operator.logIn(t, login, password)
	s.withoutAudits(t)
	b.importAll(t)
	b.check(t)
	b.findsNothing(t)

	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"a wrong total", b.auditRebuildsATotal},
		{"a credit that a restore lost", b.auditResetsAWorkflow},
		{"a correction that main_db lost", b.auditRevisesAboveTheLedger},
		{"a late workflow", b.auditReportsALateWorkflow},
		{"a late outbox and a lost message", b.auditReportsALateOutbox},
		{"a record that main_db lost", b.auditReversesAnOrphan},
		{"a pool whose places do not add up", b.auditRecountsAPool},
		{"an offer whose workflow is gone", b.auditStartsAnOfferAgain},
		{"a double credit", b.auditReportsADoubleCredit},
	} {
		if !t.Run(step.name, step.run) {
			return // what follows would only fail for the same reason
		}
	}
	for kind := range nothingFound() {
		require.Positive(t, s.metric(t, `mrmrthon_audit_findings_total\{kind="`+kind+`"\}`), kind)
	}
	require.InDelta(t, 1, s.metric(t, `mrmrthon_audit_mended_total\{kind="wrong_total"\}`), 0)
	require.Zero(t, s.metric(t, `mrmrthon_audit_mended_total\{kind="wrong_lines"\}`))
}

// audit runs an audit and returns its findings by kind, lost credits included.
func (b operated) audit(t *testing.T) map[string]tally {
	t.Helper()
	var started struct {
		WorkflowID string `json:"workflow_id"`
		RunID      string `json:"run_id"`
	}
	b.operator.call(t, http.MethodPost, "/v1/ops/audit", payload{}).into(t, http.StatusAccepted, &started)
	found := map[string]tally{}
	eventually(t, patience+time.Duration(len(b.rows))*30*time.Millisecond, func() error { // a reset takes as long as a credit
		var audits struct {
			Items []struct {
				RunID string `json:"run_id"`
				Found *struct {
					Lost     int     `json:"lost"`
					Requeued int     `json:"requeued"`
					Findings []tally `json:"findings"`
				} `json:"found"`
			} `json:"items"`
		}
		b.operator.call(t, http.MethodGet, "/v1/ops/audit", payload{}).into(t, http.StatusOK, &audits)
		for _, audit := range audits.Items {
			if audit.RunID != started.RunID || audit.Found == nil {
				continue
			}
			found["lost_credit"] = tally{Found: audit.Found.Lost, Mended: audit.Found.Requeued}
			for _, tally := range audit.Found.Findings {
				found[tally.Kind] = tally
			}
			return nil
		}
		return fmt.Errorf("audit %s has not ended: %+v", started.RunID, audits.Items)
	})
	return found
}

// findsNothing runs an audit, which finds nothing.
func (b operated) findsNothing(t *testing.T) {
	t.Helper()
	b.quiet(t)
	require.Equal(t, nothingFound(), counts(b.audit(t)))
}

// quiet waits until no credit is under way. A workflow shows in search as running for
// a while after it has completed, and would be late to this system's audit.
func (b operated) quiet(t *testing.T) {
	t.Helper()
	eventually(t, patience, func() error {
		n, err := tryCount(t.Context(), b.mainDB, "SELECT COUNT(*) FROM outbox")
		if err == nil && n > 0 {
			err = fmt.Errorf("%d rows are in the outbox", n)
		}
		return err
	})
	b.found(t, 0, "WorkflowType = 'CreditRecord' AND ExecutionStatus = 'Running'")
}

func counts(found map[string]tally) map[string][2]int {
	counted := map[string][2]int{}
	for kind, tally := range found {
		counted[kind] = [2]int{tally.Found, tally.Mended}
	}
	return counted
}

// finds checks the findings of an audit and returns the example of a kind.
func finds(t *testing.T, found map[string]tally, want map[string][2]int, kind string) (id, detail string) {
	t.Helper()
	all := nothingFound()
	maps.Copy(all, want)
	require.Equal(t, all, counts(found), "%+v", found)
	require.Len(t, found[kind].Examples, 1)
	return found[kind].Examples[0].ID, found[kind].Examples[0].Detail
}

func (b operated) sql(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := b.userDB.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

func (b operated) auditRebuildsATotal(t *testing.T) {
	userID := b.book.users[bibKey(b.rows[0].bib)]
	b.sql(t, "UPDATE user SET total_point = total_point + 17 WHERE user_id = ?", userID)
	id, detail := finds(t, b.audit(t), map[string][2]int{"wrong_total": {1, 1}}, "wrong_total")
	require.Equal(t, userID, id)
	require.Contains(t, detail, "Rebuilt")
	b.check(t)
	b.findsNothing(t)
}

func (b operated) auditResetsAWorkflow(t *testing.T) {
	recordID := b.runnersRecord(t, 1)
	b.lose(t, recordID)
	found := b.audit(t)
	id, detail := finds(t, found, map[string][2]int{"lost_credit": {1, 1}, "ended_uncredited": {1, 1}}, "ended_uncredited")
	require.Equal(t, recordID, id)
	require.Contains(t, detail, "The workflow was reset")
	b.until(t, recordID, "settled")
	b.check(t)
	b.completed(t, creditID(b.raceID, recordID, 1))
	b.findsNothing(t)
}

// auditRevisesAboveTheLedger removes a credited correction from main_db, as a restore
// does. The record is then credited as it stands, under a new revision.
func (b operated) auditRevisesAboveTheLedger(t *testing.T) {
	recordID := b.runnersRecord(t, 2)
	before := b.book.latest[recordID]
	corrected := b.organizer.correct(t, b.raceID, recordID, 1, map[string]any{"status": "DQ", "reason": "end-to-end test"})
	b.book.enter(t, recordID, corrected.Revision, outcome{status: "credited", userID: before.userID, reason: "disqualified"})
	b.check(t)
	b.quiet(t)
	for _, statement := range []string{
		"DELETE FROM official_record_revision WHERE record_id = ? AND revision = 2",
		"UPDATE official_record SET revision = 1, status = 'OK' WHERE record_id = ?",
	} {
		_, err := b.mainDB.ExecContext(t.Context(), statement, recordID)
		require.NoError(t, err)
	}
	require.Equal(t, "ahead", b.history(t, recordID).Condition)
	var found map[string]tally
	eventually(t, patience, func() error { // the grace
		if found = b.audit(t); found["ledger_ahead"].Found == 0 {
			return fmt.Errorf("found: %+v", found)
		}
		return nil
	})
	id, detail := finds(t, found, map[string][2]int{"ledger_ahead": {1, 1}}, "ledger_ahead")
	require.Equal(t, recordID, id)
	require.Contains(t, detail, "Revised as 3")
	b.book.enter(t, recordID, 3, before)
	b.check(t)
	b.completed(t, creditID(b.raceID, recordID, 3))
	b.until(t, recordID, "settled")
	b.findsNothing(t)
}

// auditReversesAnOrphan removes a credited record from main_db.
func (b operated) auditReversesAnOrphan(t *testing.T) {
	recordID := b.runnersRecord(t, 3)
	for _, statement := range []string{
		"DELETE FROM official_record_revision WHERE record_id = ?", "DELETE FROM official_record WHERE record_id = ?",
	} {
		_, err := b.mainDB.ExecContext(t.Context(), statement, recordID)
		require.NoError(t, err)
	}
	require.Equal(t, "no_record", b.history(t, recordID).Condition)
	var found map[string]tally
	eventually(t, patience, func() error { // the first audit only notes since when it has been missing
		if found = b.audit(t); found["orphaned_credit"].Found == 0 {
			return fmt.Errorf("found: %+v", found)
		}
		return nil
	})
	id, detail := finds(t, found, map[string][2]int{"orphaned_credit": {1, 1}}, "orphaned_credit")
	require.Equal(t, recordID, id)
	require.Contains(t, detail, "main_db has no such record. Reversed as revision 2")
	require.Zero(t, count(t, b.userDB, "SELECT SUM(points) FROM point WHERE record_id = ?", recordID))
	require.NoError(t, b.balanced(t.Context()))
	b.findsNothing(t)
}

// auditReportsALateWorkflow starts a credit that no worker runs.
func (b operated) auditReportsALateWorkflow(t *testing.T) {
	workflowID := creditID(b.raceID, uuid.NewString(), 1)
	_, err := b.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: workflowID, TaskQueue: "nobody's"}, "CreditRecord")
	require.NoError(t, err)
	b.found(t, 1, fmt.Sprintf("WorkflowType = 'CreditRecord' AND ExecutionStatus = 'Running' AND StartTime < '%s'",
		time.Now().Add(time.Minute).UTC().Format(time.RFC3339)))
	var last map[string]tally
	eventually(t, patience, func() error {
		if last = b.audit(t); last["late_workflow"].Found == 0 {
			return fmt.Errorf("found: %+v", last)
		}
		return nil
	})
	id, _ := finds(t, last, map[string][2]int{"late_workflow": {1, 0}}, "late_workflow")
	require.Equal(t, workflowID, id)
	require.NoError(t, b.temporal.TerminateWorkflow(t.Context(), workflowID, "", "end-to-end test"))
	b.found(t, 0, "WorkflowType = 'CreditRecord' AND ExecutionStatus = 'Running'")
}

// auditReportsALateOutbox posts a record while the queue is down, makes it look old, and
// then deletes its outbox row.
func (b operated) auditReportsALateOutbox(t *testing.T) {
	r := row{bib: "99301", sex: "F", age: 41, gun: "3:33:33", net: "3:33:30", status: "OK", field: "runner"}
	require.Equal(t, 1, b.organizer.importStartList(t, b.raceID, startList([]row{r})).Added)
	b.book.users = b.participants(t, b.raceID)
	require.NoError(t, b.Kill(stack.SQS))
	b.postWhileDown(t, r)
	recordID := b.ids[r.bib]
	_, err := b.mainDB.ExecContext(t.Context(), "UPDATE outbox SET created_at = created_at - INTERVAL 1 HOUR")
	require.NoError(t, err)
	var last map[string]tally
	eventually(t, patience, func() error {
		if last = b.audit(t); last["lost_credit"].Found == 0 { // the grace
			return fmt.Errorf("found: %+v", last)
		}
		return nil
	})
	id, detail := finds(t, last, map[string][2]int{"lost_credit": {1, 0}, "late_outbox": {1, 0}}, "late_outbox")
	require.Equal(t, recordID, id)
	require.Contains(t, detail, "revision 1 has waited in the outbox for 1h")

	_, err = b.mainDB.ExecContext(t.Context(), "DELETE FROM outbox")
	require.NoError(t, err)
	require.NoError(t, b.StartPart(t.Context(), stack.SQS))
	eventually(t, patience, func() error { // its first answers may be about the queue that was
		if got := counts(b.audit(t))["lost_credit"]; got != [2]int{1, 1} {
			return fmt.Errorf("lost credits: %v", got)
		}
		return nil
	})
	b.until(t, recordID, "settled")
	b.check(t)
}

// auditRecountsAPool makes a race with one place look full before anybody has entered.
func (b operated) auditRecountsAPool(t *testing.T) {
	r := marathon("One place")
	r["date"] = time.Now().AddDate(0, 6, 0).Format(time.DateOnly)
	r["entry"] = map[string]any{"capacity": 1, "time_zone": "Asia/Seoul"}
	raceID := b.organizer.createRace(t, r)
	_, err := b.mainDB.ExecContext(t.Context(), "UPDATE entry_pool SET taken = 1 WHERE race_id = ?", raceID)
	require.NoError(t, err)
	id, detail := finds(t, b.audit(t), map[string][2]int{"wrong_pool": {1, 1}}, "wrong_pool")
	require.Equal(t, raceID, id)
	require.Contains(t, detail, "counted 1 entered")
	b.findsNothing(t)
}

// auditStartsAnOfferAgain terminates the workflow of an offer: first long before the
// offer's deadline, then until after it. The offers look older than they are, since the
// audit leaves them alone in their first minutes.
func (b operated) auditStartsAnOfferAgain(t *testing.T) {
	r := marathon("One place and a line")
	r["date"] = time.Now().AddDate(0, 6, 0).Format(time.DateOnly)
	r["entry"] = map[string]any{"capacity": 1, "time_zone": "Asia/Seoul"}
	raceID := b.organizer.createRace(t, r)
	entries := "/v1/races/" + raceID + "/participants"
	runners := make([]*caller, 3)
	for i := range runners {
		runners[i] = b.signUp(t, "runner")
		runners[i].call(t, http.MethodPost, entries, payload{}).into(t, http.StatusCreated, nil)
	}
	runners[0].call(t, http.MethodDelete, entries+"/me", payload{}).into(t, http.StatusNoContent, nil)
	workflowID := "offer/" + raceID + "/1/2/1"
	open := fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus = 'Running'", workflowID)
	lose := func(alter string) (detail string) {
		b.found(t, 1, open)
		require.NoError(t, b.temporal.TerminateWorkflow(t.Context(), workflowID, "", "end-to-end test"))
		_, err := b.mainDB.ExecContext(t.Context(), "UPDATE entry SET "+alter+" WHERE race_id = ? AND state = 'offered'", raceID) //nolint:gosec // of this test
		require.NoError(t, err)
		id, detail := finds(t, b.audit(t), map[string][2]int{"lost_offer": {1, 1}}, "lost_offer")
		require.Equal(t, raceID, id)
		return detail
	}
	require.Contains(t, lose("changed_at = changed_at - INTERVAL 5 MINUTE"), "the workflow is started again")
	require.Contains(t, lose("offer_expires_at = UTC_TIMESTAMP(6) - INTERVAL 5 MINUTE"), "the place goes to the next in line")
	b.found(t, 1, fmt.Sprintf("WorkflowId = 'offer/%s/1/3/1' AND ExecutionStatus = 'Running'", raceID))
	for i, want := range []string{"cancelled", "expired", "offered"} {
		var entry rushEntry
		runners[i].call(t, http.MethodGet, entries+"/me", payload{}).into(t, http.StatusOK, &entry)
		require.Equal(t, want, entry.Status)
	}
	b.findsNothing(t)
}

// auditReportsADoubleCredit writes a second credit and its total into the ledger, which
// our programs have no right to do.
func (b operated) auditReportsADoubleCredit(t *testing.T) {
	recordID := b.runnersRecord(t, 0)
	b.sql(t, `INSERT INTO point (user_id, race_id, record_id, revision, entry, rule, edition, points, reason, workflow_id, created_at)
		SELECT user_id, race_id, record_id, 99, entry, rule, edition, points, reason, workflow_id, created_at FROM point WHERE record_id = ?`, recordID)
	for _, total := range []struct {
		statement string
		also      map[string][2]int
	}{
		{"SELECT 1", map[string][2]int{"wrong_total": {1, 0}}}, // the lines are no truth to rebuild it from
		{"UPDATE user SET total_point = (SELECT SUM(points) FROM point WHERE point.user_id = user.user_id) WHERE user_id IN (SELECT user_id FROM point WHERE record_id = '" + recordID + "')", nil},
	} {
		b.sql(t, total.statement)
		want := map[string][2]int{"wrong_lines": {1, 0}}
		maps.Copy(want, total.also)
		id, detail := finds(t, b.audit(t), want, "wrong_lines")
		require.Equal(t, recordID, id)
		require.Contains(t, detail, "points more than the credit")
	}
	require.Equal(t, 2, count(t, b.userDB, "SELECT COUNT(*) FROM point WHERE record_id = ?", recordID), "the ledger is unchanged")
}
