package standings_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestMyResults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine := func(bib, query string) answer {
		return b.call(t, http.MethodGet, "/v1/me/results"+query, "runner/"+b.users[bib], "")
	}
	before := mine("3", "")
	require.Equal(t, []any{"none"}, before.items(t, "standings"))
	require.Equal(t, []any{map[string]any{"status": "pending", "trace_url": "http://trace/" + b.records["3"] + "/r1"}}, before.items(t, "credit"))

	b.creditAll(t)
	b.recompute(t)
	list, ok := mine("3", "").body["items"].([]any)
	require.True(t, ok)
	require.Equal(t, []any{map[string]any{
		"race_id": b.raceID, "race": "Test Marathon", "date": "2026-04-20", "distance_m": 42195., "record_id": b.records["3"],
		"revision": 1., "field": "runner", "bib": "3", "status": "OK", "basis": "gun", "gun_time": "2:13:22", "net_time": "2:13:06",
		"place": 3., "finishers": 4., "sex_place": 1., "division": "M40+", "division_place": 2., "version": 1., "standings": "provisional",
		"credit": map[string]any{"status": "credited", "points": 300., "parts": map[string]any{"rule": "agegrade-2025", "age_grade_percent": 30.}, "trace_url": "http://trace/credit/3/r1"},
	}}, list)

	b.patch(t, "3", "cut the course", maindb.RecordPatch{Status: new(race.Disqualified)})
	corrected := mine("3", "")
	require.Equal(t, []any{"DQ"}, corrected.items(t, "status"))
	require.Equal(t, []any{3.}, corrected.items(t, "place")) // of version 1 still
	credit, ok := corrected.items(t, "credit")[0].(map[string]any)
	require.True(t, ok)
	require.Equal(t, "pending", credit["status"])
	require.Equal(t, http.StatusUnprocessableEntity, mine("3", "?cursor=x").status)
	require.Empty(t, b.call(t, http.MethodGet, "/v1/me/results", "runner/"+newID(), "").items(t, "bib"))
}

// TestMyResultsWhenTheLedgerIsAhead: after a restore the ledger may have a revision
// that the record does not have. Its points are not the record's.
func TestMyResultsWhenTheLedgerIsAhead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: b.records["3"], RaceID: b.raceID, Revision: 2, Status: race.Credited, UserID: b.users["3"],
		Points: 999, Rule: "agegrade", Edition: "2025", WorkflowID: "credit/3/r2",
	})
	require.NoError(t, err)
	credits := b.call(t, http.MethodGet, "/v1/me/results", "runner/"+b.users["3"], "").items(t, "credit")
	require.Equal(t, []any{map[string]any{"status": "pending", "trace_url": "http://trace/" + b.records["3"] + "/r1"}}, credits)
}
