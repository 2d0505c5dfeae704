package accounts_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// items lists the objects of a list.
func (a answer) items() []fields {
	var list []fields
	found, _ := a.body["items"].([]any)
	for _, item := range found {
		one, _ := item.(fields)
		list = append(list, one)
	}
	return list
}

func TestSessions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp("uta", auth.Runner)
	first := b.pairOf(b.do(request{
		method: "POST", path: "/v1/login", body: fields{"login_id": "uta", "password": password},
		agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	}))
	b.clock.pass(time.Minute)
	second := b.pairOf(b.login("uta", password, ""))
	third := b.pairOf(b.login("uta", password, ""))

	listed := b.get("/v1/me/sessions", second.access).items()
	require.Len(t, listed, 3)
	require.Equal(t, []any{false, true, false}, []any{listed[0]["current"], listed[1]["current"], listed[2]["current"]})
	require.Equal(t, "Firefox on Linux", listed[2]["device"])
	require.Equal(t, "token", listed[2]["kind"])
	require.Equal(t, listed[2]["created_at"], listed[2]["last_used_at"])
	require.NotEqual(t, listed[1]["created_at"], listed[2]["created_at"])
	page := b.get("/v1/me/sessions?limit=2", second.access)
	require.Len(t, page.items(), 2)
	require.Len(t, b.get("/v1/me/sessions?limit=2&cursor="+page.string("next_cursor"), second.access).items(), 1)

	path := "/v1/me/sessions/"
	id, _ := listed[2]["session_id"].(string)
	stranger := b.loggedIn("eve", auth.Organizer)
	require.Equal(t, http.StatusNotFound, b.do(request{method: "DELETE", path: path + id, token: stranger.access}).status)
	require.Equal(t, http.StatusNoContent, b.do(request{method: "DELETE", path: path + id, token: second.access}).status)
	require.Equal(t, http.StatusNotFound, b.do(request{method: "DELETE", path: path + id, token: second.access}).status)
	require.Equal(t, http.StatusNotFound, b.do(request{method: "DELETE", path: path + "x", token: second.access}).status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(first.refresh).status)
	ended := b.do(request{method: "PATCH", path: "/v1/me", token: first.access, body: fields{"name": "Thief"}})
	require.Equal(t, http.StatusUnauthorized, ended.status)
	require.Contains(t, ended.problem.Detail, "session of this access token has ended")

	require.Equal(t, http.StatusNoContent, b.do(request{method: "DELETE", path: "/v1/me/sessions", token: second.access}).status)
	require.Equal(t, http.StatusUnauthorized, b.get("/v1/me", third.access).status)
	require.Len(t, b.get("/v1/me/sessions", second.access).items(), 1)
	second = b.pairOf(b.refresh(second.refresh))
	require.Equal(t, http.StatusNoContent, b.do(request{method: "POST", path: "/v1/logout", body: fields{"refresh_token": second.refresh}}).status)
	require.Equal(t, http.StatusUnauthorized, b.do(request{method: "DELETE", path: "/v1/me/sessions", token: second.access}).status)
}

// TestSuspension: tokens end at once for writes, within a second for reads that
// another call has just made.
func TestSuspension(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := b.signUp("uta", auth.Runner)
	held := b.pairOf(b.login("uta", password, ""))
	require.Equal(t, http.StatusOK, b.get("/v1/me", held.access).status)

	_, err := b.store.Suspend(t.Context(), userID, userID, "it was asked for")
	require.NoError(t, err)
	refused := b.do(request{method: "PATCH", path: "/v1/me", token: held.access, body: fields{"name": "Thief"}})
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Contains(t, refused.problem.Detail, "suspended")
	b.clock.pass(time.Second)
	require.Equal(t, http.StatusUnauthorized, b.get("/v1/me", held.access).status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(held.refresh).status)
	require.Equal(t, http.StatusForbidden, b.login("uta", password, "").status)
	require.Equal(t, http.StatusUnauthorized, b.login("uta", "wrong", "").status, "only who knows the password learns of it")

	_, err = b.store.Restore(t.Context(), userID, "it was a mistake")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, b.get("/v1/me", held.access).status, "what ended stays ended")
	again := b.pairOf(b.login("uta", password, ""))
	require.Equal(t, http.StatusOK, b.get("/v1/me", again.access).status)
	require.Equal(t, http.StatusOK, b.do(request{method: "PATCH", path: "/v1/me", token: again.access, body: fields{"name": "Uta"}}).status)
}

