package races_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// nextYear is a day on which races of these tests take place.
func nextYear() string { return time.Now().AddDate(1, 0, 0).Format(time.DateOnly) }

// TestEntryWithALine follows two runners, one place, and the organizer.
func TestEntryWithALine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, `,"entry":{"capacity":1,"bib_from":7,"bib_to":9,"time_zone":"Asia/Seoul","offer_hold":"12h"}`)
	changed := b.call(t, http.MethodPatch, path, b.organizer, `{"date":"`+nextYear()+`"}`)
	require.Equal(t, http.StatusOK, changed.status, changed.raw)
	require.Equal(t, map[string]any{
		"capacity": 1.0, "bib_from": 7.0, "bib_to": 9.0, "time_zone": "Asia/Seoul", "offer_hold": "12h0m0s", "order": "arrival", "waiting_list": true, "paused": false,
	}, changed.body["entry"])
	ann, annToken := b.runner(t, "ann@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	_, ben := b.runner(t, "ben@example.org", "", race.Date{})
	cas, casToken := b.runner(t, "cas@example.org", race.Male, race.Date{})
	mine := path + "/participants/me"

	first := b.call(t, http.MethodPost, path+"/participants", annToken, `{}`)
	require.Equal(t, http.StatusCreated, first.status, first.raw)
	require.Equal(t, []any{"entered", "7", "main", 1.0}, []any{first.body["status"], first.body["bib"], first.body["pool"], first.body["number"]})
	waits := b.call(t, http.MethodPost, path+"/participants", ben, `{"pool":"main"}`)
	require.Equal(t, http.StatusCreated, waits.status, waits.raw)
	require.Equal(t, []any{"waiting", 1.0}, []any{waits.body["status"], waits.body["position"]})
	require.Equal(t, waits.body, b.call(t, http.MethodPost, path+"/participants", ben, `{}`).body, "asked again")
	require.Equal(t, waits.body, b.call(t, http.MethodGet, mine, ben, "").body)
	third := b.call(t, http.MethodPost, path+"/participants", casToken, `{}`)
	require.InDelta(t, 2, third.body["position"], 0)
	standing := b.call(t, http.MethodPatch, mine, casToken, `{"standing_acceptance":true}`)
	require.Equal(t, http.StatusOK, standing.status, standing.raw)
	require.Equal(t, true, standing.body["standing_acceptance"])

	pools := b.call(t, http.MethodGet, path+"/entry", "", "")
	require.Equal(t, http.StatusOK, pools.status, pools.raw)
	require.Equal(t, map[string]any{"key": 1.0, "name": "main", "capacity": 1.0, "entered": 1.0, "offered": 0.0, "waiting": 2.0, "line_version": 0.0}, pools.list(t, "pools")[0])

	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, mine+"/accept", ben, "").status, "nothing is offered")
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, mine, annToken, "").status)
	offered := b.call(t, http.MethodGet, mine, ben, "")
	require.Equal(t, "offered", offered.body["status"])
	require.NotEmpty(t, offered.body["offer_expires_at"])
	declined := b.call(t, http.MethodPost, mine+"/decline", ben, "")
	require.Equal(t, http.StatusOK, declined.status, declined.raw)
	require.Equal(t, "declined", declined.body["status"])
	entered := b.call(t, http.MethodGet, mine, casToken, "")
	require.Equal(t, []any{"entered", "8"}, []any{entered.body["status"], entered.body["bib"]})

	list := b.call(t, http.MethodGet, path+"/entries?status=declined", b.organizer, "")
	require.Equal(t, http.StatusOK, list.status, list.raw)
	require.Len(t, list.list(t, "items"), 1)
	page := b.call(t, http.MethodGet, path+"/entries?limit=2", b.organizer, "")
	require.Equal(t, "Name of ann@example.org", page.list(t, "items")[0]["name"])
	rest := b.call(t, http.MethodGet, fmt.Sprintf("%s/entries?limit=2&cursor=%v", path, page.body["next_cursor"]), b.organizer, "")
	require.Equal(t, cas, rest.list(t, "items")[0]["user_id"])
	export := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"/entries.csv", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+b.organizer)
	b.router.ServeHTTP(export, request)
	require.Equal(t, http.StatusOK, export.Code)
	require.Equal(t, 4, strings.Count(export.Body.String(), "\n"))
	require.Contains(t, export.Body.String(), "main,3,entered,8,Name of cas@example.org,M,")

	byHand := b.call(t, http.MethodPost, path+"/entries/"+ann+"/enter", b.organizer, `{"reason":"sponsor"}`)
	require.Equal(t, http.StatusConflict, byHand.status, "she has cancelled: %s", byHand.raw)
	removed := b.call(t, http.MethodPost, path+"/entries/"+cas+"/remove", b.organizer, `{"reason":"another person's name"}`)
	require.Equal(t, http.StatusOK, removed.status, removed.raw)
	require.Equal(t, "removed", removed.body["status"])
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, path+"/participants", casToken, `{}`).status)
	again := b.call(t, http.MethodPost, path+"/entries/"+cas+"/enter", b.organizer, `{"reason":"cleared up"}`)
	require.Equal(t, http.StatusOK, again.status, again.raw)
	full := b.call(t, http.MethodPost, path+"/participants", annToken, `{}`)
	require.Equal(t, "waiting", full.body["status"])
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, path+"/entries/"+ann+"/enter", b.organizer, `{"reason":"sponsor"}`).status)
	over := b.call(t, http.MethodPost, path+"/entries/"+ann+"/enter", b.organizer, `{"reason":"sponsor","over_capacity":true}`)
	require.Equal(t, http.StatusOK, over.status, over.raw)
	require.Equal(t, []any{"entered", "sponsor"}, []any{over.body["status"], over.body["reason"]})
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, path+"/entries/"+newID()+"/remove", b.organizer, `{"reason":"x"}`).status)
}

func TestEntrySettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	for _, c := range []struct{ body, field string }{
		{`{"opens_at":"tomorrow"}`, "entry.opens_at"},
		{`{"opens_at":"2030-01-02T00:00:00Z","closes_at":"2030-01-01T00:00:00Z"}`, "entry.closes_at"},
		{`{"time_zone":"Mars/Base"}`, "entry.time_zone"},
		{`{"time_zone":"../../etc/passwd"}`, "entry.time_zone"},
		{`{"offer_hold":"1s"}`, "entry.offer_hold"},
		{`{"bib_from":5}`, "entry.bib_to"},
		{`{"pools":[{"name":"A","capacity":1},{"name":"a","capacity":1}]}`, "entry.pools[1].name"},
		{`{"pools":[{"name":"A","capacity":1,"bib_from":1,"bib_to":9},{"name":"B","capacity":1,"bib_from":9,"bib_to":12}]}`, "entry.pools[1].bib_from"},
		{`{"pools":[{"name":"A","capacity":1,"division":"Nobody"}]}`, "entry.pools[0].division"},
		{`{"pools":[{"name":"A","capacity":1,"key":9}]}`, "entry.pools[0].key"},
		{`{"order":"luck"}`, "entry.order"},
	} {
		got := b.call(t, http.MethodPatch, path, b.organizer, `{"entry":`+c.body+`}`)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, got.raw)
		require.Contains(t, got.raw, c.field)
	}
	above := b.call(t, http.MethodPatch, path, b.organizer, `{"capacity":2,"entry":{"capacity":3}}`)
	require.Equal(t, http.StatusUnprocessableEntity, above.status, above.raw)
	require.Contains(t, above.raw, "entry.capacity")
	got := b.call(t, http.MethodPatch, path, b.organizer, `{"entry":{"opens_at":"2099-06-09T10:00:00Z","time_zone":"Asia/Seoul","pools":[{"name":"A","capacity":3},{"name":"B","capacity":4}]}}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	_, ann := b.runner(t, "ann@example.org", race.Female, race.Date{})
	early := b.call(t, http.MethodPost, path+"/participants", ann, `{}`)
	require.Equal(t, http.StatusConflict, early.status)
	require.Contains(t, early.raw, "entry opens at 2099-06-09T19:00:00+09:00")
	require.Contains(t, early.raw, "opens_at")
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"entry":{"opens_at":"","pools":[{"name":"Second","key":3,"capacity":4},{"name":"A","capacity":5}]}}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	entry, ok := b.call(t, http.MethodGet, path, "", "").body["entry"].(map[string]any)
	require.True(t, ok)
	require.NotContains(t, entry, "opens_at")
	require.Equal(t, []any{
		map[string]any{"key": 3.0, "name": "Second", "capacity": 4.0}, map[string]any{"key": 2.0, "name": "A", "capacity": 5.0},
	}, entry["pools"])
	require.Equal(t, "Second", b.call(t, http.MethodPost, path+"/participants", ann, `{}`).body["pool"])
	require.Contains(t, b.call(t, http.MethodPatch, path, b.organizer, `{"entry":{"pools":[]}}`).raw, "has entries")

	// Names are found with the marks of a text that was copied, which nobody sees.
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"divisions":[{"name":"נשים\u200F","sex":"F"}],
		"entry":{"pools":[{"name":"Second","key":3,"capacity":4},{"name":"A\u200F","capacity":5,"division":"נשים\u200F"}]}}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	_, bea := b.runner(t, "bea@example.org", race.Female, race.Date{})
	require.Equal(t, "A", b.call(t, http.MethodPost, path+"/participants", bea, `{"pool":"\u200Fa\u200E"}`).body["pool"])
}

// TestFollowLine: each watcher hears who left, from where they were.
func TestFollowLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, `,"entry":{"capacity":1}`)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, path, b.organizer, `{"date":"`+nextYear()+`"}`).status)
	var tokens []string
	for i := range 5 {
		_, token := b.runner(t, fmt.Sprintf("r%d@example.org", i), "", race.Date{})
		require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path+"/participants", token, `{}`).status)
		tokens = append(tokens, token)
	}
	web := httptest.NewServer(b.router)
	t.Cleanup(web.Close)
	live := followLine(t, web.URL+path+"/entry/events", "")
	require.Equal(t, `0 line {"version":0,"waiting":4,"left":[]}`, <-live)
	for i, want := range []string{`1 line {"version":1,"waiting":3,"left":[3]}`, `2 line {"version":2,"waiting":2,"left":[5]}`} {
		require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path+"/participants/me", tokens[2+2*i], "").status)
		require.Equal(t, want, <-live)
	}
	late := followLine(t, web.URL+path+"/entry/events", "1")
	require.Equal(t, `2 line {"version":2,"waiting":2,"left":[5]}`, <-late)
	_, joins := b.runner(t, "late@example.org", "", race.Date{})
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path+"/participants", joins, `{}`).status)
	require.Eventually(t, func() bool {
		return <-followLine(t, web.URL+path+"/entry/events", "") == `2 line {"version":2,"waiting":3,"left":[]}`
	}, time.Minute, 50*time.Millisecond, "whoever comes now sees how many wait now")
	lost := followLine(t, web.URL+path+"/entry/events?pool=1", "99")
	require.Equal(t, `2 reset {"version":2,"waiting":3,"left":[]}`, <-lost)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, path+"/entry/events?pool=9", "", "").status)
}

// TestManyFollowALineWithOneQuery: the database is asked once for each change, and in
// between whether there is one, however many watch.
func TestManyFollowALineWithOneQuery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, `,"entry":{"capacity":1}`)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, path, b.organizer, `{"date":"`+nextYear()+`"}`).status)
	var tokens []string
	for i := range 3 {
		_, token := b.runner(t, fmt.Sprintf("r%d@example.org", i), "", race.Date{})
		require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path+"/participants", token, `{}`).status)
		tokens = append(tokens, token)
	}
	web := httptest.NewServer(b.router)
	t.Cleanup(web.Close)
	b.queries(t) // over one connection from here on
	const watchers = 300
	watching := make([]<-chan string, watchers)
	for i := range watching {
		watching[i] = followLine(t, web.URL+path+"/entry/events", "")
	}
	for _, live := range watching {
		require.Equal(t, `0 line {"version":0,"waiting":2,"left":[]}`, <-live)
	}
	before := b.queries(t)
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path+"/participants/me", tokens[1], "").status)
	for _, live := range watching {
		require.Equal(t, `1 line {"version":1,"waiting":1,"left":[2]}`, <-live)
	}
	require.Less(t, b.queries(t)-before, watchers/2)
}

// followLine returns the events of a stream as "id kind data".
func followLine(t *testing.T, url, lastEventID string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	if lastEventID != "" {
		request.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := http.DefaultClient.Do(request) //nolint:bodyclose // closed when the stream has ended
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	events := make(chan string, 100)
	go func() {
		defer close(events)
		defer func() { _ = response.Body.Close() }()
		var parts []string
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id", "event", "data":
				parts = append(parts, value)
			case "":
				if len(parts) == 3 {
					events <- strings.Join(parts, " ")
				}
				parts = nil
			}
		}
	}()
	return events
}

// TestQualifyingPool: the standard is part of the settings, who does not meet it is told
// what would be right, and the organizer admits people by logins that nobody looks up.
func TestQualifyingPool(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	set := func(body string) answer { return b.call(t, http.MethodPatch, path, b.organizer, `{"entry":`+body+`}`) }
	for _, c := range []struct{ standard, field string }{
		{`{"distance_m":0,"men":"3:00:00","since":"2025-01-01"}`, "entry.pools[0].standard.distance_m"},
		{`{"distance_m":42195,"men":"3 hours","since":"2025-01-01"}`, "entry.pools[0].standard.men"},
		{`{"distance_m":42195,"since":"2025-01-01"}`, "entry.pools[0].standard.men"},
		{`{"distance_m":42195,"men":"3:00:00","since":""}`, "entry.pools[0].standard.since"},
		{`{"distance_m":42195,"men":"3:00:00","since":"last year"}`, "entry.pools[0].standard.since"},
	} {
		wrong := set(`{"pools":[{"name":"Fast","capacity":5,"standard":` + c.standard + `}]}`)
		require.Equal(t, http.StatusUnprocessableEntity, wrong.status, c.standard)
		require.Contains(t, wrong.raw, `"body.`+c.field+`"`, c.standard)
	}
	standard := map[string]any{"distance_m": 42195.0, "men": "3:00:00", "women": "3:30:00", "since": "2025-01-01"}
	changed := set(`{"pools":[{"name":"Fast","capacity":5,"standard":{"distance_m":42195,"men":"3:00:00","women":"3:30:00","since":"2025-01-01"}}]}`)
	require.Equal(t, http.StatusOK, changed.status, changed.raw)
	require.Equal(t, standard, b.call(t, http.MethodGet, path+"/entry", "", "").list(t, "pools")[0]["standard"])
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, path, b.organizer, `{"date":"`+nextYear()+`"}`).status)

	ann, annToken := b.runner(t, "ann", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	_, benToken := b.runner(t, "ben", race.Male, race.Date{})
	refused := b.call(t, http.MethodPost, path+"/participants", annToken, `{}`)
	require.Equal(t, http.StatusConflict, refused.status)
	require.Contains(t, refused.raw, `over 42.195 km in 3:30:00 or faster, run on 2025-01-01 or later`)
	admit := func(login string) answer {
		return b.call(t, http.MethodPost, path+"/admissions", b.organizer, `{"login_id":"`+login+`","pool":"Fast","reason":"national team"}`)
	}
	known, unknown := admit(" ANN "), admit("nobody")
	require.Equal(t, []int{http.StatusCreated, http.StatusCreated}, []int{known.status, unknown.status}, known.raw)
	require.Len(t, b.call(t, http.MethodGet, path+"/admissions", b.organizer, "").list(t, "items"), 2)
	require.NotContains(t, b.call(t, http.MethodGet, path+"/admissions", b.organizer, "").raw, "nobody")
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodGet, path+"/admissions", annToken, "").status)
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path+"/participants", annToken, `{}`).status)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, path+"/participants", benToken, `{}`).status)
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path+"/admissions/"+fmt.Sprint(unknown.body["admission_id"]), b.organizer, "").status)
	entries := b.call(t, http.MethodGet, path+"/entries", b.organizer, "").list(t, "items")
	require.Equal(t, []any{ann, "admitted"}, []any{entries[0]["user_id"], entries[0]["origin"]})
	require.Empty(t, b.call(t, http.MethodGet, path+"/entries?unqualified=true", b.organizer, "").list(t, "items"))
}

// TestDeferral moves an entry to the next edition through the API.
func TestDeferral(t *testing.T) {
	t.Parallel()
	b := setup(t)
	here, next := b.created(t, `,"entry":{"capacity":1}`), b.created(t, `,"entry":{"capacity":1}`)
	nextID := next[strings.LastIndex(next, "/")+1:]
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, here, b.organizer, `{"date":"`+nextYear()+`"}`).status)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, next, b.organizer, `{"date":"`+time.Now().AddDate(2, 0, 0).Format(time.DateOnly)+`"}`).status)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	wrong := b.call(t, http.MethodPatch, here, b.organizer, `{"entry":{"defer_until":"`+until+`"}}`)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.raw, `"body.entry.next_race_id"`)
	strange := b.call(t, http.MethodPatch, here, b.organizer, `{"entry":{"next_race_id":"`+newID()+`","defer_until":"`+until+`"}}`)
	require.Equal(t, http.StatusConflict, strange.status, strange.raw)
	strange = b.call(t, http.MethodPatch, here, b.organizer, `{"entry":{"next_race_id":"다음 대회"}}`)
	require.Equal(t, http.StatusUnprocessableEntity, strange.status, strange.raw)
	set := b.call(t, http.MethodPatch, here, b.organizer, `{"entry":{"next_race_id":"`+nextID+`","defer_until":"`+until+`"}}`)
	require.Equal(t, http.StatusOK, set.status, set.raw)

	ann, token := b.runner(t, "ann", race.Female, race.Date{})
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, here+"/participants/me/defer", token, "").status)
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, here+"/participants", token, `{}`).status)
	first := b.call(t, http.MethodPost, here+"/participants/me/defer", token, "")
	require.Equal(t, http.StatusOK, first.status, first.raw)
	require.Equal(t, nextID, first.body["next_race_id"])
	require.Contains(t, first.raw, `"status":"entered"`)
	require.Equal(t, first.body, b.call(t, http.MethodPost, here+"/participants/me/defer", token, "").body, "repeated")
	mine := b.call(t, http.MethodGet, here+"/participants/me", token, "")
	require.Equal(t, []any{"deferred", nextID}, []any{mine.body["status"], mine.body["next_race_id"]})
	require.Equal(t, "deferred", b.call(t, http.MethodGet, next+"/entries", b.organizer, "").list(t, "items")[0]["origin"])
	require.Len(t, b.call(t, http.MethodGet, here+"/entries?status=deferred", b.organizer, "").list(t, "items"), 1)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, here+"/entries/"+ann+"/remove", b.organizer, `{"reason":"why"}`).status)
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, next+"/participants/me", token, "").status)
}
