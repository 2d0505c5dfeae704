package accounts_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
)

func TestSignUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.do(request{method: "POST", path: "/v1/users", body: fields{
		"login_id": " Uta@Example.org", "password": password, "name": " First Runner ", "user_type": "runner",
		"birth_date": "1965-09-07", "sex": "F", "phone": "+49 30 901820",
	}})
	require.Equal(t, http.StatusCreated, a.status, a.text)
	require.Equal(t, "runner", a.body["user_type"])

	tokens := b.pairOf(b.login("uta@example.org", password, ""))
	got := b.get("/v1/me", tokens.access)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, fields{
		"user_id": a.body["user_id"], "user_type": "runner", "login_id": "uta@example.org", "name": "First Runner",
		"birth_date": "1965-09-07", "sex": "F", "phone": "+49 30 901820", "total_point": 0.0,
		"created_at": "2026-04-20T12:00:00Z", "email_pending": "uta@example.org", "language": "en",
	}, without(got.body, "$schema"))

	taken := b.do(request{method: "POST", path: "/v1/users", body: fields{
		"login_id": "UTA@EXAMPLE.ORG", "password": password, "name": "Somebody", "user_type": "organizer",
	}})
	require.Equal(t, http.StatusConflict, taken.status)
	require.Equal(t, []string{"body.login_id"}, taken.locations())
}

func TestSignUpAgainWithTheSameKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request{method: "POST", path: "/v1/users", key: "k", body: fields{
		"login_id": "uta", "password": password, "name": "Uta", "user_type": "runner",
	}}
	first, second := b.do(r), b.do(r)
	require.Equal(t, http.StatusCreated, first.status, first.text)
	require.Equal(t, http.StatusCreated, second.status, second.text)
	require.Equal(t, first.body["user_id"], second.body["user_id"])
}

// TestSignUpsAreLimited: six from one address in these tests.
func TestSignUpsAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	signUp := func(login, password, key string) answer {
		return b.do(request{method: "POST", path: "/v1/users", key: key, body: fields{
			"login_id": login, "password": password, "name": "Uta", "user_type": "runner",
		}})
	}
	for i := range 6 {
		require.Equal(t, http.StatusCreated, signUp(fmt.Sprintf("runner-%d", i), password, "1").status)
		require.Equal(t, http.StatusUnprocessableEntity, signUp("runner", "short", "").status, "what is refused for its form does not count")
	}
	refused := signUp("runner-6", password, "1")
	require.Equal(t, http.StatusTooManyRequests, refused.status, refused.text)
	require.Equal(t, "600", refused.header.Get("Retry-After"))
	require.NotEmpty(t, b.pairOf(b.login("runner-0", password, "")).access, "logins are not limited by sign-ups")

	b.clock.pass(10 * time.Minute)
	require.Equal(t, http.StatusCreated, signUp("runner-6", password, "1").status)
}

func TestSignUpNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := fields{"login_id": "uta", "password": password, "name": "Uta", "user_type": "runner"}
	for name, test := range map[string]struct {
		change fields
		want   []string
	}{
		"operator":            {fields{"user_type": "operator"}, []string{"body.user_type"}},
		"unknown type":        {fields{"user_type": true}, []string{"body.user_type"}},
		"unknown field":       {fields{"total_point": 1000}, []string{"body.total_point"}},
		"login too short":     {fields{"login_id": "ab"}, []string{"body.login_id"}},
		"login with a space":  {fields{"login_id": "u ta"}, []string{"body.login_id"}},
		"password too short":  {fields{"password": "7 chars"}, []string{"body.password"}},
		"password too long":   {fields{"password": strings.Repeat("pace ", 26)}, []string{"body.password"}},
		"common password":     {fields{"password": "Password1"}, []string{"body.password"}},
		"password is login":   {fields{"password": "uta.pippig", "login_id": "Uta.Pippig"}, []string{"body.password"}},
		"blank name":          {fields{"name": "  "}, []string{"body.name"}},
		"name with a newline": {fields{"name": "Uta\nPippig"}, []string{"body.name"}},
		"born today":          {fields{"birth_date": "2026-04-20"}, []string{"body.birth_date"}},
		"born long ago":       {fields{"birth_date": "1896-04-10"}, []string{"body.birth_date"}},
		"no date":             {fields{"birth_date": "1965-02-30"}, []string{"body.birth_date"}},
		"no sex of ours":      {fields{"sex": "Q"}, []string{"body.sex"}},
		"no phone":            {fields{"phone": "call me"}, []string{"body.phone"}},
		"several": {
			fields{"sex": "f", "phone": "1", "birth_date": "x", "password": "password"},
			[]string{"body.password", "body.birth_date", "body.sex", "body.phone"},
		},
	} {
		body := maps.Clone(good)
		maps.Copy(body, test.change)
		a := b.do(request{method: "POST", path: "/v1/users", body: body})
		require.Equal(t, http.StatusUnprocessableEntity, a.status, name+a.text)
		require.Equal(t, test.want, a.locations(), name)
	}
	a := b.do(request{method: "POST", path: "/v1/users", body: `{"login_id":`})
	require.Equal(t, http.StatusBadRequest, a.status)
	a = b.do(request{method: "POST", path: "/v1/users", body: fields{"name": strings.Repeat("x", 20_000)}})
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	b.signUp("uta", auth.Runner) // and the good one goes in
}

func without(body fields, key string) fields {
	body = maps.Clone(body)
	delete(body, key)
	return body
}
