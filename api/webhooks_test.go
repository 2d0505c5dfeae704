package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWebhooks: the secret is in one answer and nowhere else, only the owner sees the
// endpoints, and who hands the race over gets nothing more.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID + "/webhooks"
	for _, refused := range []string{
		`{"url":"http://example.org/","events":["race.changed"]}`, `{"url":"https://169.254.169.254/","events":["race.changed"]}`, `{"url":"https://u:p@example.org/","events":["race.changed"]}`,
		`{"url":"https://example.org/","events":[]}`, `{"url":"https://example.org/","events":["race.exploded"]}`,
	} {
		b.as(t, owner, http.MethodPost, path, refused, http.StatusUnprocessableEntity)
	}
	made := b.as(t, owner, http.MethodPost, path, `{"url":"https://example.org/hooks","events":["race.changed","race.official"]}`, http.StatusCreated)
	secret := fmt.Sprint(made["secret"])
	require.Regexp(t, "^whsec_[A-Za-z0-9+/]{43}=$", secret)
	one := path + "/" + fmt.Sprint(made["webhook_id"])
	require.NotContains(t, b.as(t, owner, http.MethodGet, one, "", http.StatusOK), "secret")

	rotated := b.as(t, owner, http.MethodPost, one+"/rotate", "", http.StatusOK)
	require.Regexp(t, "^whsec_", rotated["secret"])
	require.NotEqual(t, secret, rotated["secret"])
	for range 3 {
		b.as(t, owner, http.MethodPost, one+"/rotate", "", http.StatusOK)
	}
	b.as(t, owner, http.MethodPost, one+"/rotate", "", http.StatusConflict)
	require.NotContains(t, b.logs.drain(), "whsec_")

	off := b.as(t, owner, http.MethodPatch, one, `{"active":false}`, http.StatusOK)
	require.Equal(t, []any{false, "owner"}, []any{off["active"], off["off_reason"]})
	b.as(t, owner, http.MethodPost, one+"/replay", `{"since":"2026-01-01T00:00:00Z","until":"2027-01-01T00:00:00Z"}`, http.StatusConflict)
	b.as(t, owner, http.MethodPatch, one, `{"active":true,"url":"https://example.org/other/secret-path"}`, http.StatusOK)
	require.EqualValues(t, 0, b.as(t, owner, http.MethodPost, one+"/replay", `{"since":"2026-01-01T00:00:00Z","until":"2027-01-01T00:00:00Z"}`, http.StatusAccepted)["replayed"])
	b.as(t, owner, http.MethodPost, one+"/replay", `{"since":"2027-01-01T00:00:00Z","until":"2026-01-01T00:00:00Z"}`, http.StatusUnprocessableEntity)
	for _, logged := range items(t, b.as(t, owner, http.MethodGet, "/v1/races/"+b.race.ID+"/changes?action=webhook.", "", http.StatusOK)) {
		require.NotContains(t, fmt.Sprint(logged), "secret-path")
	}

	_, _, err := b.parts.mainDB.HandOver(t.Context(), b.race.ID, b.bystanderID, "the club organizes it from now on")
	require.NoError(t, err)
	b.as(t, owner, http.MethodGet, one, "", http.StatusForbidden)
	left, err := b.parts.mainDB.Webhooks(t.Context(), b.race.ID)
	require.NoError(t, err)
	require.Equal(t, "handed_over", left[0].OffReason)
}

// TestChannels: the URL of a channel is in no answer, error, log or change, with which it
// is added and replaced.
func TestChannels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID + "/webhooks"
	const slack, discord = "https://hooks.slack.com/services/T0/B0/verysecret", "https://discord.com/api/webhooks/1/verysecret"
	for _, refused := range []string{
		`{"url":"` + slack + `","events":["race.changed"]}`, `{"format":"discord","url":"` + slack + `","events":["race.changed"]}`,
		`{"format":"slack","url":"https://example.org/services/T0/B0/verysecret","events":["race.changed"]}`,
		`{"format":"slack","url":"` + slack + `","events":["race.changed","result.posted"]}`, `{"format":"slack","url":"` + slack + `","events":["entry.changed"]}`,
		`{"format":"irc","url":"` + slack + `","events":["race.changed"]}`, `{"format":"slack","language":"xx","url":"` + slack + `","events":["race.changed"]}`,
		`{"format":"slack","url":"` + slack + strings.Repeat("x", 1000) + `","events":["race.changed"]}`, `{"format":"slack","url":["` + slack + `"],"events":["race.changed"]}`,
	} {
		answer := b.as(t, owner, http.MethodPost, path, refused, http.StatusUnprocessableEntity)
		require.NotContains(t, fmt.Sprint(answer), "verysecret")
	}
	for format, address := range map[string]string{"slack": slack, "discord": discord} {
		made := b.as(t, owner, http.MethodPost, path, `{"format":"`+format+`","language":"ko","url":"`+address+`","events":["race.changed"]}`, http.StatusCreated)
		require.Equal(t, []any{format, "ko", strings.Replace(address, "verysecret", "…", 1)}, []any{made["format"], made["language"], made["url"]})
		require.NotContains(t, made, "secret")
		one := path + "/" + fmt.Sprint(made["webhook_id"])
		for _, wrong := range []string{`{"url":"https://example.org/verysecret"}`, `{"events":["result.posted"]}`} {
			require.NotContains(t, fmt.Sprint(b.as(t, owner, http.MethodPatch, one, wrong, http.StatusUnprocessableEntity)), "verysecret")
		}
		changed := b.as(t, owner, http.MethodPatch, one, `{"language":"en","url":"`+address+`er"}`, http.StatusOK)
		require.Equal(t, []any{"en", made["url"]}, []any{changed["language"], changed["url"]})
		b.as(t, owner, http.MethodPost, one+"/rotate", "", http.StatusConflict)
		b.as(t, owner, http.MethodPost, one+"/test", "", http.StatusAccepted)
		b.as(t, owner, http.MethodPost, path+"/"+b.race.ID+"/test", "", http.StatusNotFound)
		b.as(t, runner, http.MethodPost, one+"/test", "", http.StatusForbidden)
	}
	list := b.as(t, owner, http.MethodGet, path, "", http.StatusOK)
	logged := items(t, b.as(t, owner, http.MethodGet, "/v1/races/"+b.race.ID+"/changes?action=webhook.", "", http.StatusOK))
	require.Len(t, logged, 6, "added, changed and tested")
	for _, shown := range []any{list, logged, b.logs.drain()} {
		require.NotContains(t, fmt.Sprint(shown), "verysecret")
	}
	require.Contains(t, fmt.Sprint(logged), "hooks.slack.com")
}