// TestSessionsOfOlderPrograms: during a release, programs that know no rows of
// sessions start and refresh some.
func TestSessionsOfOlderPrograms(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := b.signUp("uta", auth.Runner)
	held := b.pairOf(b.login("uta", password, ""))
	require.NoError(t, b.exec("DELETE FROM session"))
	require.Equal(t, http.StatusOK, b.get("/v1/me", held.access).status)
	_, err := b.store.Suspend(t.Context(), userID, userID, "it was asked for")
	require.NoError(t, err)
	_, err = b.store.Restore(t.Context(), userID, "it was a mistake")
	require.NoError(t, err)
	b.clock.pass(time.Second)
	require.Equal(t, http.StatusOK, b.get("/v1/me", b.pairOf(b.login("uta", password, "")).access).status)
	require.Equal(t, http.StatusUnauthorized, b.get("/v1/me/sessions", held.access).status, "without a row, the time of issue decides")

	other := b.pairOf(b.login("uta", password, ""))
	require.NoError(t, b.exec("DELETE FROM session"))
	other = b.pairOf(b.refresh(other.refresh))
	require.Len(t, b.get("/v1/me/sessions", other.access).items(), 1, "a refresh adds the row")
}

// TestUserDBDown: results are accepted while user_db is down, so tokens are then good
// until they expire.
func TestUserDBDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.loggedIn("uta", auth.Runner)
	require.NoError(t, b.exec("RENAME TABLE session TO session_away"))
	require.Equal(t, http.StatusOK, b.get("/v1/me", held.access).status)
	require.Contains(t, b.logs.String(), "cannot read from user_db whether sessions have ended")
}

// TestSessionsEndAfterTheirGreatestLength: no refresh prolongs them beyond it, and the
// last access token ends with them.
func TestSessionsEndAfterTheirGreatestLength(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, of := range []struct {
		login    string
		userType auth.UserType
		days     int
	}{{"uta", auth.Runner, 30}, {"office", auth.Organizer, 30}, {"ops", auth.Operator, 1}} {
		if of.userType == auth.Operator {
			b.signUp(of.login, auth.Runner)
			require.NoError(t, b.exec("UPDATE user SET user_type = 'operator' WHERE login_id = 'ops'"))
		} else {
			b.signUp(of.login, of.userType)
		}
		held := b.pairOf(b.login(of.login, password, ""))
		for range of.days*2 - 1 { // a refresh token lives for a day here
			b.clock.pass(12 * time.Hour)
			held = b.pairOf(b.refresh(held.refresh))
		}
		b.clock.pass(12*time.Hour - time.Minute)
		last := b.refresh(held.refresh)
		held = b.pairOf(last)
		require.InDelta(t, 60, last.body["expires_in"], 0)
		require.Equal(t, http.StatusOK, b.get("/v1/me", held.access).status)
		b.clock.pass(time.Minute + 6*time.Second) // with the leeway of clocks
		require.Equal(t, http.StatusUnauthorized, b.refresh(held.refresh).status, of.login)
		require.Equal(t, http.StatusUnauthorized, b.get("/v1/me", held.access).status, of.login)
		again := b.pairOf(b.login(of.login, password, ""))
		require.Len(t, b.get("/v1/me/sessions", again.access).items(), 1)
	}
}

// TestOldSessionsGetTheirEnd: one that was begun before sessions had a greatest length
// ends with its next refresh if it is older.
func TestOldSessionsGetTheirEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.loggedIn("uta", auth.Runner)
	require.NoError(t, b.exec("UPDATE session SET created_at = created_at - INTERVAL 31 DAY"))
	require.Equal(t, http.StatusUnauthorized, b.refresh(held.refresh).status)
}
