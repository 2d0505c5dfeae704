package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TestLeavingErasesEverything plants a marker in every text field of every call that a
// runner can make, leaves, and looks for it in every column of both databases and in
// the log. A password is kept as a hash only.
func TestLeavingErasesEverything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	signUp := `{"login_id":"office@example.net","password":"six stars to go","name":"Race Office","user_type":"organizer"}`
	b.send(t, http.MethodPost, "/v1/users", "", signUp, http.Header{"Content-Type": {"application/json"}})
	var planted []string
	for _, op := range operations(document(t, b.router)) {
		who := op.rule().Who
		if (who != server.Runner && who != server.Holder) || op.RequestBody == nil || op.OperationID == "delete-me" {
			continue
		}
		media := op.RequestBody.Value.Content["application/json"]
		if media == nil {
			continue
		}
		for name, property := range media.Schema.Value.Properties {
			if name != "password" && isText(property.Value) && b.plant(t, op, name, media.Example, b.things(t, op.OperationID)) {
				planted = append(planted, op.OperationID+"."+name)
			}
		}
	}
	_, err := b.accounts.AddPasskey(t.Context(), userdb.Passkey{ // the call needs an authenticator
		ID: newID(), UserID: b.ids[runner], CredentialID: []byte("id"), PublicKey: []byte("key"), AAGUID: newID(), Name: servertest.Markers[0],
	}, "", false)
	require.NoError(t, err)
	planted = append(planted, "add-passkey.name")
	slices.Sort(planted)
	require.Equal(t, servertest.Marked, planted)
	require.Contains(t, strings.ToLower(b.dump(t)), "zebra7391")

	answer := b.send(t, http.MethodDelete, "/v1/me", b.tokens[runner], `{"password":"six stars to go"}`, http.Header{"Content-Type": {"application/json"}})
	require.Equal(t, http.StatusNoContent, answer.Code, answer.Body)
	after := strings.ToLower(b.dump(t) + b.logs.drain())
	for _, marker := range servertest.Markers {
		require.NotContains(t, after, strings.ToLower(marker))
	}
}

func isText(schema *openapi3.Schema) bool {
	return schema != nil && schema.Type.Includes(openapi3.TypeString) && len(schema.Enum) == 0
}

// plant sends the example of a call with a marker in one field, and reports whether
// one was taken.
func (b *testBundle) plant(t *testing.T, op operation, field string, example any, ids map[string]string) bool {
	t.Helper()
	text, err := json.Marshal(example)
	require.NoError(t, err)
	path := op.path
	for name, id := range ids {
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	for _, marker := range servertest.Markers {
		for _, password := range []string{"", "six stars to go"} {
			body := map[string]any{}
			_ = json.Unmarshal(text, &body) // an example that is no object has no fields
			if body[field] = marker; password != "" {
				body["current_password"] = password
			}
			sent, err := json.Marshal(body)
			require.NoError(t, err)
			answer := b.send(t, op.method, path, b.tokens[runner], string(sent), http.Header{"Content-Type": {"application/json"}})
			if answer.Code < http.StatusBadRequest {
				return true
			}
			if op.OperationID != "change-me" {
				break
			}
		}
	}
	return false
}
