package accounts_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := b.signUp("uta", auth.Organizer)
	a := b.login(" UTA", password, "")
	require.Equal(t, http.StatusOK, a.status, a.text)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, "Bearer", a.body["token_type"])
	require.InDelta(t, 900, a.body["expires_in"], 0)
	require.Equal(t, userID, a.body["user_id"])
	require.Equal(t, "organizer", a.body["user_type"])

	tokens := b.pairOf(a)
	require.Equal(t, http.StatusOK, b.get("/v1/me", tokens.access).status)
	b.clock.pass(15*time.Minute + 10*time.Second)
	require.Equal(t, http.StatusUnauthorized, b.get("/v1/me", tokens.access).status)
}

// Every login that fails is answered alike and costs one check of a password,
// which is where the time goes.
func TestFailedLoginsAreIndistinguishable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp("uta", auth.Runner)
	left := b.loggedIn("left", auth.Runner)
	require.Equal(t, http.StatusNoContent, b.do(request{method: "DELETE", path: "/v1/me", token: left.access, body: fields{"password": password}}).status)
	_, err := b.store.CreateAccount(t.Context(), userdb.Account{
		UserID: uuid.NewString(), LoginID: "no-password", Type: auth.Runner, Name: "Uta",
	})
	require.NoError(t, err)

	var texts []string
	for i, login := range []string{"uta", "nobody", "left", "no-password", "not a login at all"} {
		before := b.checks.Load()
		a := b.login(login, "wrong password", fmt.Sprintf("192.0.2.%d", i))
		require.Equal(t, http.StatusUnauthorized, a.status, login)
		require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
		require.EqualValues(t, 1, b.checks.Load()-before, login)
		texts = append(texts, a.text)
		require.Equal(t, texts[0], a.text, login)
	}
	a := b.login("no-password", "", "192.0.2.9")
	require.Equal(t, http.StatusUnprocessableEntity, a.status)
}

func TestFailedLoginsAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp("uta", auth.Runner)
	const guesser, home = "192.0.2.1", "192.0.2.2"
	for _, login := range []string{"uta", "nobody"} {
		for range 5 {
			require.Equal(t, http.StatusUnauthorized, b.login(login, "wrong password", guesser).status)
		}
		before := b.checks.Load()
		a := b.login(login, password, guesser)
		require.Equal(t, http.StatusTooManyRequests, a.status, login)
		require.Equal(t, "30", a.header.Get("Retry-After"), "whether somebody has the login or not")
		require.Equal(t, before, b.checks.Load(), "no password is looked at")
	}
	require.Equal(t, http.StatusOK, b.login("uta", password, home).status, "the owner is not locked out")
	seconds, err := strconv.Atoi(b.login("uta", password, guesser).header.Get("Retry-After"))
	require.NoError(t, err)
	b.clock.pass(time.Duration(seconds) * time.Second)
	require.Equal(t, http.StatusOK, b.login("uta", password, guesser).status)
}

func TestIPv6NetworksCountAsOneAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		require.Equal(t, http.StatusUnauthorized, b.login("uta", "wrong", fmt.Sprintf("[2001:db8:0:1::%d]", i)).status)
	}
	require.Equal(t, http.StatusTooManyRequests, b.login("uta", "wrong", "[2001:db8:0:1:ffff::1]").status)
	require.Equal(t, http.StatusUnauthorized, b.login("uta", "wrong", "[2001:db8:0:2::1]").status)
}

func TestLoginUpgradesAnOldHash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, err := argon2id.CreateHash(password, &argon2id.Params{
		Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32,
	})
	require.NoError(t, err)
	account, err := b.store.CreateAccount(t.Context(), userdb.Account{
		UserID: uuid.NewString(), LoginID: "uta", PasswordHash: old, Type: auth.Runner, Name: "Uta",
	})
	require.NoError(t, err)

	b.pairOf(b.login("uta", password, ""))
	upgraded, err := b.store.Account(t.Context(), account.UserID)
	require.NoError(t, err)
	require.Contains(t, upgraded.PasswordHash, "$m=19456,t=2,p=1$")
	b.pairOf(b.login("uta", password, ""))
	again, err := b.store.Account(t.Context(), account.UserID)
	require.NoError(t, err)
	require.Equal(t, upgraded.PasswordHash, again.PasswordHash)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.loggedIn("uta", auth.Runner)
	other := b.pairOf(b.login("uta", password, ""))

	a := b.refresh(first.refresh)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	second := b.pairOf(a)
	require.Equal(t, http.StatusOK, b.get("/v1/me", second.access).status)

	require.Equal(t, http.StatusUnauthorized, b.refresh(first.refresh).status, "used before")
	require.Contains(t, b.logs.String(), "used twice")
	require.Equal(t, http.StatusUnauthorized, b.refresh(second.refresh).status, "so the session is over")
	b.pairOf(b.refresh(other.refresh))

	require.Equal(t, http.StatusUnauthorized, b.refresh("made up").status)
	require.Equal(t, http.StatusUnprocessableEntity, b.refresh("").status)
}

func TestRefreshTokenExpires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.loggedIn("uta", auth.Runner)
	b.clock.pass(24 * time.Hour)
	require.Equal(t, http.StatusUnauthorized, b.refresh(tokens.refresh).status)
}

func TestOneRefreshOfManyWins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.loggedIn("uta", auth.Runner)
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = b.refresh(tokens.refresh).status })
	}
	wg.Wait()
	won := 0
	for _, status := range statuses {
		if status == http.StatusOK {
			won++
			continue
		}
		require.Equal(t, http.StatusUnauthorized, status)
	}
	require.Equal(t, 1, won)
}

func TestLogout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tokens := b.loggedIn("uta", auth.Runner)
	other := b.pairOf(b.login("uta", password, ""))
	for _, token := range []string{tokens.refresh, tokens.refresh, "made up"} {
		a := b.do(request{method: "POST", path: "/v1/logout", body: fields{"refresh_token": token}})
		require.Equal(t, http.StatusNoContent, a.status, a.text)
	}
	require.Equal(t, http.StatusUnauthorized, b.refresh(tokens.refresh).status)
	b.pairOf(b.refresh(other.refresh))
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.get("/.well-known/jwks.json", "")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "application/jwk-set+json", a.header.Get("Content-Type"))
	require.Contains(t, a.header.Get("Cache-Control"), "max-age")
	require.True(t, json.Valid([]byte(a.text)))
	require.Equal(t, string(b.keys.JWKS()), a.text)
}
