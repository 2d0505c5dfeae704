package accounts_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func textWithout(t *testing.T, a answer, key string) string {
	t.Helper()
	text, err := json.Marshal(without(a.body, key))
	require.NoError(t, err)
	return string(text)
}

// Whatever happens, no log line and no problem document repeats what somebody
// said of themselves.
func TestNoPersonalDataIsLoggedOrEchoed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secrets := []string{"private-login", "Private Name", "private-password", "1965-09-07", "555 0199", "2001:db8"}
	person := fields{
		"login_id": "private-login", "password": "private-password", "name": "Private Name", "user_type": "runner",
		"birth_date": "1965-09-07", "phone": "555 0199", "sex": "F",
	}
	var problems strings.Builder
	note := func(a answer) answer {
		if a.status >= http.StatusBadRequest {
			problems.WriteString(a.text)
		}
		return a
	}
	const from = "[2001:db8::1]"
	note(b.do(request{method: "POST", path: "/v1/users", body: person, from: from}))
	note(b.do(request{method: "POST", path: "/v1/users", body: person, from: from})) // taken
	broken := fields{
		"login_id": "private-login x", "password": "private-password" + strings.Repeat("!", 200), "name": "Private Name\x01",
		"user_type": "private-login", "birth_date": "1965-09-07T", "phone": "555 0199 x", "sex": "Private Name",
	}
	note(b.do(request{method: "POST", path: "/v1/users", body: broken, from: from}))
	delete(broken, "user_type")
	note(b.do(request{method: "POST", path: "/v1/users", body: broken, from: from}))
	broken["user_type"] = "runner"
	note(b.do(request{method: "POST", path: "/v1/users", body: broken, from: from}))
	tokens := b.pairOf(b.login("private-login", "private-password", from))
	for range 7 {
		note(b.login("private-login", "private-password?", from))
	}
	note(b.patch(tokens.access, fields{"password": "private-password", "current_password": "private-password!"}))
	note(b.patch(tokens.access, fields{"phone": "555 0199 x", "birth_date": "1965-09-07T"}))
	b.pairOf(b.refresh(tokens.refresh))
	note(b.refresh(tokens.refresh))
	require.NoError(t, b.exec("DROP TABLE user"))
	// Now everything fails in a way that nobody foresaw.
	require.Equal(t, http.StatusInternalServerError, note(b.login("private-login", "private-password", "192.0.2.1")).status)
	require.Equal(t, http.StatusInternalServerError, note(b.patch(tokens.access, fields{"name": "Private Name"})).status)
	require.Equal(t, http.StatusInternalServerError, note(b.do(request{method: "POST", path: "/v1/users", body: person})).status)

	require.Contains(t, b.logs.String(), `"level":"ERROR"`)
	require.Contains(t, b.logs.String(), `"level":"WARN"`)
	for _, secret := range append(secrets, tokens.access, tokens.refresh) {
		require.NotContains(t, b.logs.String(), secret)
		require.NotContains(t, problems.String(), secret)
	}
}
