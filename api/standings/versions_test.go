package standings_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Empty(t, b.get(t, "/standings/versions").items(t, "version"))
	b.recompute(t)
	for _, bib := range []string{"1", "2", "3"} {
		b.credit(t, bib, 500)
		b.recompute(t)
	}
	all := b.get(t, "/standings/versions")
	require.Equal(t, []any{4., 3., 2., 1.}, all.items(t, "version"))
	require.Len(t, all.items(t, "inputs_hash")[0], 64)
	require.Equal(t, map[string]any{
		"edition":   1.,
		"ranking":   map[string]any{"basis": "gun", "divisions_basis": "net", "ties": "share"},
		"divisions": []any{map[string]any{"name": "F open", "sex": "F"}, map[string]any{"name": "M40+", "sex": "M", "min_age": 40.}},
		"scoring":   "agegrade-2025",
	}, all.items(t, "ruleset")[0])
	page := b.get(t, "/standings/versions?limit=3")
	cursor, ok := page.body["next_cursor"].(string)
	require.True(t, ok)
	require.Equal(t, []any{1.}, b.get(t, "/standings/versions?limit=3&cursor="+cursor).items(t, "version"))
	require.Equal(t, http.StatusNotFound, b.get(t, "/v1/races/"+newID()+"/standings/versions").status)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	dq := race.Disqualified
	b.patch(t, "2", "cut the course", maindb.RecordPatch{Status: &dq})
	b.credit(t, "2", 0)
	b.recompute(t)

	anyone := b.get(t, "/standings/compare?from=1&to=2")
	require.Equal(t, []any{"1", "3", "4", "2"}, anyone.items(t, "bib")) // the first moves up in the division, which ranks by net time
	require.Equal(t, []any{"Ada Alm", "Cem Can", "=Dan Dow", "Bea Bok"}, anyone.items(t, "name"))
	require.Equal(t, false, anyone.body["rules_changed"])
	require.EqualValues(t, 3, anyone.body["moved"]) // the second lost the place, two moved up
	latest := b.get(t, "/standings/version")
	require.Equal(t, map[string]any{"version": 2., "status": "provisional", "entries": 5.}, latest.body)
	require.Equal(t, http.StatusNotModified, b.get(t, "/standings/version", "If-None-Match", latest.header.Get("ETag")).status)
	require.Contains(t, latest.header.Get("Cache-Control"), "s-maxage=2")
	from, ok := anyone.items(t, "from")[1].(map[string]any)
	require.True(t, ok)
	to, ok := anyone.items(t, "to")[1].(map[string]any)
	require.True(t, ok)
	require.Equal(t, []any{3., 2.}, []any{from["place"], to["place"]})
	because := func(a answer) map[string]any {
		causes, ok := a.items(t, "because")[1].([]any)
		require.True(t, ok)
		require.Len(t, causes, 1)
		cause, ok := causes[0].(map[string]any)
		require.True(t, ok)
		return cause
	}
	cause := because(anyone)
	require.Equal(t, []any{b.records["2"], 2.}, []any{cause["record_id"], cause["revision"]})
	require.NotContains(t, cause, "reason") // not everybody's yet
	require.Equal(t, "cut the course", because(b.call(t, http.MethodGet, "/standings/compare?from=1&to=2", b.organizer, ""))["reason"])

	require.Equal(t, "public, max-age=30", anyone.header.Get("Cache-Control"))
	require.Equal(t, "no-store", b.call(t, http.MethodGet, "/standings/compare?from=1&to=2", b.organizer, "").header.Get("Cache-Control"))
	same := b.get(t, "/standings/compare?from=1&to=2", "If-None-Match", anyone.header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, same.status)

	page := b.get(t, "/standings/compare?from=1&to=2&limit=2")
	require.EqualValues(t, 4, page.body["total"])
	cursor, ok := page.body["next_cursor"].(string)
	require.True(t, ok)
	require.Equal(t, []any{"4", "2"}, b.get(t, "/standings/compare?from=1&to=2&limit=2&cursor="+cursor).items(t, "bib"))
	for query, status := range map[string]int{
		"from=1&to=3": 404, "from=2&to=1": 422, "from=1": 422, "from=0&to=1": 422,
	} {
		require.Equal(t, status, b.get(t, "/standings/compare?"+query).status, query)
	}
}

