package e2e_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// operated is a race with an operator for its credits.
type operated struct {
	*boston
	operator *caller
}

// TestOperations damages credits in every way that an operator can repair, and compares
// the ledger with the book after each repair. Other tests read the same ledger, so it
// runs alone.
//
//nolint:paralleltest // it shares the system with other tests
func TestOperations(t *testing.T) {
	s := sharedSystem(t)
	b := operated{boston: startBoston(t, s, 20), operator: s.anonymous()}
	login, password := s.Operator()
	b.operator.logIn(t, login, password)
	s.withoutAudits(t)
	b.importAll(t)
	b.check(t)

	b.organizer.call(t, http.MethodGet, "/v1/ops/credits?status=pending", payload{}).problem(t, http.StatusForbidden)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"a record that is fine", b.fineStaysAsItIs},
		{"a credit that a restore lost", b.lostCreditComesBack},
		{"a terminated workflow", b.terminatedWorkflowStartsAgain},
		{"a running workflow", b.runningWorkflowIsResetOnRequest},
		{"a reset by other tools", b.resetByOtherToolsIsLogged},
		{"all of a list", b.wholeListComesBack},
		{"dead letters", b.deadLettersAreEmptied},
		{"a wrong total", b.totalIsRebuilt},
		{"an audit now", b.auditRunsNow},
		{"a message for nothing", b.unmatchedIsListed},
		{"without Temporal", b.historyWithoutTemporal},
	} {
		if !t.Run(step.name, step.run) {
			return // what follows would only fail for the same reason
		}
	}
}

// withoutAudits pauses the audit, which would repair what t damages.
func (s *system) withoutAudits(t *testing.T) {
	t.Helper()
	schedule := s.temporal.ScheduleClient().GetHandle(t.Context(), "audit-credits")
	require.NoError(t, schedule.Pause(t.Context(), client.SchedulePauseOptions{}))
	t.Cleanup(func() {
		require.NoError(t, schedule.Unpause(context.WithoutCancel(t.Context()), client.ScheduleUnpauseOptions{}))
	})
}

// history is the part of a record's history that these tests compare.
type history struct {
	Condition   string   `json:"condition"`
	Explanation string   `json:"explanation"`
	Unavailable []string `json:"unavailable"`
	Revisions   []struct {
		Workflow struct {
			TraceURL string `json:"trace_url"`
			Pending  []struct {
				LastFailure string `json:"last_failure"`
			} `json:"pending_activities"`
			Runs []struct {
				RunID  string `json:"run_id"`
				Status string `json:"status"`
			} `json:"runs"`
		} `json:"workflow"`
	} `json:"revisions"`
	Ledger []struct {
		Points int64 `json:"points"`
	} `json:"ledger"`
	Standings *struct {
		Version int `json:"version"`
	} `json:"standings"`
}

func (b operated) history(t *testing.T, recordID string) history {
	t.Helper()
	var got history
	b.operator.call(t, http.MethodGet, "/v1/ops/credits/"+recordID, payload{}).into(t, http.StatusOK, &got)
	return got
}

// until waits until a record's credit has a condition.
func (b operated) until(t *testing.T, recordID, condition string) history {
	t.Helper()
	var got history
	eventually(t, patience, func() error {
		if got = b.history(t, recordID); got.Condition != condition {
			return fmt.Errorf("%s: %s", got.Condition, got.Explanation)
		}
		return nil
	})
	return got
}

// retried is the answer to a retry.
type retried struct {
	Outcome  string `json:"outcome"`
	Detail   string `json:"detail"`
	TraceURL string `json:"trace_url"`
}

func (b operated) retry(t *testing.T, recordID string, body map[string]any) retried {
	t.Helper()
	text := payload{}
	if body != nil {
		text = inJSON(t, body)
	}
	var got retried
	b.operator.call(t, http.MethodPost, "/v1/ops/credits/"+recordID+"/retry", text).into(t, http.StatusOK, &got)
	return got
}

