package ops_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

// retried is the answer to a retry.
type retried struct {
	Revision   int    `json:"revision"`
	Outcome    string `json:"outcome"`
	Condition  string `json:"condition"`
	Detail     string `json:"detail"`
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	TraceURL   string `json:"trace_url"`
}

func (b *bundle) retry(t *testing.T, r race.Record, body any) retried {
	t.Helper()
	return decode[retried](t, b.call(t, http.MethodPost, "/v1/ops/credits/"+r.ID+"/retry", body), http.StatusOK)
}

func TestRetryOfASettledRecordChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	credited, rejected := b.post(t, b.raceID, "1"), b.post(t, b.raceID, "2")
	b.settle(t, credited, race.Credited)
	b.settle(t, rejected, race.Rejected)

	got := b.retry(t, credited, object{"reason": "a runner asks"})
	require.Equal(t, "unchanged", got.Outcome)
	require.Equal(t, "settled", got.Condition)
	require.Contains(t, got.Detail, "Nothing was changed. Revision 1 is credited with 701 points")
	require.Equal(t, "http://ui/"+got.WorkflowID, got.TraceURL)

	last := b.lastAction(t)
	require.Equal(t, "retry-credit", last.Action)
	require.Equal(t, credited.ID, last.Target)
	require.Equal(t, "a runner asks", last.Reason)
	require.Equal(t, object{
		"condition": "settled", "revision": 1.0,
		"credit": object{"revision": 1.0, "status": "credited", "points": 701.0, "user_id": runnerID},
	}, last.Before)
	require.Equal(t, object{"outcome": "unchanged"}, last.After)

	got = b.retry(t, rejected, nil)
	require.Equal(t, "unchanged", got.Outcome)
	require.Contains(t, got.Detail, "no participant with bib 2")
	require.Empty(t, b.temporal.resets)
	require.Zero(t, b.outbox(t))
}

func TestRetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		workflow  temporal.Status // of the latest revision; empty: none
		body      any
		condition string
		outcome   string
		sent      int
		resets    int
	}{
		"never started":                       {"", nil, "no_workflow", "sent", 1, 0},
		"failed":                              {"Failed", nil, "failed", "sent", 1, 0},
		"terminated":                          {"Terminated", object{"reason": "by mistake"}, "failed", "sent", 1, 0},
		"completed, and the ledger lost it":   {"Completed", object{"reason": "restore"}, "lost", "reset", 0, 1},
		"running":                             {"Running", nil, "running", "needs_confirmation", 0, 0},
		"running, and confirmed":              {"Running", object{"confirm": true}, "running", "reset", 0, 1},
		"older than the latest in the ledger": {"Completed", nil, "lost", "reset", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := b.post(t, b.raceID, "7")
			if name == "older than the latest in the ledger" {
				b.settle(t, r, race.Credited)
				r = b.correct(t, r, 5_200_000)
			}
			if c.workflow != "" {
				b.runs(r, c.workflow)
			}
			got := b.retry(t, r, c.body)
			require.Equal(t, c.outcome, got.Outcome, got.Detail)
			require.Equal(t, c.condition, got.Condition)
			require.NotEmpty(t, got.Detail)
			require.Equal(t, workflowID(r.RaceID, r.ID, r.Revision), got.WorkflowID)
			require.Len(t, b.temporal.resets, c.resets)
			if c.resets == 1 {
				require.Equal(t, "new-run", got.RunID)
				require.Contains(t, b.temporal.resets[0], got.WorkflowID+" run-of-7 operator "+operatorID+", action ")
			}
			last := b.lastAction(t)
			require.Equal(t, c.outcome, last.After["outcome"])

			// Once more, before anything has moved: no row is added to the outbox twice.
			if c.sent == 1 {
				require.EqualValues(t, 1, b.pokes.Load())
				require.Equal(t, "on_its_way", b.retry(t, r, nil).Outcome)
			}
			require.Equal(t, c.sent, b.outbox(t))
		})
	}
}

