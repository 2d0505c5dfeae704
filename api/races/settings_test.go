package races_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// post adds an official record.
func (b *testBundle) post(t *testing.T, raceID, bib string) race.Record {
	t.Helper()
	result := race.Result{Bib: bib, Gun: 5_000_000, Status: race.Finished}
	record, _, err := b.races.PostRecord(t.Context(), raceID, newID(), result, maindb.Change{By: newID()})
	require.NoError(t, err)
	return record
}

func TestCreateRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.call(t, http.MethodPost, "/v1/races", b.organizer, with(`,"city":" Köln ","capacity":5,
		"divisions":[{"name":"W40","sex":"F","min_age":40,"max_age":44,"field":"runner"},{"name":"All"}]`))
	require.Equal(t, http.StatusCreated, got.status, got.raw)
	require.Equal(t, b.organizer, "organizer/"+got.text("organizer_id"))
	created, err := time.Parse(time.RFC3339Nano, got.text("created_at"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), created, time.Minute)
	id := got.text("race_id")
	for _, own := range []string{"race_id", "organizer_id", "created_at"} {
		delete(got.body, own)
	}
	want := map[string]any{
		"name": "Spring Run", "date": "2026-04-19", "distance_m": 21097.5, "city": "Köln", "capacity": 5.0,
		"ranking": map[string]any{"basis": "gun", "divisions_basis": "gun", "ties": "share"},
		"divisions": []any{
			map[string]any{"name": "W40", "sex": "F", "min_age": 40.0, "max_age": 44.0, "field": "runner"},
			map[string]any{"name": "All"},
		},
		"scoring": "agegrade-2025", "status": "scheduled", "organizer_verified": false,
	}
	require.Equal(t, want, got.body)

	read := b.call(t, http.MethodGet, "/v1/races/"+id, "", "")
	require.Equal(t, http.StatusOK, read.status)
	require.Equal(t, "Köln", read.body["city"])
	for _, unknown := range []string{newID(), "x", "%C3%A4"} {
		require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, "/v1/races/"+unknown, "", "").status)
	}
}

func TestCreateRaceOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []any
	for range 3 {
		got := b.call(t, http.MethodPost, "/v1/races", b.organizer, with(""), "Idempotency-Key", "spring")
		require.Equal(t, http.StatusCreated, got.status)
		ids = append(ids, got.body["race_id"])
	}
	require.Equal(t, ids[0], ids[1])
	require.Equal(t, ids[0], ids[2])
	list := b.call(t, http.MethodGet, "/v1/races", "", "")
	require.Len(t, list.body["items"], 1)
}

func TestCreateRaceRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := func(name, date, distance, rest string) string {
		return `{"name":"` + name + `","date":"` + date + `","distance_m":` + distance + `,"ranking":{"basis":"gun"}` + rest + `}`
	}
	for name, refused := range map[string]struct{ body, location string }{
		"no name":                 {body(" ", "2026-04-19", "10000", ""), "body.name"},
		"control characters":      {body(`a\u0000b`, "2026-04-19", "10000", ""), "body.name"},
		"turned around":           {body(`a\u202eb`, "2026-04-19", "10000", ""), "body.name"},
		"invisible":               {body(`a\u2063b`, "2026-04-19", "10000", ""), "body.name"},
		"two lines":               {body(`a\nb`, "2026-04-19", "10000", ""), "body.name"},
		"no such day":             {body("a", "2026-02-30", "10000", ""), "body.date"},
		"no year":                 {body("a", "0000-01-01", "10000", ""), "body.date"},
		"no length":               {body("a", "2026-04-19", "0", ""), "body.distance_m"},
		"four decimals":           {body("a", "2026-04-19", "10000.0001", ""), "body.distance_m"},
		"text for a number":       {body("a", "2026-04-19", `"10 km"`, ""), "body.distance_m"},
		"unknown field":           {with(`,"colour":"red"`), "body.colour"},
		"unknown rule":            {with(`,"scoring":"agegrade-2020"`), "body.scoring"},
		"distance not listed":     {body("a", "2026-04-19", "12345", `,"scoring":"wa-2025"`), "body.distance_m"},
		"fixed without points":    {with(`,"scoring":"fixed"`), "body.points"},
		"points without fixed":    {with(`,"points":5`), "body.points"},
		"negative points":         {with(`,"scoring":"fixed","points":-1`), "body.points"},
		"no capacity":             {with(`,"capacity":0`), "body.capacity"},
		"same division twice":     {with(`,"divisions":[{"name":"M"},{"name":" m "}]`), "body.divisions[1].name"},
		"division without name":   {with(`,"divisions":[{"name":" "}]`), "body.divisions[0].name"},
		"ages the wrong way":      {with(`,"divisions":[{"name":"M","min_age":50,"max_age":40}]`), "body.divisions[0].max_age"},
		"age out of range":        {with(`,"divisions":[{"name":"M","min_age":121}]`), "body.divisions[0].min_age"},
		"division of a bad sex":   {with(`,"divisions":[{"name":"M","sex":"W"}]`), "body.divisions[0].sex"},
		"division of a bad field": {with(`,"divisions":[{"name":"M","field":"bike"}]`), "body.divisions[0].field"},
		"bad basis":               {`{"name":"a","date":"2026-04-19","distance_m":10000,"ranking":{"basis":"chip"}}`, "body.ranking.basis"},
		"bad ties":                {`{"name":"a","date":"2026-04-19","distance_m":10000,"ranking":{"basis":"gun","ties":"toss"}}`, "body.ranking.ties"},
	} {
		got := b.call(t, http.MethodPost, "/v1/races", b.organizer, refused.body)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, "%s: %s", name, got.raw)
		require.Contains(t, got.locations(t), refused.location, name)
	}
	require.Equal(t, http.StatusUnauthorized, b.call(t, http.MethodPost, "/v1/races", "", with("")).status)
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodPost, "/v1/races", "runner/"+newID(), with("")).status)
}

func TestListRaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := []string{raceID(b.created(t, "")), raceID(b.created(t, "")), raceID(b.created(t, ""))}
	other := b.call(t, http.MethodPost, "/v1/races", "organizer/"+newID(), with(""))
	require.Equal(t, http.StatusCreated, other.status)

	var got []string
	query := "?limit=2&organizer_id=" + b.organizer[len("organizer/"):]
	for cursor := ""; ; {
		page := b.call(t, http.MethodGet, "/v1/races"+query+cursor, "", "")
		require.Equal(t, http.StatusOK, page.status, page.raw)
		for _, item := range page.list(t, "items") {
			got = append(got, fmt.Sprint(item["race_id"]))
		}
		next := page.text("next_cursor")
		if next == "" {
			break
		}
		cursor = "&cursor=" + next
	}
	require.Equal(t, []string{want[2], want[1], want[0]}, got)
	require.Len(t, b.call(t, http.MethodGet, "/v1/races", "", "").body["items"], 4)
	for _, query := range []string{"?cursor=x", "?organizer_id=x", "?limit=0", "?limit=1001"} {
		require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodGet, "/v1/races"+query, "", "").status, query)
	}
}

func TestChangeRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, `,"capacity":5,"city":"Köln"`)
	got := b.call(t, http.MethodPatch, path, b.organizer,
		`{"name":"Herbstlauf","city":"","capacity":0,"ranking":{"basis":"net"},"scoring":"fixed","points":7,"divisions":[{"name":"All"}]}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.NotContains(t, got.body, "city")
	require.NotContains(t, got.body, "capacity")
	require.Equal(t, map[string]any{"basis": "net", "divisions_basis": "net", "ties": "share"}, got.body["ranking"])
	require.InDelta(t, 7, got.body["points"], 0)
	require.Zero(t, b.pokes.Load(), "there are no records")

	got = b.call(t, http.MethodPatch, path, b.organizer, `{"distance_m":12345.678}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.InDelta(t, 7, got.body["points"], 0, "a race that stays fixed keeps its points")
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"scoring":"wa-2025"}`)
	require.Equal(t, []string{"body.distance_m"}, got.locations(t))
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"scoring":"agegrade-2025"}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.NotContains(t, got.body, "points")

	require.Zero(t, b.wakes.Load()) // there is nothing to rank yet
	b.post(t, raceID(path), "7")
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"divisions":[{"name":"Everybody"}]}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.EqualValues(t, 0, b.pokes.Load())
	require.EqualValues(t, 1, b.wakes.Load()) // places change, points do not
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"distance_m":10000}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.Equal(t, "provisional", got.body["status"])
	require.EqualValues(t, 1, b.pokes.Load())
	b.publish(t, raceID(path))
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"distance_m":5000}`)
	require.Equal(t, http.StatusConflict, got.status)
	require.Equal(t, []string{"body.distance_m"}, got.locations(t))

	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodPatch, path, "organizer/"+newID(), `{"name":"x"}`).status)
	for body, location := range map[string]string{
		`{"name":" "}`: "body.name", `{"capacity":-1}`: "body.capacity", `{"status":"official"}`: "body.status",
		`{"date":"19.04.2026"}`: "body.date", `{"points":5}`: "body.points",
	} {
		got := b.call(t, http.MethodPatch, path, b.organizer, body)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, body)
		require.Contains(t, got.locations(t), location)
	}
}

func TestDeleteRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path, b.organizer, "").status)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodDelete, path, b.organizer, "").status)
	kept := b.created(t, "")
	b.post(t, raceID(kept), "1")
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodDelete, kept, b.organizer, "").status)
}

func TestVoidRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	b.post(t, raceID(path), "1")
	void := func(token, reason string) answer {
		return b.call(t, http.MethodPost, path+"/void", token, `{"reason":"`+reason+`"}`)
	}
	require.Equal(t, http.StatusUnauthorized, void("", "mine").status)
	require.Equal(t, http.StatusUnprocessableEntity, void(b.organizer, " ").status)
	pokes, wakes := b.pokes.Load(), b.wakes.Load()
	for _, reason := range []string{"entered twice", "again"} { // the second call changes nothing
		got := void(b.organizer, reason)
		require.Equal(t, http.StatusOK, got.status, got.raw)
		require.Equal(t, "void", got.text("status"))
		voided, _ := got.body["voided"].(map[string]any)
		require.Equal(t, "entered twice", voided["reason"])
		require.NotEmpty(t, voided["at"])
		require.Equal(t, []int64{int64(pokes) + 1, int64(wakes) + 1}, []int64{int64(b.pokes.Load()), int64(b.wakes.Load())})
	}
	require.Equal(t, "void", b.call(t, http.MethodGet, path, "", "").text("status"))
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPatch, path, b.organizer, `{"distance_m":10000}`).status)
}

func TestAnOperatorsVoidIsLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path, operatorID := b.created(t, ""), newID()
	logged := func() []maindb.Action {
		t.Helper()
		actions, err := b.races.Actions(t.Context(), maindb.ActionFilter{Name: "void-race"}, "", 10)
		require.NoError(t, err)
		return actions
	}
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, b.created(t, "")+"/void", b.organizer, `{"reason":"mine"}`).status)
	require.Empty(t, logged(), "its organizer is no operator")
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPost, path+"/void", "operator/"+operatorID, `{"reason":"a trial"}`).status)
	actions := logged()
	require.Len(t, actions, 1)
	require.Equal(t, []string{operatorID, raceID(path), "a trial"}, []string{actions[0].OperatorID, actions[0].Target, actions[0].Reason})
	require.JSONEq(t, `{"status":"scheduled"}`, string(actions[0].Before))
	require.JSONEq(t, `{"status":"void"}`, string(actions[0].After))
}