// listed returns the records on a list of the race's credits.
func (b operated) listed(t *testing.T, status string) (ids []string) {
	t.Helper()
	var page struct {
		Items []struct {
			RecordID string `json:"record_id"`
		} `json:"items"`
	}
	b.operator.call(t, http.MethodGet, "/v1/ops/credits?older_than_s=0&status="+status+"&race_id="+b.raceID, payload{}).
		into(t, http.StatusOK, &page)
	for _, item := range page.Items {
		ids = append(ids, item.RecordID)
	}
	return ids
}

// lose removes credits from the ledger as a restore from a backup does: credit, lines
// and total.
func (b operated) lose(t *testing.T, recordIDs ...string) {
	t.Helper()
	tx, err := b.userDB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	for _, id := range recordIDs {
		for _, statement := range []string{
			`UPDATE user AS u JOIN (SELECT user_id, SUM(points) AS points FROM point WHERE record_id = ? GROUP BY user_id) AS p
				ON p.user_id = u.user_id SET u.total_point = u.total_point - p.points`,
			"DELETE FROM point WHERE record_id = ?", "DELETE FROM credit WHERE record_id = ?",
		} {
			_, err := tx.ExecContext(t.Context(), statement, id)
			require.NoError(t, err)
		}
	}
	require.NoError(t, tx.Commit())
}

// runnersRecord returns the ID of the record of the n-th row that earns points.
func (b operated) runnersRecord(t *testing.T, n int) string {
	t.Helper()
	for _, r := range b.rows {
		if b.book.latest[b.ids[r.bib]].points > 0 {
			if n == 0 {
				return b.ids[r.bib]
			}
			n--
		}
	}
	t.Fatal("too few rows earn points")
	return ""
}

func (b operated) fineStaysAsItIs(t *testing.T) {
	id := b.runnersRecord(t, 0)
	b.completed(t, creditID(b.raceID, id, 1))
	eventually(t, patience, func() error {
		if b.history(t, id).Standings == nil {
			return fmt.Errorf("no standings have taken %s in", id)
		}
		return nil
	})
	for _, body := range []map[string]any{{}, {"confirm": true}} {
		got := b.retry(t, id, body)
		require.Equal(t, "unchanged", got.Outcome, got.Detail)
		require.Equal(t, creditID(b.raceID, id, 1), b.traced(t, got.TraceURL))
	}
	shown := b.history(t, id)
	require.Equal(t, "settled", shown.Condition)
	require.Len(t, shown.Ledger, 1)
	require.Len(t, shown.Revisions[0].Workflow.Runs, 1)
	require.Empty(t, b.listed(t, "pending"))
	b.check(t)
}

func (b operated) lostCreditComesBack(t *testing.T) {
	id := b.runnersRecord(t, 1)
	b.completed(t, creditID(b.raceID, id, 1))
	b.lose(t, id)
	require.Equal(t, "lost", b.history(t, id).Condition)
	require.Equal(t, []string{id}, b.listed(t, "pending"))
	require.Equal(t, []string{id}, b.listed(t, "stuck"))

	got := b.retry(t, id, map[string]any{"reason": "restored from a backup"})
	require.Equal(t, "reset", got.Outcome, got.Detail)
	b.until(t, id, "settled")
	b.check(t)
	require.Equal(t, "unchanged", b.retry(t, id, nil).Outcome)
	eventually(t, patience, func() error { // what search finds is behind
		if runs := b.history(t, id).Revisions[0].Workflow.Runs; len(runs) != 2 {
			return fmt.Errorf("runs: %v", runs)
		}
		return nil
	})
}