func TestRetryLeavesADamagedLedgerAlone(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"the line is gone":        "DELETE FROM point",
		"the line says something": "UPDATE point SET points = points + 1",
		"the credit is gone":      "DELETE FROM credit",
		"the credit has another":  "UPDATE credit SET points = 5",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := b.post(t, b.raceID, "7")
			b.settle(t, r, race.Credited)
			b.runs(r, temporal.Completed)
			b.inUser(t, damage)
			got := b.retry(t, r, object{"confirm": true})
			require.Equal(t, "unchanged", got.Outcome)
			require.Equal(t, "damaged", got.Condition)
			require.Contains(t, got.Detail, "do not add up")
			require.Empty(t, b.temporal.resets)
			require.Zero(t, b.outbox(t))
		})
	}
}

func TestRetryWhileTemporalIsDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	settled, pending := b.post(t, b.raceID, "1"), b.post(t, b.raceID, "2")
	b.settle(t, settled, race.Credited)
	b.temporal.down = true
	require.Equal(t, "unchanged", b.retry(t, settled, nil).Outcome, "the ledger alone says so")
	answer := b.call(t, http.MethodPost, "/v1/ops/credits/"+pending.ID+"/retry", nil)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), "Temporal does not answer")
	require.NotEmpty(t, answer.Header().Get("Retry-After"))

	// A reset that fails is recorded as such.
	b.temporal.down = false
	b.runs(pending, temporal.Completed)
	b.temporal.noReset = true
	require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodPost, "/v1/ops/credits/"+pending.ID+"/retry", nil).Code)
	last := b.lastAction(t)
	require.Equal(t, "failed", last.After["outcome"])
	require.Contains(t, last.After["error"], "connection refused")
}

func TestRetryOfAnUnknownRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []string{newID(), "7"} {
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/credits/"+id+"/retry", nil).Code)
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, "/v1/ops/credits/"+id, nil).Code)
	}
	items, _ := b.actions(t, "")
	require.Empty(t, items)
}

func TestRetryOfAWholeList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lost, gone, working := b.post(t, b.raceID, "1"), b.post(t, b.raceID, "2"), b.post(t, b.raceID, "3")
	b.runs(lost, temporal.Completed)
	b.runs(working, temporal.Running)
	b.settle(t, b.post(t, b.raceID, "4"), race.Credited)
	elsewhere := b.post(t, b.addRace(t), "1")

	type answer struct {
		Examined int            `json:"examined"`
		Outcomes map[string]int `json:"outcomes"`
		Items    []struct {
			RecordID string `json:"record_id"`
			Outcome  string `json:"outcome"`
		} `json:"items"`
		NextCursor string `json:"next_cursor"`
	}
	call := func(body object) answer {
		return decode[answer](t, b.call(t, http.MethodPost, "/v1/ops/credits/retry", body), http.StatusOK)
	}
	first := call(object{"status": "stuck", "older_than_s": 0, "race_id": b.raceID, "limit": 2, "reason": "after the outage"})
	require.Equal(t, map[string]int{"reset": 1, "sent": 1}, first.Outcomes)
	require.Equal(t, 2, first.Examined)
	last := b.lastAction(t)
	require.Equal(t, "retry-credits", last.Action)
	require.Equal(t, object{"outcome": "reset", "run_id": "new-run"}, last.After[lost.ID])
	require.Equal(t, object{"outcome": "sent"}, last.After[gone.ID])

	second := call(object{"status": "stuck", "older_than_s": 0, "race_id": b.raceID, "limit": 2, "cursor": first.NextCursor})
	require.Equal(t, map[string]int{"needs_confirmation": 1}, second.Outcomes)
	require.Empty(t, second.NextCursor)
	require.Equal(t, 1, b.outbox(t))

	all := call(object{"status": "pending", "confirm": true})
	require.Equal(t, map[string]int{"reset": 2, "sent": 2}, all.Outcomes)
	require.Equal(t, elsewhere.ID, all.Items[3].RecordID)
	require.Zero(t, call(object{"status": "stuck"}).Examined, "nothing is pending for ten minutes")

	refused := b.call(t, http.MethodPost, "/v1/ops/credits/retry", object{"status": "rejected"})
	require.Equal(t, http.StatusUnprocessableEntity, refused.Code)
	require.Contains(t, refused.Body.String(), "body.status")
}
