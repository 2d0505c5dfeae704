package ops_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestSuspendAndRestore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "office", PasswordHash: "h", Type: auth.Organizer})
	require.NoError(t, err)
	type outcome struct {
		Suspended, Changed bool
	}
	path, why := "/v1/ops/users/"+a.UserID, object{"reason": "asked for by mail"}

	for _, step := range []struct {
		call string
		want outcome
	}{
		{"/suspend", outcome{true, true}},
		{"/suspend", outcome{true, false}},
		{"/restore", outcome{false, true}},
		{"/restore", outcome{false, false}},
	} {
		require.Equal(t, step.want, decode[outcome](t, b.call(t, http.MethodPost, path+step.call, why), http.StatusOK), step.call)
		logged := b.lastAction(t)
		require.Equal(t, step.call[1:]+"-user", logged.Action)
		require.Equal(t, "asked for by mail", logged.Reason)
		require.Equal(t, a.UserID, logged.Target)
		suspended, err := b.accounts.Account(t.Context(), a.UserID)
		require.NoError(t, err)
		require.Equal(t, step.want.Suspended, !suspended.Suspension.At.IsZero())
		if step.want.Suspended {
			require.Equal(t, operatorID, suspended.Suspension.By)
			require.Equal(t, "asked for by mail", suspended.Suspension.Reason)
		}
	}
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPost, path+"/suspend", object{"reason": " "}).Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/users/"+newID()+"/suspend", why).Code)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/users/"+operatorID+"/suspend", why).Code, "one's own")
}

func TestRemovePasskeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "office", PasswordHash: "h", Type: auth.Organizer})
	require.NoError(t, err)
	for _, id := range []string{newID(), newID()} {
		_, err := b.accounts.AddPasskey(t.Context(), userdb.Passkey{ID: id, UserID: a.UserID, CredentialID: []byte(id), PublicKey: []byte("k"), AAGUID: id, Name: "key"}, "", false)
		require.NoError(t, err)
	}
	_, token := auth.NewRefreshToken()
	session := userdb.Session{ID: newID(), Account: a, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	require.NoError(t, b.accounts.StartSession(t.Context(), session, token))
	path, why := "/v1/ops/users/"+a.UserID+"/remove-passkeys", object{"reason": "lost both, called back at the number of the club"}
	for _, removed := range []float64{2, 0} {
		require.InDelta(t, removed, decode[object](t, b.call(t, http.MethodPost, path, why), http.StatusOK)["removed"], 0)
		require.Equal(t, "remove-passkeys", b.lastAction(t).Action)
	}
	left, err := b.accounts.Passkeys(t.Context(), a.UserID)
	require.NoError(t, err)
	require.Empty(t, left)
	sessions, err := b.accounts.Sessions(t.Context(), a.UserID, "", 10)
	require.NoError(t, err)
	require.Empty(t, sessions)
	require.Equal(t, http.StatusUnprocessableEntity, b.call(t, http.MethodPost, path, object{"reason": " "}).Code)
	require.Equal(t, http.StatusNotFound, b.call(t, http.MethodPost, "/v1/ops/users/"+newID()+"/remove-passkeys", why).Code)
	require.Equal(t, http.StatusConflict, b.call(t, http.MethodPost, "/v1/ops/users/"+operatorID+"/remove-passkeys", why).Code, "one's own")
}
