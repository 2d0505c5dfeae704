package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// as makes a call with a JSON body, requires its status, and returns the answer.
func (b *testBundle) as(t *testing.T, who kind, method, path, body string, status int) map[string]any {
	t.Helper()
	answer := b.send(t, method, path, b.tokens[who], body, http.Header{"Content-Type": {"application/json"}})
	require.Equal(t, status, answer.Code, "%s %s as %s: %s", method, path, who, answer.Body)
	var found map[string]any
	if answer.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &found))
	}
	return found
}

// items returns the items of a list.
func items(t *testing.T, list map[string]any) (found []map[string]any) {
	t.Helper()
	text, err := json.Marshal(list["items"])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &found))
	return found
}

// TestStaff follows an invitation from both sides.
func TestStaff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID + "/staff"

	known := b.as(t, owner, http.MethodPost, path, `{"login_id":"Other-Runner@example.net","role":"timing"}`, http.StatusAccepted)
	unknown := b.as(t, owner, http.MethodPost, path, `{"login_id":"nobody@example.net","role":"timing"}`, http.StatusAccepted)
	for _, part := range []string{"invitation_id", "invited_at", "expires_at"} {
		require.NotEmpty(t, known[part])
		delete(known, part)
		delete(unknown, part)
	}
	require.Equal(t, known, unknown, "known and unknown logins are answered alike")
	again := b.as(t, owner, http.MethodPost, path, `{"login_id":"other-runner@example.net","role":"viewer"}`, http.StatusAccepted)
	require.Len(t, b.as(t, owner, http.MethodGet, path, "", http.StatusOK)["invitations"], 2, "the later one replaces the earlier one")
	require.NotContains(t, b.as(t, editor, http.MethodGet, path, "", http.StatusOK), "invitations")

	require.Empty(t, b.as(t, runner, http.MethodGet, "/v1/me/staff-invitations", "", http.StatusOK)["items"])
	accept := "/v1/me/staff-invitations/" + fmt.Sprint(again["invitation_id"]) + "/accept"
	b.as(t, runner, http.MethodPost, accept, "", http.StatusNotFound) // it is not theirs
	require.Len(t, b.as(t, otherRunner, http.MethodGet, "/v1/me/staff-invitations", "", http.StatusOK)["items"], 1)
	b.as(t, otherRunner, http.MethodGet, path, "", http.StatusForbidden)
	require.Equal(t, map[string]any{"race_id": b.race.ID, "role": "viewer"}, b.as(t, otherRunner, http.MethodPost, accept, "", http.StatusOK))
	require.Equal(t, map[string]any{"race_id": b.race.ID, "role": "viewer"}, b.as(t, otherRunner, http.MethodPost, accept, "", http.StatusOK), "again")
	require.Len(t, b.as(t, owner, http.MethodGet, path, "", http.StatusOK)["invitations"], 1)
	b.as(t, runner, http.MethodPost, accept, "", http.StatusNotFound)
	b.as(t, otherRunner, http.MethodGet, path, "", http.StatusOK)
	b.as(t, otherRunner, http.MethodPatch, "/v1/races/"+b.race.ID, `{"city":"Bonn"}`, http.StatusForbidden)
	b.as(t, owner, http.MethodPatch, path+"/"+b.ids[otherRunner], `{"role":"editor"}`, http.StatusNoContent)
	b.as(t, otherRunner, http.MethodPatch, "/v1/races/"+b.race.ID, `{"city":"Bonn"}`, http.StatusOK)

	b.as(t, otherRunner, http.MethodDelete, path+"/"+b.ids[viewer], "", http.StatusForbidden)
	b.as(t, otherRunner, http.MethodDelete, path+"/"+b.ids[otherRunner], "", http.StatusNoContent) // they leave
	b.as(t, otherRunner, http.MethodGet, path, "", http.StatusForbidden)
	b.as(t, otherRunner, http.MethodPost, accept, "", http.StatusNotFound) // they have left

	log := b.as(t, viewer, http.MethodGet, "/v1/races/"+b.race.ID+"/changes?action=staff.&limit=5", "", http.StatusOK)
	var actions []any
	for _, item := range items(t, log) {
		actions = append(actions, item["action"])
	}
	require.Equal(t, []any{"staff.removed", "staff.changed", "staff.added", "staff.invited", "staff.invitation_replaced"}, actions)
	require.NotContains(t, b.logs.drain(), "other-runner")
	b.exportsChanges(t, len(actions))
	mine := items(t, b.as(t, otherRunner, http.MethodGet, "/v1/me/changes", "", http.StatusOK))
	require.Len(t, mine, 4, "added, changed by the owner, the city, and left")
}