func (b operated) terminatedWorkflowStartsAgain(t *testing.T) {
	r := row{bib: "99201", sex: "F", age: 41, gun: "3:33:33", net: "3:33:30", status: "OK", field: "runner"}
	require.Equal(t, 1, b.organizer.importStartList(t, b.raceID, startList([]row{r})).Added)
	b.book.users = b.participants(t, b.raceID)

	require.NoError(t, b.userLink.cut())
	b.postWhileDown(t, r)
	id := b.ids[r.bib]
	workflowID := creditID(b.raceID, id, 1)
	b.showsTheOutage(t, workflowID)
	shown := b.history(t, id)
	require.Equal(t, "unknown", shown.Condition)
	require.Equal(t, []string{"user_db"}, shown.Unavailable)
	require.NotEmpty(t, shown.Revisions[0].Workflow.Pending[0].LastFailure)
	unavailable(t, b.operator.call(t, http.MethodPost, "/v1/ops/credits/"+id+"/retry", payload{}))
	require.NoError(t, b.temporal.TerminateWorkflow(t.Context(), workflowID, "", "by mistake"))
	require.NoError(t, b.userLink.restore(t.Context()))

	shown = b.until(t, id, "failed")
	require.Contains(t, shown.Explanation, "by mistake")
	eventually(t, patience, func() error {
		if failed := b.listed(t, "failed"); !slices.Equal(failed, []string{id}) {
			return fmt.Errorf("failed: %v", failed)
		}
		return nil
	})
	require.Equal(t, "sent", b.retry(t, id, nil).Outcome)
	b.until(t, id, "settled")
	b.check(t)
	require.Empty(t, b.listed(t, "failed"), "the earlier run failed, the last one did not")
}

func (b operated) runningWorkflowIsResetOnRequest(t *testing.T) {
	r := row{bib: "99202", sex: "M", age: 52, gun: "3:44:44", net: "3:44:40", status: "OK", field: "runner"}
	require.Equal(t, 1, b.organizer.importStartList(t, b.raceID, startList([]row{r})).Added)
	b.book.users = b.participants(t, b.raceID)

	// Somebody holds the runner's row, so that the commit waits.
	tx, err := b.userDB.BeginTx(t.Context(), &sql.TxOptions{})
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(t.Context(), "UPDATE user SET phone = phone WHERE user_id = ?", b.book.users[r.bib])
	require.NoError(t, err)
	var name string
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT name FROM user WHERE user_id = ? FOR UPDATE", b.book.users[r.bib]).Scan(&name))

	b.postWhileDown(t, r)
	id := b.ids[r.bib]
	b.showsTheOutage(t, creditID(b.raceID, id, 1))
	require.Contains(t, b.until(t, id, "running").Explanation, "waits for CommitPoints")
	require.Equal(t, "needs_confirmation", b.retry(t, id, nil).Outcome)
	require.Equal(t, "reset", b.retry(t, id, map[string]any{"confirm": true}).Outcome)
	require.NoError(t, tx.Rollback())
	b.until(t, id, "settled")
	b.check(t)
}

// resetByOtherToolsIsLogged resets completed credits as the Web UI and
// `temporal workflow reset` do: the points stay, and the log of actions has each reset
// once. Resets through the API are logged as the operator's action.
func (b operated) resetByOtherToolsIsLogged(t *testing.T) {
	before := b.outsideResets(t)
	require.NotContains(t, fmt.Sprint(before), b.operator.userID, "a reset through the API is logged as a retry")
	for n := range 2 {
		id := creditID(b.raceID, b.runnersRecord(t, n), 1)
		_, err := b.temporal.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
			Reason: "end-to-end test", WorkflowTaskFinishEventId: 4, RequestId: fmt.Sprintf("%s again", id),
		})
		require.NoError(t, err)
		b.completed(t, id)
	}
	b.check(t)
	after := b.outsideResets(t)
	require.Len(t, after, len(before)+2)
	for n, reset := range after[:2] {
		require.Equal(t, "temporal", reset.Actor)
		require.Equal(t, "end-to-end test", reset.Reason)
		require.Equal(t, b.runnersRecord(t, 1-n), reset.Target)
	}
}

