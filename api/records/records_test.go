package records_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestPost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answer := b.call(t, "organizer", http.MethodPost, b.path, object{
		"bib": "0042", "gun_time": "1:10:22.4", "net_time": "1:10:20", "sequence": 7,
	})
	got := decode[shown](t, answer, http.StatusCreated)
	require.Equal(t, shown{
		RecordID: got.RecordID, RaceID: b.raceID, Revision: 1, Bib: "0042",
		GunTime: "1:10:22.4", NetTime: "1:10:20", Status: "OK", Sequence: 7,
		Credit: shownCredit{Status: "pending", TraceURL: b.trace(got, 1)},
	}, got)
	require.Equal(t, `"1"`, answer.Header().Get("ETag"))
	require.Equal(t, 1, b.outbox(t))
	require.EqualValues(t, 1, b.pokes.Load())

	answer = b.call(t, "organizer", http.MethodPost, b.path, object{"bib": "42", "gun_time": "1:12:00"})
	require.Contains(t, decode[problem](t, answer, http.StatusConflict).Detail, got.RecordID)
	require.Zero(t, b.outbox(t))
}

func TestPostWithTheSameKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.call(t, "organizer", http.MethodPost, b.path, object{"bib": "1", "gun_time": "1:12:00"}, header{"Idempotency-Key": "k"})
	again := b.call(t, "organizer", http.MethodPost, b.path, object{"bib": "1", "gun_time": "1:12:00"}, header{"Idempotency-Key": "k"})
	require.Equal(t, decode[shown](t, first, http.StatusCreated), decode[shown](t, again, http.StatusCreated))

	b.inMain(t, "UPDATE idempotency_key SET response_status = NULL") // as after a crash before the answer was kept
	again = b.call(t, "organizer", http.MethodPost, b.path, object{"bib": "1", "gun_time": "1:12:00"}, header{"Idempotency-Key": "k"})
	require.Equal(t, decode[shown](t, first, http.StatusCreated), decode[shown](t, again, http.StatusCreated))
	require.Equal(t, 1, b.outbox(t))
}

func TestPostRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		body   object
		fields []string
	}{
		"impossible time":       {object{"bib": "1", "gun_time": "25:99:00"}, []string{"body.gun_time"}},
		"no notation":           {object{"bib": "1", "gun_time": "4222", "net_time": ""}, []string{"body.gun_time", "body.net_time"}},
		"net longer than gun":   {object{"bib": "1", "gun_time": "1:10:00", "net_time": "1:10:01.1"}, []string{"body.net_time"}},
		"time for a DNS":        {object{"bib": "1", "gun_time": "1:10:00", "status": "DNS"}, []string{"body.gun_time"}},
		"unknown status":        {object{"bib": "1", "status": "LATE"}, []string{"body.status"}},
		"unknown field":         {object{"bib": "1", "chip": "1:10:00"}, []string{"body.chip"}},
		"wrong type":            {object{"bib": 1}, []string{"body.bib"}},
		"bad bib":               {object{"bib": "№1"}, []string{"body.bib"}},
		"no bib":                {object{"gun_time": "1:10:00"}, []string{"body.bib"}},
		"sequence of no finish": {object{"bib": "1", "sequence": 0}, []string{"body.sequence"}},
	} {
		refused := decode[problem](t, b.call(t, "organizer", http.MethodPost, b.path, c.body), http.StatusUnprocessableEntity)
		require.Equal(t, c.fields, refused.locations(), name)
	}
	require.Zero(t, b.outbox(t))
}

func TestWhoMayChangeRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, object{"bib": "1"})
	for token, status := range map[string]int{"": http.StatusUnauthorized, "runner": http.StatusForbidden, "rival": http.StatusForbidden} {
		for _, call := range []struct{ method, path string }{
			{http.MethodPost, b.path},
			{http.MethodPost, b.path + "/import"},
			{http.MethodPatch, b.pathOf(r)},
			{http.MethodDelete, b.pathOf(r)},
			{http.MethodGet, "/v1/races/" + b.raceID + "/credits"},
		} {
			require.Equal(t, status, b.call(t, token, call.method, call.path, object{}).Code, "%s %s %s", token, call.method, call.path)
		}
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, object{"bib": "1", "gun_time": "1:10:00", "net_time": "1:09:50"})
	b.outbox(t)

	answer := b.call(t, "organizer", http.MethodPatch, b.pathOf(r),
		object{"gun_time": "1:11:00", "net_time": nil, "reason": "video"}, header{"If-Match": `"1"`})
	second := decode[shown](t, answer, http.StatusOK)
	require.Equal(t, `"2"`, answer.Header().Get("ETag"))
	require.Equal(t, "1:11:00", second.GunTime)
	require.Empty(t, second.NetTime, "null clears it")
	require.Equal(t, shownCredit{Status: "pending", TraceURL: b.trace(r, 2)}, second.Credit)
	require.Equal(t, 1, b.outbox(t))

	b.settle(t, second, 2, race.Credited)
	same := b.patch(t, second, object{"gun_time": "1:11:00", "reason": "again"})
	require.Equal(t, 2, same.Revision, "nothing changed")
	require.Equal(t, "credited", same.Credit.Status)
	require.Zero(t, b.outbox(t))

	dns := b.patch(t, second, object{"status": "DNS", "gun_time": nil, "reason": "never at the start"})
	require.Equal(t, "DNS", dns.Status)
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.post(t, object{"bib": "1", "gun_time": "1:10:00"})
	b.patch(t, first, object{"gun_time": "1:11:00", "reason": "video"})
	b.outbox(t)
	for name, c := range map[string]struct {
		match  string
		body   object
		status int
		fields []string
	}{
		"no If-Match":      {"", object{"reason": "x"}, http.StatusPreconditionRequired, nil},
		"no revision":      {"latest", object{"reason": "x"}, http.StatusUnprocessableEntity, []string{"header.If-Match"}},
		"stale":            {"1", object{"gun_time": "1:12:00", "reason": "x"}, http.StatusPreconditionFailed, nil},
		"no reason":        {"2", object{"gun_time": "1:12:00"}, http.StatusUnprocessableEntity, []string{"body.reason"}},
		"blank reason":     {"2", object{"gun_time": "1:12:00", "reason": " "}, http.StatusUnprocessableEntity, []string{"body.reason"}},
		"bad time":         {"2", object{"gun_time": "soon", "reason": "x"}, http.StatusUnprocessableEntity, []string{"body.gun_time"}},
		"DNS with a time":  {"2", object{"status": "DNS", "reason": "x"}, http.StatusUnprocessableEntity, []string{"body.gun_time"}},
		"empty bib":        {"2", object{"bib": "", "reason": "x"}, http.StatusUnprocessableEntity, []string{"body.bib"}},
		"net before start": {"2", object{"net_time": "1:11:02", "reason": "x"}, http.StatusUnprocessableEntity, []string{"body.net_time"}},
	} {
		answer := b.call(t, "organizer", http.MethodPatch, b.pathOf(first), c.body, header{"If-Match": c.match})
		require.Equal(t, c.fields, decode[problem](t, answer, c.status).locations(), name)
	}
	for _, id := range []string{uuid.NewString(), "no-id", "№"} {
		answer := b.call(t, "organizer", http.MethodPatch, b.path+"/"+id, object{"reason": "x"}, header{"If-Match": "1"})
		require.Equal(t, http.StatusNotFound, answer.Code, answer.Body.String())
	}
	require.Zero(t, b.outbox(t))
}

func TestSwapBibs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one, two := b.post(t, object{"bib": "1"}), b.post(t, object{"bib": "2"})
	one = b.patch(t, one, object{"bib": "2", "reason": "mixed up"})
	require.True(t, one.Waiting)
	two = b.patch(t, two, object{"bib": "1", "reason": "mixed up"})
	require.False(t, two.Waiting)
	one = b.get(t, one)
	require.False(t, one.Waiting)
	require.Equal(t, 3, one.Revision)
	require.Equal(t, 5, b.outbox(t))
}

func TestRemove(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.post(t, object{"bib": "1"})
	require.Equal(t, http.StatusPreconditionRequired, b.call(t, "organizer", http.MethodDelete, b.pathOf(r), nil).Code)
	require.Equal(t, http.StatusPreconditionFailed, b.call(t, "organizer", http.MethodDelete, b.pathOf(r), nil, header{"If-Match": "2"}).Code)

	gone := b.remove(t, r, "", object{"reason": "ran another race"})
	require.True(t, gone.Removed)
	require.Equal(t, 2, gone.Revision)
	require.Equal(t, 2, b.remove(t, gone, "", nil).Revision, "it is removed already")
	conflict := b.call(t, "organizer", http.MethodPatch, b.pathOf(r), object{"bib": "2", "reason": "x"}, header{"If-Match": "2"})
	require.Equal(t, http.StatusConflict, conflict.Code)
	last := b.get(t, r).Revisions[1]
	require.Equal(t, "ran another race", last.Reason)
	require.Equal(t, organizerID, last.ChangedBy)

	for query, reason := range map[string]string{"?reason=twice": "twice", "": "removed by the organizer"} {
		again := b.post(t, object{"bib": "1"})
		b.remove(t, again, query, nil)
		require.Equal(t, reason, b.get(t, again).Revisions[1].Reason)
	}
}