func TestPublishing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	finalize := func(body string) answer { return b.call(t, http.MethodPost, "/finalize", b.organizer, body) }

	opened := finalize("")
	require.Equal(t, http.StatusAccepted, opened.status, opened.raw)
	require.Equal(t, "window", opened.body["state"])
	require.Equal(t, []string{b.raceID}, b.wakes())
	shown := b.get(t, "/standings")
	require.Equal(t, opened.body["ends_at"], shown.body["protest_until"])
	require.Equal(t, opened.raw, finalize("").raw)
	require.Equal(t, opened.raw, finalize(`{"protest_window_s":1800}`).raw)
	require.Equal(t, opened.raw, finalize(`{}`).raw)
	require.Equal(t, http.StatusConflict, finalize(`{"protest_window_s":60}`).status)
	require.Equal(t, http.StatusUnprocessableEntity, finalize(`{"protest_window_s":-1}`).status)
	require.Equal(t, "provisional", string(b.recompute(t).Status))

	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, "/finalize", b.organizer, "").status)
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, "/finalize", b.organizer, "").status)
	require.NotContains(t, b.get(t, "/standings").body, "protest_until")
	b.clock.Advance(time.Hour)
	require.Equal(t, "provisional", string(b.recompute(t).Status))

	short := finalize(`{"protest_window_s":60}`)
	require.Equal(t, http.StatusAccepted, short.status)
	for _, repeated := range []string{"", "{}", `{"protest_window_s":60}`} { // whoever asks for no other window gets this one
		again := finalize(repeated)
		require.Equal(t, http.StatusAccepted, again.status, repeated)
		require.Equal(t, short.raw, again.raw, repeated)
	}
	other := finalize(`{"protest_window_s":1800}`)
	require.Equal(t, http.StatusConflict, other.status)
	require.Contains(t, other.raw, "a protest window of 60 s is already open")
	faster := race.Time(7_900_000)
	b.patch(t, "2", "protest upheld: wrong chip", maindb.RecordPatch{Gun: &faster, Net: &faster})
	b.credit(t, "2", 210)
	require.Equal(t, 2, b.recompute(t).Version) // a correction during the window
	b.clock.Advance(time.Minute)
	require.Equal(t, race.Official, b.recompute(t).Status)
	official := b.get(t, "/standings")
	require.Equal(t, "official", official.body["status"])
	require.Equal(t, []any{"2", "1", "3", "4"}, official.items(t, "bib"))
	done := finalize(`{"protest_window_s":60}`)
	require.Equal(t, http.StatusOK, done.status)
	require.Equal(t, "official", done.body["state"])
	require.NotEmpty(t, done.body["published_at"])
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodDelete, "/finalize", b.organizer, "").status)

	b.patch(t, "2", "a pacer carried the chip", maindb.RecordPatch{Status: new(race.Disqualified)})
	b.credit(t, "2", 0)
	require.Equal(t, 4, b.recompute(t).Version)
	list := b.get(t, "/standings/versions")
	require.Equal(t, []any{"official", "official", "provisional", "provisional"}, list.items(t, "status"))
	require.Equal(t, []any{"bib 2: a pacer carried the chip", "published", nil, nil}, list.items(t, "reason"))
	require.Equal(t, []any{"2", "1", "3", "4"}, b.get(t, "/standings?version=3").items(t, "bib"))
}

// TestRowsThatAreNotKept reads and compares a version whose rows were dropped: the
// answer says so and names the nearest ones, and the list says it beforehand.
func TestRowsThatAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.recompute(t)
	for i := range 5 {
		b.credit(t, fmt.Sprint(i+1), 500)
		b.recompute(t)
	}
	b.clock.Advance(time.Minute)
	thinned, err := b.steps.ThinStandings(t.Context(), activities.ThinInput{RaceID: b.raceID})
	require.NoError(t, err)
	require.Equal(t, maindb.Thinned{Dropped: 3}, thinned)
	list := b.get(t, "/standings/versions")
	require.Equal(t, []any{6., 5., 4., 3., 2., 1.}, list.items(t, "version"))
	require.Equal(t, []any{true, false, true, false, false, true}, list.items(t, "rows"))
	for _, path := range []string{"/standings?version=3", "/standings.csv?version=3", "/standings/compare?from=3&to=6", "/standings/compare?from=1&to=3"} {
		gone := b.get(t, path)
		require.Equal(t, http.StatusGone, gone.status, path)
		require.Equal(t, "the rows of version 3 are no longer kept; the nearest versions with rows are 1 and 4", gone.body["detail"], path)
	}
	require.Equal(t, http.StatusOK, b.get(t, "/standings/compare?from=1&to=4").status)
	require.Equal(t, http.StatusNotFound, b.get(t, "/standings?version=7").status)
}

// TestAComparisonIsComputedOnce has a crowd ask for the same one.
func TestAComparisonIsComputedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.recompute(t)
	b.creditAll(t)
	b.recompute(t)
	var all sync.WaitGroup
	statuses := make([]int, 30)
	for i := range statuses {
		all.Go(func() {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/races/"+b.raceID+"/standings/compare?from=1&to=2", http.NoBody)
			recorder := httptest.NewRecorder()
			b.router.ServeHTTP(recorder, request)
			statuses[i] = recorder.Code
		})
	}
	all.Wait()
	require.Equal(t, slices.Repeat([]int{http.StatusOK}, len(statuses)), statuses)
	require.Equal(t, 2, b.main.versionsLoaded(), "each version once")
}

func TestWhoMayPublishAndWhen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for token, status := range map[string]int{"": 401, "runner/" + newID(): 403, "organizer/" + newID(): 403} {
		require.Equal(t, status, b.call(t, http.MethodPost, "/finalize", token, "").status)
		require.Equal(t, status, b.call(t, http.MethodDelete, "/finalize", token, "").status)
	}
	added, err := b.main.CreateRace(t.Context(), race.Race{
		ID: newID(), OrganizerID: strings.TrimPrefix(b.organizer, "organizer/"), Date: race.Date{Year: 2026, Month: 4, Day: 20},
	})
	require.NoError(t, err)
	b.raceID = added.ID // without results
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/finalize", b.organizer, "").status)
}