// outsideReset is a reset that was not done through the API.
type outsideReset struct {
	Actor  string `json:"actor"`
	Target string `json:"target"`
	Reason string `json:"reason"`
}

func (b operated) outsideResets(t *testing.T) []outsideReset {
	t.Helper()
	var page struct {
		Items []outsideReset `json:"items"`
	}
	b.operator.call(t, http.MethodGet, "/v1/ops/actions?limit=1000&action=reset-credit", payload{}).into(t, http.StatusOK, &page)
	return page.Items
}

// unmatchedIsListed sends messages for a record that does not exist and for a
// revision that a record does not have.
func (b operated) unmatchedIsListed(t *testing.T) {
	known, unknown := b.runnersRecord(t, 3), uuid.Must(uuid.NewV7()).String()
	for _, m := range []message{
		{Version: 1, RaceID: b.raceID, RecordID: unknown, Revision: 1},
		{Version: 1, RaceID: b.raceID, RecordID: known, Revision: 7},
	} {
		body, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, b.callQueue(t.Context(), "SendMessage",
			map[string]any{"QueueUrl": b.QueueURL(), "MessageBody": string(body)}, nil))
	}
	eventually(t, patience, func() error {
		if ids := b.listed(t, "unmatched"); len(ids) != 2 || !slices.Contains(ids, known) || !slices.Contains(ids, unknown) {
			return fmt.Errorf("unmatched: %v", ids)
		}
		return nil
	})
	require.Equal(t, "no_record", b.history(t, unknown).Condition)
	require.Equal(t, "settled", b.history(t, known).Condition)
	b.check(t)
}

func (b operated) wholeListComesBack(t *testing.T) {
	var lost []string
	for n := range 5 {
		lost = append(lost, b.runnersRecord(t, n))
		b.completed(t, creditID(b.raceID, lost[n], 1))
	}
	b.lose(t, lost...)
	var got struct {
		Outcomes   map[string]int `json:"outcomes"`
		NextCursor string         `json:"next_cursor"`
	}
	resets := 0
	for cursor := ""; ; {
		got.NextCursor, got.Outcomes = "", nil
		b.operator.call(t, http.MethodPost, "/v1/ops/credits/retry", inJSON(t, map[string]any{
			"status": "stuck", "older_than_s": 0, "race_id": b.raceID, "limit": 2, "cursor": cursor,
		})).into(t, http.StatusOK, &got)
		resets += got.Outcomes["reset"]
		if cursor = got.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(t, len(lost), resets)
	for _, id := range lost {
		b.until(t, id, "settled")
	}
	b.check(t)
}

func (b operated) deadLettersAreEmptied(t *testing.T) {
	id := b.runnersRecord(t, 2)
	ours, err := json.Marshal(message{Version: 1, RaceID: b.raceID, RecordID: id, Revision: 1})
	require.NoError(t, err)
	for _, body := range []string{string(ours), "not ours"} {
		require.NoError(t, b.callQueue(t.Context(), "SendMessage",
			map[string]any{"QueueUrl": b.DeadLetterQueueURL(), "MessageBody": body}, nil))
	}
	var page struct {
		Items []struct {
			MessageID string `json:"message_id"`
			RecordID  string `json:"record_id"`
			Broken    string `json:"broken"`
		} `json:"items"`
	}
	b.operator.call(t, http.MethodGet, "/v1/ops/dead-letters", payload{}).into(t, http.StatusOK, &page)
	require.Len(t, page.Items, 2)
	broken := page.Items[0]
	if broken.RecordID == id {
		broken = page.Items[1]
	}
	require.NotEmpty(t, broken.Broken)

	var redriven struct {
		Redriven int `json:"redriven"`
		Broken   int `json:"broken"`
	}
	b.operator.call(t, http.MethodPost, "/v1/ops/dead-letters/redrive", inJSON(t, map[string]any{"all": true})).
		into(t, http.StatusOK, &redriven)
	require.Equal(t, [2]int{1, 1}, [2]int{redriven.Redriven, redriven.Broken})
	discard := "/v1/ops/dead-letters/" + broken.MessageID + "/discard"
	b.operator.call(t, http.MethodPost, discard, inJSON(t, map[string]any{"reason": "of another team"})).into(t, http.StatusOK, nil)
	for _, url := range []string{b.DeadLetterQueueURL(), b.QueueURL()} {
		eventually(t, patience, func() error {
			n, err := b.depth(t.Context(), url)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d messages are on %s", n, url)
			}
			return err
		})
	}
	b.check(t)

	var actions struct {
		Items []struct {
			OperatorID string         `json:"operator_id"`
			Reason     string         `json:"reason"`
			Before     map[string]any `json:"before"`
		} `json:"items"`
	}
	b.operator.call(t, http.MethodGet, "/v1/ops/actions?target="+broken.MessageID, payload{}).into(t, http.StatusOK, &actions)
	require.Len(t, actions.Items, 1)
	require.Equal(t, b.operator.userID, actions.Items[0].OperatorID)
	require.Equal(t, "of another team", actions.Items[0].Reason)
	require.Equal(t, "not ours", actions.Items[0].Before["body"])
}