// TestADeclinedInvitationLooksOpenToTheRace: neither declining nor leaving tells the
// race that somebody has the login.
func TestADeclinedInvitationLooksOpenToTheRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID + "/staff"
	before := b.as(t, owner, http.MethodPost, path, `{"login_id":"other-runner@example.net","role":"timing"}`, http.StatusAccepted)
	listed := b.as(t, owner, http.MethodGet, path, "", http.StatusOK)["invitations"]
	invitation := "/v1/me/staff-invitations/" + fmt.Sprint(before["invitation_id"])
	b.as(t, otherRunner, http.MethodPost, invitation+"/decline", "", http.StatusNoContent)
	b.as(t, otherRunner, http.MethodPost, invitation+"/decline", "", http.StatusNoContent) // again
	require.Equal(t, listed, b.as(t, owner, http.MethodGet, path, "", http.StatusOK)["invitations"])
	require.Empty(t, b.as(t, otherRunner, http.MethodGet, "/v1/me/staff-invitations", "", http.StatusOK)["items"])
	b.as(t, otherRunner, http.MethodPost, invitation+"/accept", "", http.StatusNotFound)

	b.as(t, otherRunner, http.MethodDelete, "/v1/me", `{"password":"six stars to go"}`, http.StatusNoContent)
	require.Equal(t, listed, b.as(t, owner, http.MethodGet, path, "", http.StatusOK)["invitations"])
	b.as(t, owner, http.MethodPost, path, `{"login_id":"other-runner@example.net","role":"viewer"}`, http.StatusAccepted)
	require.Len(t, b.as(t, owner, http.MethodGet, path, "", http.StatusOK)["invitations"], 1, "the later one replaces the earlier one")
}

// TestAnInvitationToAnAddressIsForWhoHasConfirmedIt: whoever signs up with the address
// of somebody else gets neither their role nor their race.
func TestAnInvitationToAnAddressIsForWhoHasConfirmedIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.inUser(t, "UPDATE user SET email = NULL, email_pending = login_id WHERE user_id = ?", b.ids[otherOrganizer])
	for _, call := range []struct{ path, role string }{{"/staff", `"role":"editor"`}, {"/hand-over", `"reason":"the club takes over"`}} {
		offer := b.as(t, owner, http.MethodPost, "/v1/races/"+b.race.ID+call.path, `{"login_id":"other-organizer@example.net",`+call.role+`}`, http.StatusAccepted)
		require.Empty(t, b.as(t, otherOrganizer, http.MethodGet, "/v1/me/staff-invitations", "", http.StatusOK)["items"])
		for _, answer := range []string{"/accept", "/decline"} {
			b.as(t, otherOrganizer, http.MethodPost, "/v1/me/staff-invitations/"+fmt.Sprint(offer["invitation_id"])+answer, "", http.StatusNotFound)
		}
	}
	b.inUser(t, "UPDATE user SET email = login_id WHERE user_id = ?", b.ids[otherOrganizer])
	require.Len(t, b.as(t, otherOrganizer, http.MethodGet, "/v1/me/staff-invitations", "", http.StatusOK)["items"], 1, "the offer of the race replaces the invitation")
}

