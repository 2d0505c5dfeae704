package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// A key may be used for a second after it has ended.
const (
	untilKeysEnd = time.Minute
	lookForEnd   = 100 * time.Millisecond
)

func secretIn(body string) string {
	return regexp.MustCompile("mrk_[A-Za-z0-9_-]{43}").FindString(body)
}

// TestAPIKey follows a key of a race: what it may do, who it acts for, and its end.
func TestAPIKey(t *testing.T) {
	t.Parallel()
	const laptop, later kind = "laptop", "later"
	b := setup(t)
	path := "/v1/races/" + b.race.ID
	keysPath := path + "/keys"
	made := b.as(t, owner, http.MethodPost, keysPath, `{"name":"finish line laptop","scope":"timing"}`, http.StatusCreated)
	b.tokens[laptop] = fmt.Sprint(made["secret"])
	require.Regexp(t, "^mrk_[A-Za-z0-9_-]{43}$", b.tokens[laptop])
	require.Equal(t, b.tokens[laptop][:10], made["prefix"])
	b.as(t, owner, http.MethodPost, keysPath, `{"name":"old","scope":"timing","expires_at":"2020-01-01T00:00:00Z"}`, http.StatusUnprocessableEntity)

	posted := b.as(t, laptop, http.MethodPost, path+"/official-records", `{"bib":"7","gun_time":"2:41:05"}`, http.StatusCreated)
	record := path + "/official-records/" + fmt.Sprint(posted["record_id"])
	answer := b.send(t, http.MethodPatch, record, b.tokens[laptop], `{"gun_time":"2:41:00","reason":"finish video"}`,
		http.Header{"Content-Type": {"application/json"}, "If-Match": {"1"}})
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	b.as(t, laptop, http.MethodPatch, path, `{"city":"Bonn"}`, http.StatusForbidden)
	b.as(t, laptop, http.MethodGet, keysPath, "", http.StatusForbidden)
	b.as(t, laptop, http.MethodGet, "/v1/me", "", http.StatusForbidden)

	log := items(t, b.as(t, owner, http.MethodGet, path+"/changes?action=record.", "", http.StatusOK))
	require.Equal(t, map[string]any{"kind": "key", "id": made["key_id"], "user_id": b.ids[owner]}, log[0]["actor"])
	listed := items(t, b.as(t, owner, http.MethodGet, keysPath, "", http.StatusOK))[0]
	require.NotEmpty(t, listed["last_used_at"])
	require.NotContains(t, listed, "secret")
	require.NotContains(t, b.logs.drain(), b.tokens[laptop][10:])

	b.as(t, owner, http.MethodDelete, keysPath+"/"+fmt.Sprint(made["key_id"]), "", http.StatusNoContent)
	b.as(t, owner, http.MethodDelete, keysPath+"/"+fmt.Sprint(made["key_id"]), "", http.StatusNoContent)
	require.Eventually(t, func() bool {
		return b.call(t.Context(), http.MethodGet, path+"/credits", b.tokens[laptop]) == http.StatusUnauthorized
	},
		untilKeysEnd, lookForEnd, "a key that was revoked ends within a second")

	// A key that was made for the former owner does not outlive the hand-over.
	b.tokens[later] = b.key(t, owner, b.race.ID, auth.ScopeAll)
	b.as(t, later, http.MethodGet, path+"/credits", "", http.StatusOK)
	b.as(t, operator, http.MethodPost, path+"/hand-over", `{"user_id":"`+b.ids[editor]+`","reason":"gone"}`, http.StatusOK)
	require.Contains(t, []int{http.StatusForbidden, http.StatusUnauthorized}, b.call(t.Context(), http.MethodGet, path+"/credits", b.tokens[later]), "at once")
	b.as(t, operator, http.MethodPost, path+"/hand-over", `{"user_id":"`+b.ids[owner]+`","reason":"back"}`, http.StatusOK)
	require.Eventually(t, func() bool {
		return b.call(t.Context(), http.MethodGet, path+"/credits", b.tokens[later]) == http.StatusUnauthorized
	},
		untilKeysEnd, lookForEnd, "and not even when the owner is back")
}

// TestKeyOfAnAccountThatEnds: a key ends with the account that made it.
func TestKeyOfAnAccountThatEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.as(t, keyOther, http.MethodPost, "/v1/races", `{"name":"A","date":"2026-04-19","distance_m":10000,"ranking":{"basis":"gun"}}`, http.StatusCreated)
	b.as(t, operator, http.MethodPost, "/v1/ops/users/"+b.ids[otherOrganizer]+"/suspend", `{"reason":"spam"}`, http.StatusOK)
	b.as(t, keyOther, http.MethodPost, "/v1/races", `{"name":"B","date":"2026-04-19","distance_m":10000,"ranking":{"basis":"gun"}}`, http.StatusUnauthorized)
}

