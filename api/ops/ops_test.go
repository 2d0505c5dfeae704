package ops_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

func TestRebuildTotal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.settle(t, b.post(t, b.raceID, "7"), race.Credited)
	b.inUser(t, "UPDATE user SET total_point = 5")
	type rebuilt struct {
		Before  int64 `json:"before"`
		After   int64 `json:"after"`
		Changed bool  `json:"changed"`
	}
	path := "/v1/ops/users/" + runnerID + "/rebuild-total"
	got := decode[rebuilt](t, b.call(t, http.MethodPost, path, object{"reason": "the audit found it"}), http.StatusOK)
	require.Equal(t, rebuilt{Before: 5, After: 701, Changed: true}, got)
	last := b.lastAction(t)
	require.Equal(t, object{"total_point": 5.0, "sum_of_lines": 701.0}, last.Before)
	require.Equal(t, object{"total_point": 701.0}, last.After)
	require.Equal(t, rebuilt{Before: 701, After: 701}, decode[rebuilt](t, b.call(t, http.MethodPost, path, nil), http.StatusOK))
	for _, id := range []string{newID(), "7"} {
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/users/"+id+"/rebuild-total", nil).Code)
	}
	b.temporal.hangs = true
	answer := b.call(t, http.MethodPost, path, nil)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), "the worker has not rebuilt the total yet")
	require.Contains(t, answer.Body.String(), "http://ui/total/"+runnerID+"/total-run/history")
}

func TestActionsAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.call(t, http.MethodPost, "/v1/ops/audit", nil)
	b.temporal.down = true
	b.call(t, http.MethodPost, "/v1/ops/audit", nil)
	b.call(t, http.MethodPost, "/v1/ops/audit", nil)
	require.Equal(t, map[string]float64{"run-audit done": 1, "run-audit failed": 2}, b.actionsTaken(t))
}

// actionsTaken is what the metric says, without what is 0: there are some.
func (b *bundle) actionsTaken(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := b.registry.Gather()
	require.NoError(t, err)
	taken, zero := map[string]float64{}, 0
	for _, family := range families {
		if family.GetName() != "mrmrthon_operator_actions_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			if n := m.GetCounter().GetValue(); n > 0 {
				taken[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = n
				continue
			}
			zero++
		}
	}
	require.Positive(t, zero, "an action that nobody took is there as 0")
	return taken
}

func TestAuditNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	started := decode[struct {
		WorkflowID string `json:"workflow_id"`
		TraceURL   string `json:"trace_url"`
	}](t, b.call(t, http.MethodPost, "/v1/ops/audit", nil), http.StatusAccepted)
	require.Equal(t, "audit-credits/now", started.WorkflowID)
	require.Equal(t, "http://ui/audit-credits/now/audit-run/history", started.TraceURL)
	require.Equal(t, "run-audit", b.lastAction(t).Action)

	b.temporal.audits = []temporal.Run{
		{WorkflowID: "w", RunID: "2", Status: temporal.Running, StartedAt: time.Now()},
		{WorkflowID: "w", RunID: "1", Status: temporal.Completed, StartedAt: time.Now(), ClosedAt: time.Now()},
	}
	b.temporal.found = object{"lost": 3}
	audits := decode[struct {
		Items []struct {
			RunID string         `json:"run_id"`
			Found map[string]int `json:"found"`
		} `json:"items"`
	}](t, b.call(t, http.MethodGet, "/v1/ops/audit", nil), http.StatusOK)
	require.Len(t, audits.Items, 2)
	require.Equal(t, map[string]int{"lost": 3}, audits.Items[1].Found)

	b.temporal.down = true
	require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodPost, "/v1/ops/audit", nil).Code)
	require.Contains(t, b.lastAction(t).After["error"], "does not answer")
	require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodGet, "/v1/ops/audit", nil).Code)
}

func TestActionsComeInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.call(t, http.MethodPost, "/v1/ops/audit", nil)
	}
	b.call(t, http.MethodPost, "/v1/ops/users/"+runnerID+"/rebuild-total", nil)
	seen := 0
	for cursor := ""; ; {
		items, next := b.actions(t, "?limit=2&cursor="+cursor)
		seen += len(items)
		if cursor = next; cursor == "" {
			break
		}
	}
	require.Equal(t, 4, seen)
	of, _ := b.actions(t, "?target="+runnerID)
	require.Len(t, of, 1)
	of, _ = b.actions(t, "?action=run-audit")
	require.Len(t, of, 3)
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodGet, "/v1/ops/actions?action=sing", nil).Code)
}

func TestRecomputeARace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var woken []string
	b.wake = func(raceID string) error {
		woken = append(woken, raceID)
		return nil
	}
	path := "/v1/ops/races/" + b.raceID + "/recompute"
	got := decode[struct {
		WorkflowID string `json:"workflow_id"`
		TraceURL   string `json:"trace_url"`
	}](t, b.call(t, http.MethodPost, path, object{"reason": "a protest"}), http.StatusAccepted)
	require.Equal(t, []string{b.raceID}, woken)
	require.Equal(t, "standings/"+b.raceID, got.WorkflowID)
	require.Equal(t, "http://ui/standings/"+b.raceID, got.TraceURL)
	last := b.lastAction(t)
	require.Equal(t, "recompute-standings", last.Action)
	require.Equal(t, b.raceID, last.Target)

	for _, id := range []string{newID(), "7"} {
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/races/"+id+"/recompute", nil).Code)
	}
	b.wake = func(string) error { return errors.New("no answer") }
	require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodPost, path, nil).Code)
}

func TestRecomputeASeries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var woken []string
	b.wake = func(seriesID string) error {
		woken = append(woken, seriesID)
		return nil
	}
	made, err := b.main.CreateSeries(t.Context(), maindb.Series{ID: newID(), OrganizerID: newID(), Name: "Park Series"})
	require.NoError(t, err)
	path := "/v1/ops/series/" + made.ID + "/recompute"
	got := decode[struct {
		WorkflowID string `json:"workflow_id"`
	}](t, b.call(t, http.MethodPost, path, object{"reason": "a protest"}), http.StatusAccepted)
	require.Equal(t, []string{made.ID}, woken)
	require.Equal(t, "series/"+made.ID, got.WorkflowID)
	last := b.lastAction(t)
	require.Equal(t, "recompute-series", last.Action)
	require.Equal(t, made.ID, last.Target)
	for _, id := range []string{newID(), "7"} {
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/series/"+id+"/recompute", nil).Code)
	}
	b.wake = func(string) error { return errors.New("no answer") }
	require.Equal(t, http.StatusServiceUnavailable, b.call(t, http.MethodPost, path, nil).Code)
}

func TestResetsOutsideTheAPIAreListedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	outside := maindb.Action{
		ID: newID(), Actor: maindb.ActorTemporal, Name: "reset-credit", Target: newID(), Reason: "by hand",
		Before: json.RawMessage(`{"run_id":"a"}`), After: json.RawMessage(`{"run_id":"b"}`), StartedAt: time.Now(), FinishedAt: time.Now(),
	}
	run := newID()
	for i := range 2 {
		outside.ID = newID()
		added, err := b.outcomes.AddOutsideAction(t.Context(), outside, run)
		require.NoError(t, err)
		require.Equal(t, i == 0, added)
	}
	items, _ := b.actions(t, "?action=reset-credit")
	require.Len(t, items, 1)
	require.Equal(t, "temporal", items[0].Actor)
	require.Empty(t, items[0].OperatorID)
	require.Equal(t, "by hand", items[0].Reason)
}