// TestHandOver: a race always has an owner, and the former one keeps nothing.
func TestHandOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/v1/races/" + b.race.ID
	body := `{"login_id":"other-organizer@example.net","reason":"the club takes over"}`

	b.as(t, owner, http.MethodDelete, "/v1/me", `{"password":"six stars to go"}`, http.StatusConflict)
	offer := b.as(t, owner, http.MethodPost, path+"/hand-over", body, http.StatusAccepted)
	toRunner := b.as(t, owner, http.MethodPost, path+"/hand-over", `{"user_id":"`+b.ids[runner]+`","reason":"no"}`, http.StatusAccepted)
	b.as(t, otherOrganizer, http.MethodPost, "/v1/me/staff-invitations/"+fmt.Sprint(offer["invitation_id"])+"/accept", "", http.StatusNotFound) // replaced
	b.as(t, runner, http.MethodPost, "/v1/me/staff-invitations/"+fmt.Sprint(toRunner["invitation_id"])+"/accept", "", http.StatusConflict)
	b.as(t, runner, http.MethodPost, "/v1/me/staff-invitations/"+fmt.Sprint(toRunner["invitation_id"])+"/decline", "", http.StatusNoContent)
	offer = b.as(t, owner, http.MethodPost, path+"/hand-over", body, http.StatusAccepted)
	b.as(t, owner, http.MethodPatch, path, `{"city":"Bonn"}`, http.StatusOK) // still theirs
	b.as(t, otherOrganizer, http.MethodPost, "/v1/me/staff-invitations/"+fmt.Sprint(offer["invitation_id"])+"/accept", "", http.StatusOK)
	b.as(t, owner, http.MethodPatch, path, `{"city":"Köln"}`, http.StatusForbidden)
	b.as(t, otherOrganizer, http.MethodPatch, path, `{"city":"Köln"}`, http.StatusOK)
	b.as(t, editor, http.MethodPatch, path, `{"city":"Bonn"}`, http.StatusOK) // the staff stays

	b.as(t, operator, http.MethodPost, path+"/hand-over", `{"user_id":"`+b.ids[runner]+`","reason":"no"}`, http.StatusUnprocessableEntity)
	taken := b.as(t, operator, http.MethodPost, path+"/hand-over", `{"user_id":"`+b.ids[editor]+`","reason":"its owner is gone"}`, http.StatusOK)
	require.Equal(t, b.ids[editor], taken["owner_id"])
	b.as(t, editor, http.MethodPost, path+"/staff", `{"login_id":"runner@example.net","role":"viewer"}`, http.StatusAccepted)
	b.as(t, otherOrganizer, http.MethodGet, path+"/staff", "", http.StatusForbidden)
	for _, who := range []kind{otherOrganizer, editor} {
		log := items(t, b.as(t, who, http.MethodGet, "/v1/me/changes?action=race.", "", http.StatusOK))
		last := log[0]
		require.Contains(t, []string{"race.handed_over", "race.received"}, last["action"])
		require.Equal(t, "its owner is gone", last["reason"])
		require.Equal(t, map[string]any{"kind": "operator"}, last["actor"], "which operator it was is no concern of theirs")
	}

	b.as(t, owner, http.MethodDelete, "/v1/me", `{"password":"six stars to go"}`, http.StatusNoContent)
	b.as(t, timing, http.MethodDelete, "/v1/me", `{"password":"six stars to go"}`, http.StatusNoContent)
	members, err := b.parts.mainDB.Staff(t.Context(), b.race.ID)
	require.NoError(t, err)
	for _, member := range members {
		require.NotEqual(t, b.ids[timing], member.UserID)
	}
}

// exportsChanges compares the exports of the race's changes of staff with the list of them.
func (b *testBundle) exportsChanges(t *testing.T, atLeast int) {
	t.Helper()
	_, err := b.outcomes.SealChanges(t.Context(), 10_000)
	require.NoError(t, err)
	listed := items(t, b.as(t, viewer, http.MethodGet, "/v1/races/"+b.race.ID+"/changes?action=staff.&limit=1000", "", http.StatusOK))
	require.GreaterOrEqual(t, len(listed), atLeast)
	path := "/v1/races/" + b.race.ID + "/changes/export?action=staff."
	answer := b.send(t, http.MethodGet, path+"&format=ndjson", b.tokens[viewer], "", nil)
	require.Equal(t, "application/x-ndjson", answer.Header().Get("Content-Type"))
	last := 0.0
	for i, line := range strings.Split(strings.TrimSpace(answer.Body.String()), "\n") {
		var entry map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		position, _ := entry["position"].(float64)
		require.Greater(t, position, last, "in the order of the chain")
		last = position
		require.Len(t, entry["seal_hash"], 64)
		delete(entry, "position")
		delete(entry, "seal_hash")
		require.Equal(t, listed[len(listed)-1-i], entry)
	}
	rows, err := csv.NewReader(b.send(t, http.MethodGet, path, b.tokens[viewer], "", nil).Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, len(listed)+1)
	require.Equal(t, listed[0]["hash"], rows[len(listed)][17])
	all := b.send(t, http.MethodGet, "/v1/ops/changes/export?format=ndjson", b.tokens[operator], "", nil)
	require.Greater(t, strings.Count(all.Body.String(), "\n"), len(listed))
}
