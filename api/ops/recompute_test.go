package ops_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

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
