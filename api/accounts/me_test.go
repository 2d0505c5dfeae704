package accounts_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func (b *bundle) patch(token string, body fields) answer {
	b.t.Helper()
	return b.do(request{method: "PATCH", path: "/v1/me", token: token, body: body})
}

func TestMeNeedsAToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		require.Equal(t, http.StatusUnauthorized, b.do(request{method: method, path: "/v1/me", body: fields{}}).status)
	}
	organizer := b.loggedIn("organizer", auth.Organizer)
	require.Equal(t, http.StatusUnauthorized, b.get("/v1/me/points", "").status)
	require.Equal(t, http.StatusForbidden, b.get("/v1/me/points", organizer.access).status)
}

func TestChangeMe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.loggedIn("uta", auth.Runner)
	a := b.patch(tokens.access, fields{"name": "Uta P.", "phone": "030 1234", "birth_date": "1965-09-07", "sex": "F"})
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Equal(t, "Uta P.", a.body["name"])
	require.Equal(t, "030 1234", a.body["phone"])
	require.Equal(t, "1965-09-07", a.body["birth_date"])
	require.Equal(t, "F", a.body["sex"])

	a = b.patch(tokens.access, fields{"phone": "", "birth_date": "", "sex": ""})
	require.Equal(t, http.StatusOK, a.status, a.text)
	for _, field := range []string{"phone", "birth_date", "sex"} {
		require.NotContains(t, a.body, field)
	}
	require.Equal(t, a.body, b.patch(tokens.access, fields{}).body)
	require.Equal(t, "Uta P.", a.body["name"])

	for field, value := range map[string]any{
		"name": "", "phone": "x", "birth_date": "2026-04-21", "sex": "female", "email": "x", "language": "de", "user_type": "operator",
		"current_password": password, "password": "another good one",
	} {
		change := fields{field: value}
		if field == "email" {
			change["current_password"] = password
		}
		a = b.patch(tokens.access, change)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, field)
		require.Len(t, a.problem.Errors, 1, field)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const next = "a hill in Newton"
	tokens := b.loggedIn("uta", auth.Runner)
	other := b.pairOf(b.login("uta", password, ""))

	a := b.patch(tokens.access, fields{"password": next, "current_password": "wrong", "name": "not written"})
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Equal(t, []string{"body.current_password"}, a.locations())
	a = b.patch(tokens.access, fields{"password": "password", "current_password": password})
	require.Equal(t, []string{"body.password"}, a.locations())
	require.Equal(t, "First Runner", b.get("/v1/me", tokens.access).body["name"])

	a = b.patch(tokens.access, fields{"password": next, "current_password": password})
	require.Equal(t, http.StatusOK, a.status, a.text)
	b.pairOf(b.refresh(tokens.refresh)) // the login that made the change goes on
	require.Equal(t, http.StatusUnauthorized, b.refresh(other.refresh).status)
	require.Equal(t, http.StatusUnauthorized, b.login("uta", password, "").status)
	b.pairOf(b.login("uta", next, ""))
}

func TestGuessingTheCurrentPasswordIsLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.loggedIn("uta", auth.Runner)
	body := fields{"password": "a hill in Newton", "current_password": "wrong"}
	for range 5 {
		require.Equal(t, http.StatusUnprocessableEntity, b.patch(tokens.access, body).status)
	}
	a := b.patch(tokens.access, body)
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.NotEmpty(t, a.header.Get("Retry-After"))
}

func TestLeave(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.loggedIn("uta", auth.Runner)
	require.Equal(t, http.StatusNoContent, b.do(request{method: "DELETE", path: "/v1/me", token: tokens.access, body: fields{"password": password}}).status)

	// The access token lives on for minutes, and finds nobody.
	for _, r := range []request{
		{method: "GET", path: "/v1/me"},
		{method: "PATCH", path: "/v1/me", body: fields{"name": "back"}},
		{method: "DELETE", path: "/v1/me"},
		{method: "GET", path: "/v1/me/points"},
	} {
		r.token = tokens.access
		a := b.do(r)
		require.Equal(t, http.StatusUnauthorized, a.status, r.method+r.path)
		require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
	}
	require.Equal(t, http.StatusUnauthorized, b.refresh(tokens.refresh).status)
	require.Equal(t, http.StatusUnauthorized, b.login("uta", password, "").status)
	b.signUp("uta", auth.Runner) // the login is free again
}

func TestMyPoints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := b.signUp("uta", auth.Runner)
	token := b.pairOf(b.login("uta", password, "")).access
	a := b.get("/v1/me/points", token)
	require.Equal(t, http.StatusOK, a.status)
	require.JSONEq(t, `{"total_point":0,"items":[]}`, textWithout(t, a, "$schema"))

	recordID, raceID := uuid.NewString(), uuid.NewString()
	for revision, points := range []int64{700, 712} {
		_, err := b.ledger.ApplyCredit(t.Context(), race.Credit{
			RecordID: recordID, RaceID: raceID, Revision: revision + 1, Status: race.Credited, UserID: userID,
			Points: points, Rule: "agegrade", Edition: "2025", WorkflowID: "credit/w",
			Parts: &race.Parts{Rule: "agegrade-2025", Clock: race.Net, AgeGradePercent: float64(points) / 10},
		})
		require.NoError(t, err)
	}
	first := b.get("/v1/me/points?limit=2", token)
	require.InDelta(t, 712, first.body["total_point"], 0)
	require.Equal(t, "no-store", first.header.Get("Cache-Control"))
	items, ok := first.body["items"].([]any)
	require.True(t, ok)
	require.Len(t, items, 2)
	newest, ok := items[0].(fields)
	require.True(t, ok)
	require.Equal(t, fields{
		"race_id": raceID, "record_id": recordID, "revision": 2.0, "points": 712.0, "rule": "agegrade", "edition": "2025",
		"parts":  fields{"rule": "agegrade-2025", "clock": "net", "age_grade_percent": 71.2},
		"reason": "", "created_at": "2026-04-20T12:00:00Z", "trace_url": "http://ui/credit/w",
	}, newest)
	cursor, ok := first.body["next_cursor"].(string)
	require.True(t, ok)

	last := b.get("/v1/me/points?limit=2&cursor="+cursor, token)
	require.Len(t, last.body["items"], 1)
	require.NotContains(t, items[1], "parts", "a reversal")
	require.NotContains(t, last.body, "next_cursor")
	a = b.get("/v1/me/points?cursor=nonsense", token)
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
	require.Equal(t, []string{"query.cursor"}, a.locations())
}
