package accounts_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
)

func TestNoticePreferences(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token := b.loggedIn("uta", auth.Runner).access
	shown := func(a answer) map[string]string {
		require.Equal(t, http.StatusOK, a.status, a.text)
		states := map[string]string{}
		items, _ := a.body["items"].([]any)
		for _, one := range items {
			item, _ := one.(map[string]any)
			kind, _ := item["kind"].(string)
			states[kind], _ = item["state"].(string)
		}
		return states
	}
	at := func(method string, body any) answer {
		return b.do(request{method: method, path: "/v1/me/notices", token: token, body: body})
	}
	is := shown(at(http.MethodGet, nil))
	require.Equal(t, []string{"always", "on", "digest"}, []string{is["offer-made"], is["place-moved"], is["points-credited"]})
	changed := at(http.MethodPatch, `{"paused_until":"2026-12-31T00:00:00Z","items":[{"kind":"place-moved","state":"off"},{"kind":"points-credited","channel":"email","state":"off"}]}`)
	is = shown(changed)
	require.Equal(t, []string{"on", "off", "off"}, []string{is["result-posted"], is["place-moved"], is["points-credited"]})
	require.Equal(t, "2026-12-31T00:00:00Z", changed.string("paused_until"))
	require.Equal(t, "off", shown(at(http.MethodPatch, `{}`))["place-moved"], "what is left out stays")
	require.Empty(t, at(http.MethodPatch, `{"paused_until":""}`).string("paused_until"))
	require.Empty(t, at(http.MethodPatch, `{"paused_until":"2001-01-01T00:00:00Z"}`).string("paused_until"), "it is over")
	for body, field := range map[string]string{
		`{"items":[{"kind":"security","state":"off"}]}`:                       "items[0].kind",
		`{"items":[{"kind":"place-moved","state":"digest"}]}`:                 "items[0].state",
		`{"items":[{"kind":"nonsense","state":"off"}]}`:                       "items[0].kind",
		`{"items":[{"kind":"place-moved","channel":"fax","state":"off"}]}`:    "body.items[0].channel",
		`{"paused_until":"tomorrow"}`:                                         "paused_until",
		`{"paused_until":"2036-01-01T00:00:00Z"}`:                             "paused_until",
		`{"items":[{"kind":"result-posted","state":"off"}],"paused_until":1}`: "body.paused_until",
	} {
		refused := at(http.MethodPatch, body)
		require.Equal(t, http.StatusUnprocessableEntity, refused.status, body)
		require.Contains(t, refused.problem.Errors[0].Location, field, body)
	}
	require.Equal(t, "on", shown(at(http.MethodGet, nil))["result-posted"], "a call that is refused changes nothing")
}
