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
		Before: json.RawMessage(`{"total": 1}`),
	}
	require.NoError(t, b.store.BeginAction(t.Context(), cutOff))
	over := maindb.Action{
		ID: newID(), OperatorID: newID(), Name: "retry-credit", Target: newID(), Before: json.RawMessage(`{"status": "pending"}`),
	}
	require.NoError(t, b.store.BeginAction(t.Context(), over))
	b.clock.Advance(time.Second)
	require.NoError(t, b.store.FinishAction(t.Context(), over.ID, json.RawMessage(`{"outcome": "sent"}`)))

	cutOff.Actor, over.Actor = maindb.ActorOperator, maindb.ActorOperator
	cutOff.After, cutOff.StartedAt = json.RawMessage("null"), began
	over.After, over.StartedAt, over.FinishedAt = json.RawMessage(`{"outcome": "sent"}`), began, b.clock.Now()
	all, err := b.store.Actions(t.Context(), maindb.ActionFilter{}, "", 10)
	require.NoError(t, err)
	require.Equal(t, []maindb.Action{over, cutOff}, all)

	for name, c := range map[string]struct {
		filter maindb.ActionFilter
		before string
		want   []maindb.Action
	}{
		"next page":  {maindb.ActionFilter{}, over.ID, []maindb.Action{cutOff}},
		"of a name":  {maindb.ActionFilter{Name: "retry-credit"}, "", []maindb.Action{over}},
		"of a thing": {maindb.ActionFilter{Target: cutOff.Target}, "", []maindb.Action{cutOff}},
		"of neither": {maindb.ActionFilter{Name: "retry-credit", Target: cutOff.Target}, "", []maindb.Action{}},
	} {
		got, err := b.store.Actions(t.Context(), c.filter, c.before, 10)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}
