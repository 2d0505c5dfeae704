package main

import (
	"fmt"
	"net/http"
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
