package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// disputed gives the runner a result in the race, and returns the path of its record.
func (b *testBundle) disputed(t *testing.T) (record string) {
	t.Helper()
	path := "/v1/races/" + b.race.ID
	b.as(t, runner, http.MethodPost, path+"/participants", "", http.StatusCreated)
	answer := b.send(t, http.MethodPost, path+"/participants/import", b.tokens[owner], "bib,login_id\n7,runner@example.net\n", http.Header{"Content-Type": {"text/csv"}})
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	posted := b.as(t, owner, http.MethodPost, path+"/official-records", `{"bib":"7","gun_time":"3:59:05"}`, http.StatusCreated)
	return path + "/official-records/" + fmt.Sprint(posted["record_id"])
}

// TestDispute follows disputes to each of their ends.
func TestDispute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path, record := "/v1/races/"+b.race.ID+"/disputes", b.disputed(t)

	b.as(t, otherRunner, http.MethodPost, record+"/disputes", `{"wrong":"not mine"}`, http.StatusForbidden)
	opened := b.as(t, runner, http.MethodPost, record+"/disputes", `{"wrong":"my chip was not read","right_would_be":"3:58:20"}`, http.StatusCreated)
	b.as(t, runner, http.MethodPost, record+"/disputes", `{"wrong":"twice"}`, http.StatusConflict)
	answer := path + "/" + fmt.Sprint(opened["dispute_id"]) + "/answer"
	require.Len(t, items(t, b.as(t, viewer, http.MethodGet, path+"?state=open", "", http.StatusOK)), 1)
	b.as(t, viewer, http.MethodPost, answer, `{"decision":"rejected","reason":"no"}`, http.StatusForbidden)
	b.as(t, timing, http.MethodPost, answer, `{"decision":"upheld","reason":"as the video shows"}`, http.StatusConflict) // nothing was corrected

	corrected := b.send(t, http.MethodPatch, record, b.tokens[timing], `{"gun_time":"3:58:20","reason":"finish video","private_note":"camera 2"}`,
		http.Header{"Content-Type": {"application/json"}, "If-Match": {"1"}})
	require.Equal(t, http.StatusOK, corrected.Code, corrected.Body)
	upheld := b.as(t, timing, http.MethodPost, answer, `{"decision":"upheld","reason":"as the video shows","private_note":"ask the referee"}`, http.StatusOK)
	require.Equal(t, map[string]any{"state": "upheld", "answered_revision": 2.0}, map[string]any{"state": upheld["state"], "answered_revision": upheld["answered_revision"]})
	require.Equal(t, upheld, b.as(t, timing, http.MethodPost, answer, `{"decision":"upheld","reason":"as the video shows"}`, http.StatusOK), "a retry")
	b.as(t, timing, http.MethodPost, answer, `{"decision":"rejected","reason":"no"}`, http.StatusConflict)

	history := b.as(t, viewer, http.MethodGet, record, "", http.StatusOK)
	require.Len(t, history["disputes"], 1)
	require.Contains(t, fmt.Sprint(history["disputes"]), "my chip was not read")
	mine := items(t, b.as(t, runner, http.MethodGet, "/v1/me/disputes", "", http.StatusOK))
	require.Equal(t, "as the video shows", mine[0]["reason"])
	require.NotContains(t, fmt.Sprint(mine), "referee")
	log := fmt.Sprint(b.as(t, viewer, http.MethodGet, "/v1/races/"+b.race.ID+"/changes", "", http.StatusOK))
	require.Contains(t, log, "camera 2")
	require.Contains(t, log, "ask the referee")
	require.NotContains(t, log, "my chip", "what a runner writes is not in the change log")
	require.NotContains(t, fmt.Sprint(b.as(t, runner, http.MethodGet, "/v1/me/changes", "", http.StatusOK)), "referee")

	again := b.as(t, runner, http.MethodPost, record+"/disputes", `{"wrong":"still wrong"}`, http.StatusCreated)
	withdraw := "/v1/me/disputes/" + fmt.Sprint(again["dispute_id"]) + "/withdraw"
	b.as(t, otherRunner, http.MethodPost, withdraw, "", http.StatusNotFound)
	b.as(t, runner, http.MethodPost, withdraw, "", http.StatusOK)
	b.as(t, runner, http.MethodPost, withdraw, "", http.StatusOK)

	b.as(t, runner, http.MethodPost, record+"/disputes", `{"wrong":"a name that must go: Ada Example"}`, http.StatusCreated)
	b.as(t, runner, http.MethodDelete, "/v1/me", `{"password":"six stars to go"}`, http.StatusNoContent)
	left := items(t, b.as(t, owner, http.MethodGet, path, "", http.StatusOK))
	require.Equal(t, "withdrawn", left[0]["state"])
	require.NotContains(t, fmt.Sprint(left), "Ada")
	require.NotContains(t, fmt.Sprint(left), "my chip")
}

// TestOpenDisputeHoldsUpPublication: standings do not become official over an open
// dispute unless somebody says so, with a reason.
func TestOpenDisputeHoldsUpPublication(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(t *testing.T, b *testBundle, path string, disputeID any) (logged string){
		"answered": func(t *testing.T, b *testBundle, path string, disputeID any) string {
			t.Helper()
			b.as(t, owner, http.MethodPost, path+"/disputes/"+fmt.Sprint(disputeID)+"/answer", `{"decision":"rejected","reason":"the video says otherwise"}`, http.StatusOK)
			return "dispute.rejected"
		},
		"despite it": func(t *testing.T, b *testBundle, path string, _ any) string {
			t.Helper()
			b.as(t, owner, http.MethodPost, path+"/finalize", `{"despite_disputes":true}`, http.StatusUnprocessableEntity) // why?
			b.as(t, owner, http.MethodPost, path+"/finalize", `{"despite_disputes":true,"reason":"the prize giving cannot wait"}`, http.StatusAccepted)
			return "race.finalize_despite_disputes"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			path, record := "/v1/races/"+b.race.ID, b.disputed(t)
			dispute := b.as(t, runner, http.MethodPost, record+"/disputes", `{"wrong":"my chip was not read"}`, http.StatusCreated)
			held := b.as(t, owner, http.MethodPost, path+"/finalize", `{"protest_window_s":0}`, http.StatusAccepted)
			require.Equal(t, []any{"held", 1.0}, []any{held["state"], held["open_disputes"]})

			late := func() time.Time { return time.Now().Add(time.Hour) } // pending credits are not waited for any more
			worker := activities.NewStandings(b.outcomes, b.parts.userDB.Store, late, activities.NewStandingsMetrics(telemetry.NewRegistry()))
			now, err := worker.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: b.race.ID})
			require.NoError(t, err)
			require.Equal(t, race.Provisional, now.Status)
			require.Equal(t, 1, now.Disputes)
			require.Zero(t, now.PublishAt, "the workflow does not wait: the answer wakes it")

			logged := release(t, b, path, dispute["dispute_id"])
			now, err = worker.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: b.race.ID})
			require.NoError(t, err)
			require.Equal(t, race.Official, now.Status)
			changes, err := b.parts.mainDB.Changes(t.Context(), maindb.ChangeFilter{RaceID: b.race.ID}, "", 3)
			require.NoError(t, err)
			require.Equal(t, []string{"standings.published", "race.published", logged}, []string{changes[0].Action, changes[1].Action, changes[2].Action})
			require.NotEmpty(t, changes[2].Reason)
		})
	}
}
