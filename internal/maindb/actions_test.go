package maindb_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

func TestActionsAreKeptWithWhatWasBeforeAndAfter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	began := b.clock.Now()
	cutOff := maindb.Action{
		ID: newID(), OperatorID: newID(), Name: "rebuild-total", Target: newID(), Reason: "asked for",
		Before: json.RawMessage(`{"total":1}`),
	}
	require.NoError(t, b.store.BeginAction(t.Context(), cutOff))
	over := maindb.Action{
		ID: newID(), OperatorID: newID(), Name: "retry-credit", Target: newID(), Before: json.RawMessage(`{"status":"pending"}`),
	}
	require.NoError(t, b.store.BeginAction(t.Context(), over))
	b.clock.Advance(time.Second)
	ended := over
	ended.After = json.RawMessage(`{"outcome":"sent"}`)
	require.NoError(t, b.store.FinishAction(t.Context(), ended, maindb.ActionDone))

	earlier := maindb.Action{ // from before actions were changes
		ID: "0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07", Actor: maindb.ActorOperator, OperatorID: newID(), Name: "run-audit", Before: json.RawMessage("null"), After: json.RawMessage(`{}`), StartedAt: began, FinishedAt: began,
	}
	_, err := b.db.ExecContext(t.Context(), `INSERT INTO operator_action (action_id, operator_id, action, target, reason, state_before, state_after, started_at, finished_at)
VALUES (?, ?, ?, '', '', 'null', '{}', ?, ?)`, earlier.ID, earlier.OperatorID, earlier.Name, began, began)
	require.NoError(t, err)
	cutOff.Actor, over.Actor = maindb.ActorOperator, maindb.ActorOperator
	cutOff.After, cutOff.StartedAt = json.RawMessage("null"), began
	over.After, over.StartedAt, over.FinishedAt = json.RawMessage(`{"outcome":"sent"}`), began, b.clock.Now()
	all, err := b.store.Actions(t.Context(), maindb.ActionFilter{}, "", 10)
	require.NoError(t, err)
	require.Equal(t, []maindb.Action{over, cutOff, earlier}, all)
	for id, known := range map[string]bool{over.ID: true, earlier.ID: true, newID(): false} {
		found, err := b.store.HasAction(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, known, found)
	}

	for name, c := range map[string]struct {
		filter maindb.ActionFilter
		before string
		want   []maindb.Action
	}{
		"next page":   {maindb.ActionFilter{}, over.ID, []maindb.Action{cutOff, earlier}},
		"earlier":     {maindb.ActionFilter{Name: "run-audit"}, "", []maindb.Action{earlier}},
		"a short one": {maindb.ActionFilter{}, cutOff.ID, []maindb.Action{earlier}},
		"of a name":   {maindb.ActionFilter{Name: "retry-credit"}, "", []maindb.Action{over}},
		"of a thing":  {maindb.ActionFilter{Target: cutOff.Target}, "", []maindb.Action{cutOff}},
		"of neither":  {maindb.ActionFilter{Name: "retry-credit", Target: cutOff.Target}, "", []maindb.Action{}},
	} {
		got, err := b.store.Actions(t.Context(), c.filter, c.before, 10)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

// TestResetsFromBeforeActionsWereChanges: the step that notes a reset may be done again by
// a newer program than the one that did it first.
func TestResetsFromBeforeActionsWereChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run, at := newID(), b.clock.Now()
	_, err := b.db.ExecContext(t.Context(), `INSERT INTO operator_action (action_id, operator_id, actor, run_id, action, target, reason, state_before, state_after, started_at, finished_at)
VALUES (?, '', 'temporal', ?, 'reset-credit', '', '', 'null', '{}', ?, ?)`, newID(), run, at, at)
	require.NoError(t, err)
	reset := maindb.Action{Actor: maindb.ActorTemporal, Name: "reset-credit", Target: newID(), Before: json.RawMessage("null"), After: json.RawMessage(`{}`), StartedAt: at, FinishedAt: at}
	for id, fresh := range map[string]bool{run: false, newID(): true} {
		added, err := b.store.AddOutsideAction(t.Context(), reset, id)
		require.NoError(t, err)
		require.Equal(t, fresh, added)
	}
	all, err := b.store.Actions(t.Context(), maindb.ActionFilter{}, "", 10)
	require.NoError(t, err)
	require.Len(t, all, 2)
}
