package races_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestEnterLookUpCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, `,"capacity":1`) + "/participants"
	_, ann := b.runner(t, "ann@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	_, ben := b.runner(t, "ben@example.org", "", race.Date{})

	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodGet, path+"/me", ann, "").status)
	first := b.call(t, http.MethodPost, path, ann, `{}`, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusCreated, first.status, first.raw)
	want := map[string]any{
		"participant_id": first.body["participant_id"], "status": "entered", "sex": "F", "age": 35.0, "field": "runner",
	}
	require.Equal(t, want, first.body)
	require.Equal(t, first.body, b.call(t, http.MethodPost, path, ann, `{}`, "Idempotency-Key", "k1").body)
	require.Equal(t, want, b.call(t, http.MethodGet, path+"/me", ann, "").body)

	twice := b.call(t, http.MethodPost, path, ann, `{}`)
	require.Equal(t, http.StatusConflict, twice.status)
	full := b.call(t, http.MethodPost, path, ben, `{}`)
	require.Equal(t, http.StatusConflict, full.status)
	require.Contains(t, full.raw, "capacity")

	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path+"/me", ann, "").status)
	require.Equal(t, "cancelled", b.call(t, http.MethodGet, path+"/me", ann, "").body["status"])
	entered := b.call(t, http.MethodPost, path, ben, "")
	require.Equal(t, http.StatusCreated, entered.status, "the freed place, without a body")
	require.NotContains(t, entered.body, "age")
	require.Equal(t, http.StatusNoContent, b.call(t, http.MethodDelete, path+"/me", ben, "").status)
	again := b.call(t, http.MethodPost, path, ann, `{}`)
	require.Equal(t, http.StatusCreated, again.status)

	b.post(t, raceID(path[:len(path)-len("/participants")]), "1")
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, path, ben, `{}`).status)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodDelete, path+"/me", ann, "").status)
}

func TestEnterRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	_, ann := b.runner(t, "ann@example.org", race.Female, race.Date{})
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPost, path, ann, `{"bib":"1"}`).status)
	require.Equal(t, http.StatusUnauthorized, b.call(t, http.MethodPost, path, "", `{}`).status)
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodPost, path, b.organizer, `{}`).status)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, path, "runner/"+newID(), `{}`).status, "an account that is gone")
	for _, id := range []string{newID(), "x", "%C3%A4"} {
		for _, call := range [][2]string{{http.MethodPost, ""}, {http.MethodGet, "/me"}, {http.MethodDelete, "/me"}} {
			got := b.call(t, call[0], "/v1/races/"+id+"/participants"+call[1], ann, "")
			require.Equal(t, http.StatusNotFound, got.status, "%v %s", call, id)
		}
	}
}

func TestListParticipants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "") + "/participants"
	ann, token := b.runner(t, "ann@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path, token, `{}`).status)
	b.imports(t, path, "bib,name,sex,age\n007,Ada,F,40\n8,,,\n")

	first := b.call(t, http.MethodGet, path+"?limit=2", b.organizer, "")
	require.Equal(t, http.StatusOK, first.status, first.raw)
	items := first.list(t, "items")
	require.Len(t, items, 2)
	mine, ada := items[0], items[1]
	require.Equal(t, ann, mine["user_id"])
	require.Equal(t, "Name of ann@example.org", mine["name"])
	require.NotContains(t, mine, "bib")
	require.Equal(t, "Ada", ada["name"])
	require.Equal(t, "007", ada["bib"])
	require.InDelta(t, 40, ada["age"], 0)

	second := b.call(t, http.MethodGet, path+"?limit=2&cursor="+first.text("next_cursor"), b.organizer, "")
	require.Len(t, second.body["items"], 1)
	require.NotContains(t, second.body, "next_cursor")
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodGet, path+"?cursor=x", b.organizer, "").status)
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodGet, path, "organizer/"+newID(), "").status)
	require.Equal(t, http.StatusForbidden, b.call(t, http.MethodGet, path, token, "").status)
}

func TestNewRaceDayAsksStartListsForBirthDates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.created(t, "")
	_, ann := b.runner(t, "ann@example.org", race.Female, race.Date{Year: 1990, Month: time.April, Day: 20})
	require.Equal(t, http.StatusCreated, b.call(t, http.MethodPost, path+"/participants", ann, `{}`).status)
	b.imports(t, path+"/participants", "bib,birth_date,age\n1,1990-04-20,\n2,,35\n3,1990-04-20,35\n")
	require.Equal(t, http.StatusOK, b.call(t, http.MethodPatch, path, b.organizer, `{"date":"2026-04-20"}`).status)

	list := b.call(t, http.MethodGet, path+"/participants", b.organizer, "")
	var ages []any
	for _, item := range list.list(t, "items") {
		ages = append(ages, item["age"])
	}
	require.Equal(t, []any{35.0, 36.0, 35.0, 36.0}, ages, "a stated age stays, and what Ann showed when she entered")
}