func TestAStartListClears(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	entry := func(list string) []any {
		t.Helper()
		got := b.imports(t, path+"/participants", list)
		require.Equal(t, http.StatusOK, got.status, got.raw)
		require.Empty(t, got.body["errors"], got.raw)
		entries := b.call(t, http.MethodGet, path+"/participants", b.organizer, "").list(t, "items")
		require.Len(t, entries, 1)
		return []any{entries[0]["name"], entries[0]["sex"], entries[0]["age"]}
	}
	require.Equal(t, []any{"A B", "F", 36.0}, entry("bib,name,sex,age\n7,A B,F,36\n"))
	require.Equal(t, []any{"A B", nil, 36.0}, entry("bib,sex\n7,-\n"))
	require.Equal(t, []any{"A B", nil, nil}, entry("bib,age\n7,-\n"))
	require.Equal(t, []any{"", "M", 40.0}, entry("bib,name,sex,age\n7,-,M,40\n"))
	born := entry("bib,birth_date\n7,1980-01-01\n")[2]
	require.NotNil(t, born)
	require.Equal(t, born, entry("bib,age\n7,-\n")[2], "the birth date is still there")
	require.Nil(t, entry("bib,birth_date\n7,-\n")[2])
	require.Equal(t, []any{"", "M", 50.0}, entry("bib,age,birth_date\n7,50,-\n"))
	require.Nil(t, entry("bib,age\n7,-\n")[2], "the birth date does not come back")
	same := b.imports(t, path+"/participants", "bib,age,sex,birth_date\n7,-,M,-\n")
	require.Contains(t, same.raw, `"unchanged":1`)
}

func TestAStartListWithoutAFieldLeavesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	field := func(list string) string {
		t.Helper()
		got := b.imports(t, path+"/participants", list)
		require.Equal(t, http.StatusOK, got.status, got.raw)
		entries := b.call(t, http.MethodGet, path+"/participants", b.organizer, "").list(t, "items")
		require.Len(t, entries, 1)
		field, _ := entries[0]["field"].(string)
		return field
	}
	require.Equal(t, "wheelchair", field("bib,name,field\nW1,A B,wheelchair\n"))
	require.Equal(t, "wheelchair", field("bib,name,sex\nW1,A B,F\n"))
	require.Equal(t, "wheelchair", field("bib,name,field\nW1,A B,\n"))
	require.Equal(t, "runner", field("bib,name,field\nW1,A B,-\n"))
}