func (b operated) totalIsRebuilt(t *testing.T) {
	userID := b.book.users[bibKey(b.rows[0].bib)]
	_, err := b.userDB.ExecContext(t.Context(), "UPDATE user SET total_point = total_point + 17 WHERE user_id = ?", userID)
	require.NoError(t, err)
	require.Error(t, b.balanced(t.Context()))
	var got struct {
		Before int64 `json:"before"`
		After  int64 `json:"after"`
	}
	b.operator.call(t, http.MethodPost, "/v1/ops/users/"+userID+"/rebuild-total", payload{}).into(t, http.StatusOK, &got)
	require.Equal(t, b.book.totals()[userID], got.After)
	require.Equal(t, got.After+17, got.Before)
	b.check(t)
}

func (b operated) auditRunsNow(t *testing.T) {
	var started struct {
		WorkflowID string `json:"workflow_id"`
		RunID      string `json:"run_id"`
	}
	b.operator.call(t, http.MethodPost, "/v1/ops/audit", payload{}).into(t, http.StatusAccepted, &started)
	b.completed(t, started.WorkflowID)
	eventually(t, patience, func() error {
		var audits struct {
			Items []struct {
				RunID string         `json:"run_id"`
				Found map[string]any `json:"found"`
			} `json:"items"`
		}
		b.operator.call(t, http.MethodGet, "/v1/ops/audit", payload{}).into(t, http.StatusOK, &audits)
		for _, audit := range audits.Items {
			if audit.RunID == started.RunID && audit.Found != nil {
				return nil
			}
		}
		return fmt.Errorf("audits: %+v", audits.Items)
	})
	b.check(t)
}

func (b operated) historyWithoutTemporal(t *testing.T) {
	settled, lost := b.runnersRecord(t, 0), b.runnersRecord(t, 1)
	require.NoError(t, b.Kill(stack.Temporal))
	b.lose(t, lost)
	require.Equal(t, "settled", b.history(t, settled).Condition)
	shown := b.history(t, lost)
	require.Equal(t, "unknown", shown.Condition)
	require.Equal(t, []string{"temporal"}, shown.Unavailable)
	require.Equal(t, []string{lost}, b.listed(t, "pending"))
	require.Empty(t, b.listed(t, "failed"), "as of Temporal's last answer")
	require.Equal(t, "unchanged", b.retry(t, settled, nil).Outcome)
	unavailable(t, b.operator.call(t, http.MethodPost, "/v1/ops/credits/"+lost+"/retry", payload{}))
	require.NoError(t, b.StartPart(t.Context(), stack.Temporal))

	b.until(t, lost, "lost")
	require.Equal(t, "reset", b.retry(t, lost, nil).Outcome)
	b.until(t, lost, "settled")
	b.check(t)
}