// TestLostSecret: a retry of the call whose answer was lost gets a secret that works,
// and the one that was lost no longer does. Once the key is in use there is no other.
func TestLostSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID
	create := func() (int, string) {
		answer := b.send(t, http.MethodPost, path+"/keys", b.tokens[owner], `{"name":"laptop","scope":"read"}`,
			http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"once"}})
		return answer.Code, answer.Body.String()
	}
	status, first := create()
	require.Equal(t, http.StatusCreated, status)
	status, second := create()
	require.Equal(t, http.StatusCreated, status)
	require.NotEqual(t, secretIn(first), secretIn(second))
	require.Equal(t, http.StatusUnauthorized, b.call(t.Context(), http.MethodGet, path+"/credits", secretIn(first)))
	require.Equal(t, http.StatusOK, b.call(t.Context(), http.MethodGet, path+"/credits", secretIn(second)))
	status, _ = create()
	require.Equal(t, http.StatusConflict, status)
}

// TestKeyOfOneRaceNamesNoOther: places of the next edition are given away by deferring.
func TestKeyOfOneRaceNamesNoOther(t *testing.T) {
	t.Parallel()
	const ofRace kind = "of the race"
	b := setup(t)
	next := b.as(t, owner, http.MethodPost, "/v1/races", `{"name":"Next","date":"2031-04-19","distance_m":10000,"ranking":{"basis":"gun"},"entry":{"capacity":1}}`, http.StatusCreated)
	b.tokens[ofRace] = b.key(t, owner, b.race.ID, auth.ScopeAll)
	names := fmt.Sprintf(`{"entry":{"capacity":10,"next_race_id":%q}}`, next["race_id"])
	refused := b.as(t, ofRace, http.MethodPatch, "/v1/races/"+b.race.ID, names, http.StatusForbidden)
	require.Contains(t, refused["detail"], "for one race")
	b.as(t, owner, http.MethodPatch, "/v1/races/"+b.race.ID, names, http.StatusOK)
	b.as(t, ofRace, http.MethodPatch, "/v1/races/"+b.race.ID, `{"entry":{"capacity":11}}`, http.StatusOK)
}

// TestKeysEndWithRecovery: whoever was in the account may have made some. A key that is
// being made while the account is recovered is revoked or not made.
func TestKeysEndWithRecovery(t *testing.T) {
	t.Parallel()
	const ofRace, ofAll kind = "of the race", "of all races"
	b := setup(t)
	path := "/v1/races/" + b.race.ID
	read := func(k kind) int { return b.call(t.Context(), http.MethodGet, path+"/credits", b.tokens[k]) }
	b.tokens[ofRace] = b.key(t, owner, b.race.ID, auth.ScopeAll)
	made := b.as(t, owner, http.MethodPost, "/v1/me/keys", `{"name":"sync","scope":"read"}`, http.StatusCreated)
	b.tokens[ofAll] = fmt.Sprint(made["secret"])
	require.Equal(t, http.StatusOK, read(ofRace))
	require.Equal(t, http.StatusOK, read(ofAll))

	b.as(t, owner, http.MethodPatch, "/v1/me", `{"name":"Race Office","revoke_api_keys":true}`, http.StatusUnprocessableEntity)
	b.as(t, owner, http.MethodPatch, "/v1/me", `{"password":"another good one","current_password":"six stars to go"}`, http.StatusOK)
	b.moveChanges(t)
	require.Never(t, func() bool { return read(ofAll) != http.StatusOK }, 1500*time.Millisecond, lookForEnd, "a new password alone leaves machines alone")
	b.as(t, owner, http.MethodPatch, "/v1/me", `{"password":"yet another good one","current_password":"another good one","revoke_api_keys":true}`, http.StatusOK)
	b.moveChanges(t)
	ended := func() bool { return read(ofRace) == http.StatusUnauthorized && read(ofAll) == http.StatusUnauthorized }
	require.Eventually(t, ended, untilKeysEnd, lookForEnd)
	listed := items(t, b.as(t, owner, http.MethodGet, "/v1/me/keys", "", http.StatusOK))
	require.NotEmpty(t, listed[0]["revoked_at"])

	b.tokens[ofRace] = b.key(t, owner, b.race.ID, auth.ScopeAll)
	b.tokens[ofAll] = b.tokens[ofRace]
	require.Equal(t, http.StatusOK, read(ofRace))
	require.NoError(t, b.accounts.AskRecovery(t.Context(), "owner@example.net"))
	require.NoError(t, b.accounts.AnswerRecoveries(t.Context()))
	var kinds []userdb.MailKind
	var token string
	require.NoError(t, b.accounts.StartMails(t.Context(), func(ctx context.Context, mailID string, _ int) error {
		m, err := b.mails.BeginMail(ctx, mailID)
		kinds, token = append(kinds, m.Kind), m.Token
		return err
	}))
	require.Equal(t, []userdb.MailKind{userdb.KeyCreated, userdb.PasswordChanged, userdb.PasswordChanged, userdb.Recover}, kinds)
	b.as(t, anonymous, http.MethodPost, "/v1/users/password", `{"token":"`+token+`","password":"the last good one"}`, http.StatusNoContent)
	b.moveChanges(t)
	b.moveChanges(t) // again, by another process
	require.Eventually(t, ended, untilKeysEnd, lookForEnd)
	log := items(t, b.as(t, operator, http.MethodGet, "/v1/ops/changes?action=key.revoked", "", http.StatusOK))
	require.Len(t, log, 3+3, "with those of the setup")
}

// moveChanges does what every API process does each second.
func (b *testBundle) moveChanges(t *testing.T) {
	t.Helper()
	_, err := b.accounts.LogChanges(t.Context(), b.parts.mainDB.AddChange)
	require.NoError(t, err)
}