func TestTimingPoints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.call(t, http.MethodPost, "/v1/races", b.organizer, with(`,"timing_points":[{"name":"20 km","distance_m":20000},{"name":" 10 km ","distance_m":10000}]`))
	require.Equal(t, http.StatusCreated, got.status, got.raw)
	path := "/v1/races/" + got.text("race_id")
	point := func(name string, metres float64) any { return map[string]any{"name": name, "distance_m": metres} }
	require.Equal(t, []any{point("10 km", 10000), point("20 km", 20000)}, got.body["timing_points"])

	got = b.call(t, http.MethodPatch, path, b.organizer, `{"timing_points":[{"name":"Bridge","distance_m":10000},{"name":"Half","distance_m":21097.5}]}`)
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	require.Contains(t, got.raw, "Half: the distance must be below that of the race")
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"distance_m":20000}`)
	require.Equal(t, http.StatusUnprocessableEntity, got.status, "a shorter course ends before the last point")
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"timing_points":[{"name":"Bridge","distance_m":10000}]}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	got = b.call(t, http.MethodGet, path, "", "")
	require.Equal(t, []any{point("Bridge", 10000)}, got.body["timing_points"])
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"timing_points":[]}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.NotContains(t, got.body, "timing_points")
}

func TestTeamsAndAwards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.call(t, http.MethodPost, "/v1/races", b.organizer, with(`,"teams":[{"name":"Clubs","rule":"times","n":4,"sex":"mixed","min_per_sex":1}],
		"awards":{"overall":3,"by_sex":true,"divisions":3,"one_award_only":true}`))
	require.Equal(t, http.StatusCreated, got.status, got.raw)
	path := "/v1/races/" + got.text("race_id")
	require.Equal(t, []any{map[string]any{"name": "Clubs", "rule": "times", "n": 4.0, "sex": "mixed", "min_per_sex": 1.0}}, got.body["teams"])
	require.Equal(t, map[string]any{"overall": 3.0, "by_sex": true, "divisions": 3.0, "one_award_only": true}, got.body["awards"])
	for change, want := range map[string]string{
		`{"teams":[{"name":"A","rule":"times","n":2,"sex":"F","min_per_sex":1}]}`:                             "body.teams[0].min_per_sex",
		`{"teams":[{"name":"A","rule":"times","n":2,"sex":"mixed","min_per_sex":2}]}`:                         "body.teams[0].min_per_sex",
		`{"teams":[{"name":"A","rule":"times","n":2,"sex":"F"},{"name":"a","rule":"times","n":3,"sex":"F"}]}`: "body.teams[1].name",
		`{"awards":{"by_sex":true,"divisions":1}}`:                                                            "body.awards.by_sex",
		`{"awards":{"one_award_only":true,"divisions":1}}`:                                                    "body.awards.one_award_only",
		`{"teams":[{"name":"A","rule":"sum","n":2,"sex":"F"}]}`:                                               "body.teams[0].rule",
	} {
		got = b.call(t, http.MethodPatch, path, b.organizer, change)
		require.Equal(t, http.StatusUnprocessableEntity, got.status, change)
		require.Contains(t, got.raw, `"`+want+`"`, change)
	}
	got = b.call(t, http.MethodPatch, path, b.organizer, `{"teams":[],"awards":{}}`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	require.NotContains(t, got.body, "teams")
	require.NotContains(t, got.body, "awards")

	entries := path + "/participants"
	_, runner := b.runner(t, "ada", race.Female, race.Date{Year: 1990, Month: 1, Day: 2})
	got = b.call(t, http.MethodPost, entries, runner, `{"team":" Harbour  Runners "}`)
	require.Equal(t, http.StatusCreated, got.status, got.raw)
	require.Equal(t, "Harbour Runners", got.body["team"])
	got = b.call(t, http.MethodPost, entries+"/import", b.organizer, `[{"bib":"7","name":"Ada","team":"Red"}]`)
	require.Equal(t, http.StatusOK, got.status, got.raw)
	got = b.call(t, http.MethodPost, entries+"/import", b.organizer, `[{"bib":"7","team":"-"}]`)
	require.EqualValues(t, 1, got.body["changed"], got.raw)
	got = b.call(t, http.MethodPost, entries+"/import", b.organizer, `[{"bib":"7","team":"-"}]`)
	require.EqualValues(t, 1, got.body["unchanged"], got.raw)
}

func TestFixedPointsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const fixed = `,"scoring":"fixed","points":%d`
	got := b.call(t, http.MethodPost, "/v1/races", b.organizer, with(fmt.Sprintf(fixed, 1001)))
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	require.Equal(t, []string{"body.points"}, got.locations(t))
	require.Contains(t, got.raw, "at most 1000")
	path := b.created(t, fmt.Sprintf(fixed, 1000))
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPatch, path, b.organizer, `{"points":1001}`).status)
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, path, b.organizer, `{"points":999}`).status)
}

func TestRacesSayWhetherTheirOrganizerIsVerified(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	organizerID := strings.TrimPrefix(b.organizer, "organizer/")
	for _, verified := range []bool{false, true, false} {
		_, err := b.races.SetVerified(t.Context(), organizerID, verified, maindb.Change{By: newID(), Reason: "known"})
		require.NoError(t, err)
		require.Equal(t, verified, b.call(t, http.MethodGet, path, "", "").body["organizer_verified"])
		list := b.call(t, http.MethodGet, "/v1/races?organizer_id="+organizerID, "", "").list(t, "items")
		require.Equal(t, verified, list[0]["organizer_verified"])
		require.Equal(t, verified, b.call(t, http.MethodPatch, path, b.organizer, `{"city":"Seoul"}`).body["organizer_verified"])
	}
}
