package accounts_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	site   = "https://api.example.org"
	siteID = "api.example.org"
)

// authenticator is one credential (ES256) and the browser around it.
type authenticator struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	id     []byte
	handle string // the user handle, of the options at registration
	rpID   string
	origin string
	count  uint32
	flags  byte // user present and verified, unless a test says otherwise
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &authenticator{t: t, key: key, id: id, rpID: siteID, origin: site, flags: 0x05}
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func decode(t *testing.T, text any) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(fmt.Sprint(text))
	require.NoError(t, err)
	return raw
}

func (a *authenticator) clientData(kind, challenge string) []byte {
	a.t.Helper()
	text, err := json.Marshal(fields{"type": kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	require.NoError(a.t, err)
	return text
}

// data is the authenticator data without a credential.
func (a *authenticator) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(a.rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.count)
}

func (a *authenticator) credential(response fields) fields {
	return fields{"id": encode(a.id), "rawId": encode(a.id), "type": "public-key", "clientExtensionResults": fields{}, "response": response}
}

// next counts one use.
func (a *authenticator) next() *authenticator {
	a.count++
	return a
}

// create does what navigator.credentials.create does with the options of a ceremony.
func (a *authenticator) create(begun answer) fields {
	a.t.Helper()
	options, _ := begun.body["public_key"].(fields)
	user, _ := options["user"].(fields)
	a.handle, _ = user["id"].(string)
	challenge, _ := options["challenge"].(string)
	public, err := a.key.PublicKey.Bytes() // 4, x, y
	require.NoError(a.t, err)
	cose, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: public[1:33], -3: public[33:]})
	require.NoError(a.t, err)
	data := append(a.data(a.flags|0x40), make([]byte, 16)...) // no AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), cose...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	require.NoError(a.t, err)
	return fields{"ceremony_id": begun.body["ceremony_id"], "credential": a.credential(fields{
		"clientDataJSON": encode(a.clientData("webauthn.create", challenge)), "attestationObject": encode(object),
	})}
}

// get does what navigator.credentials.get does.
func (a *authenticator) get(begun answer) fields {
	a.t.Helper()
	options, _ := begun.body["public_key"].(fields)
	challenge, _ := options["challenge"].(string)
	client, data := a.clientData("webauthn.get", challenge), a.data(a.flags)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(data, hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	require.NoError(a.t, err)
	return fields{"ceremony_id": begun.body["ceremony_id"], "credential": a.credential(fields{
		"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature), "userHandle": a.handle,
	})}
}

func (b *bundle) beginPasskey(token string) answer {
	b.t.Helper()
	a := b.do(request{method: "POST", path: "/v1/me/passkeys/begin", token: token, body: fields{"current_password": password}})
	require.Equal(b.t, http.StatusOK, a.status, a.text)
	return a
}

func (b *bundle) addPasskey(token string, body fields) answer {
	b.t.Helper()
	body = maps.Clone(body)
	body["name"] = "Laptop"
	return b.do(request{method: "POST", path: "/v1/me/passkeys", token: token, body: body})
}

// withPasskey adds a new passkey to the account of a token.
func (b *bundle) withPasskey(token string) *authenticator {
	b.t.Helper()
	key := newAuthenticator(b.t)
	a := b.addPasskey(token, key.create(b.beginPasskey(token)))
	require.Equal(b.t, http.StatusCreated, a.status, a.text)
	return key
}

func (b *bundle) beginPasskeyLogin() answer {
	b.t.Helper()
	a := b.do(request{method: "POST", path: "/v1/login/passkey/begin"})
	require.Equal(b.t, http.StatusOK, a.status, a.text)
	return a
}

func (b *bundle) passkeyLogin(body fields) answer {
	b.t.Helper()
	return b.do(request{method: "POST", path: "/v1/login/passkey", body: body})
}

// TestPasskeys registers one, logs in by it through another API process, and removes it.
func TestPasskeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.loggedIn("uta", auth.Runner)
	require.NoError(t, b.exec("UPDATE user SET email = 'uta@example.org'"))
	key := newAuthenticator(t)
	begun := b.beginPasskey(held.access)
	other := *b
	other.router = b.process("")
	added := other.addPasskey(held.access, key.create(begun))
	require.Equal(t, http.StatusCreated, added.status, added.text)
	require.Equal(t, "Laptop", added.body["name"])
	b.deliverOne("uta@example.org", "A passkey was added")
	require.Equal(t, http.StatusUnprocessableEntity, b.addPasskey(held.access, key.create(begun)).status, "a ceremony is finished once")
	require.Equal(t, http.StatusConflict, b.addPasskey(held.access, key.create(b.beginPasskey(held.access))).status, "registered already")

	login := b.beginPasskeyLogin()
	key.count = 1
	proof := key.get(login)
	in := other.passkeyLogin(proof)
	session := b.pairOf(in)
	require.NotContains(t, in.body, "needs_passkey")
	require.Equal(t, http.StatusOK, b.get("/v1/me", session.access).status)
	b.pairOf(b.refresh(session.refresh))
	require.Equal(t, http.StatusUnprocessableEntity, b.passkeyLogin(proof).status, "replayed")
	listed := b.get("/v1/me/passkeys", session.access).items()
	require.Len(t, listed, 1)
	require.Contains(t, listed[0], "last_used_at")
	b.pairOf(b.login("uta", password, "")) // beside the password

	path := "/v1/me/passkeys/" + added.string("passkey_id")
	stranger := b.loggedIn("eve", auth.Runner)
	require.Equal(t, http.StatusNotFound, b.do(request{method: "DELETE", path: path, token: stranger.access}).status)
	thief := b.pairOf(b.passkeyLogin(key.next().get(b.beginPasskeyLogin())))
	require.Equal(t, http.StatusNoContent, b.do(request{method: "DELETE", path: path, token: session.access}).status)
	b.deliverOne("uta@example.org", "A passkey was removed")
	require.Equal(t, http.StatusOK, b.get("/v1/me", session.access).status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(thief.refresh).status, "what began with it ends")
	require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.next().get(b.beginPasskeyLogin())).status)
	require.NotContains(t, b.logs.String(), "uta@")
}

// TestPasskeyRefused: what is not of this site, this account or this ceremony.
func TestPasskeyRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held, eve := b.loggedIn("uta", auth.Runner), b.loggedIn("eve", auth.Runner)
	wrong := map[string]func(*authenticator){
		"origin":   func(a *authenticator) { a.origin = "https://evil.example.org" },
		"site":     func(a *authenticator) { a.rpID = "evil.example.org" },
		"verified": func(a *authenticator) { a.flags = 0x01 },
	}
	for what, spoil := range wrong {
		key := newAuthenticator(t)
		spoil(key)
		require.Equal(t, http.StatusUnprocessableEntity, b.addPasskey(held.access, key.create(b.beginPasskey(held.access))).status, what)
		key = b.withPasskey(held.access)
		spoil(key)
		require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status, what)
		b.clock.pass(time.Minute)
	}
	held = b.pairOf(b.refresh(held.refresh))
	eve = b.pairOf(b.refresh(eve.refresh))
	key := b.withPasskey(held.access)
	require.Equal(t, http.StatusUnprocessableEntity, b.addPasskey(eve.access, newAuthenticator(t).create(b.beginPasskey(held.access))).status, "another's ceremony")
	other := b.withPasskey(eve.access)
	handle := key.handle
	key.handle = other.handle
	require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status, "another's account")
	key.handle = handle
	forged := key.get(b.beginPasskeyLogin())
	forged["ceremony_id"] = b.beginPasskeyLogin().body["ceremony_id"]
	require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(forged).status, "another challenge")
	b.clock.pass(time.Minute)

	login, add := key.get(b.beginPasskeyLogin()), newAuthenticator(t).create(b.beginPasskey(held.access))
	b.clock.pass(5 * time.Minute)
	require.Equal(t, http.StatusUnprocessableEntity, b.passkeyLogin(login).status, "expired")
	require.Equal(t, http.StatusUnprocessableEntity, b.addPasskey(held.access, add).status, "expired")
	b.clock.pass(time.Second)
	deleted, err := b.store.PurgeExpired(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, deleted, int64(2))
}

// TestPasskeyAttacks: somebody with an account and authenticators of their own, who has
// seen what passed between the victim and the site.
func TestPasskeyAttacks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	victim, eve := b.loggedIn("uta", auth.Runner), b.loggedIn("eve", auth.Runner)
	key, evesKey := b.withPasskey(victim.access), b.withPasskey(eve.access)
	refusedLogin := func(why string, body fields) {
		t.Helper()
		a := b.passkeyLogin(body)
		require.Equal(t, http.StatusUnauthorized, a.status, why)
		require.Equal(t, "the passkey was not accepted", a.problem.Detail, "all refusals look alike")
		b.clock.pass(time.Minute) // the limit of failed attempts
	}
	response := func(body fields) fields {
		credential, _ := body["credential"].(fields)
		response, _ := credential["response"].(fields)
		return response
	}

	posing := evesKey.get(b.beginPasskeyLogin())
	response(posing)["userHandle"] = key.handle
	refusedLogin("the victim's handle on one's own answer", posing)
	stranger := newAuthenticator(t)
	stranger.id, stranger.handle = key.id, key.handle
	refusedLogin("the victim's credential ID, signed by another key", stranger.get(b.beginPasskeyLogin()))
	stranger.handle = evesKey.handle
	refusedLogin("the victim's credential ID in one's own account", stranger.get(b.beginPasskeyLogin()))
	unknown := newAuthenticator(t)
	unknown.handle = encode([]byte("0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07"))
	refusedLogin("nobody's account", unknown.get(b.beginPasskeyLogin()))
	unknown.handle = key.handle
	refusedLogin("an account without that passkey", unknown.get(b.beginPasskeyLogin()))
	unknown.handle = ""
	refusedLogin("no account", unknown.get(b.beginPasskeyLogin()))
	unknown.handle = encode(bytes.ToUpper([]byte("urn:uuid:0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07")))
	refusedLogin("an ID in another form", unknown.get(b.beginPasskeyLogin()))

	framed := key.get(b.beginPasskeyLogin())
	client := decode(t, response(framed)["clientDataJSON"])
	require.Contains(t, string(client), `"crossOrigin":false`)
	response(framed)["clientDataJSON"] = encode(bytes.Replace(client, []byte(`"crossOrigin":false`), []byte(`"crossOrigin":true`), 1))
	refusedLogin("in a frame of another site", framed)
	tampered := key.get(b.beginPasskeyLogin())
	data := decode(t, response(tampered)["authenticatorData"])
	data[36]++ // the counter
	response(tampered)["authenticatorData"] = encode(data)
	refusedLogin("with another counter than was signed", tampered)
	key.flags |= 0x08
	refusedLogin("another kind of passkey than was registered", key.get(b.beginPasskeyLogin()))
	key.flags = 0x05

	// What is for one purpose or account does not serve another.
	registration := b.beginPasskey(victim.access)
	a := b.passkeyLogin(key.get(registration))
	require.Equal(t, http.StatusUnprocessableEntity, a.status, "the challenge of a registration")
	a = b.addPasskey(eve.access, newAuthenticator(t).create(registration))
	require.Equal(t, http.StatusUnprocessableEntity, a.status, "another's registration, which is still good for the victim")
	require.Equal(t, http.StatusUnprocessableEntity, b.addPasskey(eve.access, newAuthenticator(t).create(withOptions(b.beginPasskeyLogin(), registration))).status, "the ceremony of a login")
	require.Equal(t, http.StatusCreated, b.addPasskey(victim.access, newAuthenticator(t).create(registration)).status)
	double := newAuthenticator(t)
	double.id = key.id
	require.Equal(t, http.StatusConflict, b.addPasskey(eve.access, double.create(b.beginPasskey(eve.access))).status, "the victim's credential ID")

	key.count = 1
	b.pairOf(b.passkeyLogin(key.get(b.beginPasskeyLogin())))
	for _, login := range []string{"uta", "nobody"} { // the challenge asks for nobody, so it tells of nobody
		begun := b.do(request{method: "POST", path: "/v1/login/passkey/begin", body: fields{"login_id": login}})
		options, _ := begun.body["public_key"].(fields)
		require.NotContains(t, options, "allowCredentials")
	}
}

// withOptions is what was begun as one ceremony, with the options of another.
func withOptions(begun, other answer) answer {
	other.body = maps.Clone(other.body)
	other.body["ceremony_id"] = begun.body["ceremony_id"]
	return other
}

func TestPasskeyNeedsPasswordOrNewLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.loggedIn("uta", auth.Runner)
	begin := func(body fields) int {
		return b.do(request{method: "POST", path: "/v1/me/passkeys/begin", token: held.access, body: body}).status
	}
	require.Equal(t, http.StatusOK, begin(fields{}))
	b.clock.pass(6 * time.Minute)
	require.Equal(t, http.StatusUnprocessableEntity, begin(fields{}))
	require.Equal(t, http.StatusUnprocessableEntity, begin(fields{"current_password": "wrong"}))
	require.Equal(t, http.StatusOK, begin(fields{"current_password": password}))
}

// TestPasskeyCopied: a counter that does not increase refuses the login and tells the
// owner.
func TestPasskeyCopied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.loggedIn("uta", auth.Runner)
	key := b.withPasskey(held.access)
	require.NoError(t, b.exec("UPDATE user SET email = 'uta@example.org'"))
	key.count = 5
	b.pairOf(b.passkeyLogin(key.get(b.beginPasskeyLogin())))
	for _, count := range []uint32{5, 4, 0} {
		key.count = count
		require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status, count)
		b.deliverOne("uta@example.org", "A passkey login was refused")
		b.clock.pass(time.Minute)
	}
	key.count = 6
	b.pairOf(b.passkeyLogin(key.get(b.beginPasskeyLogin())))
}

// TestRequirePasskey: a password alone adds the first passkey and does nothing else.
func TestRequirePasskey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.router = b.process("operators,organizers")
	runner := b.loggedIn("runner", auth.Runner)
	require.Equal(t, http.StatusOK, b.get("/v1/me", runner.access).status)

	b.signUp("office", auth.Organizer)
	in := b.login("office", password, "")
	held, thief := b.pairOf(in), b.pairOf(b.login("office", password, ""))
	require.Equal(t, true, in.body["needs_passkey"])
	for _, call := range []request{
		{method: "GET", path: "/v1/me"},
		{method: "GET", path: "/v1/me/passkeys"},
		{method: "GET", path: "/v1/me/export"},
		{method: "PATCH", path: "/v1/me", body: fields{"name": "Thief"}},
		{method: "DELETE", path: "/v1/me", body: fields{"password": password}},
		{method: "DELETE", path: "/v1/me/sessions"},
	} {
		call.token = held.access
		refused := b.do(call)
		require.Equal(t, http.StatusForbidden, refused.status, call.path)
		require.Contains(t, refused.problem.Detail, "/v1/me/passkeys/begin")
	}
	require.Equal(t, true, b.refresh(b.pairOf(b.login("office", password, "")).refresh).body["needs_passkey"])

	key := b.withPasskey(held.access)
	require.Equal(t, http.StatusForbidden, b.get("/v1/me", held.access).status, "until it is refreshed")
	full := b.refresh(held.refresh)
	require.NotContains(t, full.body, "needs_passkey")
	session := b.pairOf(full)
	require.Equal(t, http.StatusOK, b.get("/v1/me", session.access).status)

	// Who knew the password before cannot add a passkey of their own now.
	refused := b.addPasskey(thief.access, newAuthenticator(t).create(b.beginPasskey(thief.access)))
	require.Equal(t, http.StatusForbidden, refused.status)
	require.Equal(t, true, b.refresh(thief.refresh).body["needs_passkey"])
	refused = b.login("office", password, "")
	require.Equal(t, http.StatusForbidden, refused.status)
	require.Contains(t, refused.problem.Detail, "POST /v1/login/passkey")
	require.Equal(t, http.StatusUnauthorized, b.login("office", "wrong", "").status)

	listed := b.get("/v1/me/passkeys", session.access).items()
	id, _ := listed[0]["passkey_id"].(string)
	require.Equal(t, http.StatusConflict, b.do(request{method: "DELETE", path: "/v1/me/passkeys/" + id, token: session.access}).status, "the last one")
	b.withPasskey(session.access)
	page := b.get("/v1/me/passkeys?limit=1", session.access)
	require.Len(t, page.items(), 1)
	require.Equal(t, id, b.get("/v1/me/passkeys?limit=1&cursor="+page.string("next_cursor"), session.access).items()[0]["passkey_id"])
	require.Equal(t, http.StatusNoContent, b.do(request{method: "DELETE", path: "/v1/me/passkeys/" + id, token: session.access}).status)
	require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status)
}

// TestRecoveryRemovesPasskeys: whoever was in the account may have added one.
func TestRecoveryRemovesPasskeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := b.confirmed("uta@example.org")
	key := b.withPasskey(held.access)
	b.deliverOne("uta@example.org", "A passkey was added")
	begun := newAuthenticator(t).create(b.beginPasskey(held.access)) // a second one is on its way
	b.recover("uta", "uta@example.org", "a quite different one")
	notice := b.deliverOne("uta@example.org", "Your account was recovered")
	require.Contains(t, notice.Text, "all API keys revoked and all passkeys removed")
	require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status)
	require.Equal(t, http.StatusUnauthorized, b.addPasskey(held.access, begun).status)
	now := b.pairOf(b.login("uta", "a quite different one", ""))
	require.Empty(t, b.get("/v1/me/passkeys", now.access).items())
	key = newAuthenticator(t)
	again := b.do(request{method: "POST", path: "/v1/me/passkeys/begin", token: now.access, body: fields{}})
	require.Equal(t, http.StatusCreated, b.addPasskey(now.access, key.create(again)).status)
	b.pairOf(b.passkeyLogin(key.get(b.beginPasskeyLogin())))
}

// recover chooses a new password by a mailed link.
func (b *bundle) recover(login, email, password string) {
	b.t.Helper()
	require.Equal(b.t, http.StatusAccepted, b.post("/v1/users/recovery", fields{"login_id": login}).status)
	token := b.tokenOf(b.deliverOne(email, "Choose a new password"))
	chosen := b.post("/v1/users/password", fields{"token": token, "password": password})
	require.Equal(b.t, http.StatusNoContent, chosen.status, chosen.text)
}

// TestCallsUnderWayDuringRecovery: what began before a recovery and is finished after it
// leaves nothing behind.
func TestCallsUnderWayDuringRecovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.confirmed("uta@example.org")
	account, err := b.store.AccountByLogin(t.Context(), "uta")
	require.NoError(t, err)
	sessions, err := b.store.Sessions(t.Context(), account.UserID, "", 1)
	require.NoError(t, err)
	session := sessions[0].ID
	require.NoError(t, b.store.NotifyKey(t.Context(), account.UserID, session, "0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07", "mrk_x7Fq2a"))
	require.Contains(t, b.deliverOne("uta@example.org", "An API key was created").Text, "(mrk_x7Fq2a)")
	b.recover("uta", "uta@example.org", "a quite different one")

	require.ErrorIs(t, b.store.NotifyKey(t.Context(), account.UserID, session, "another", "mrk_yyyyyy"), userdb.ErrNoSession)
	_, err = b.store.AddPasskey(t.Context(), userdb.Passkey{ID: "p", UserID: account.UserID, CredentialID: []byte("c")}, session, false)
	require.ErrorIs(t, err, userdb.ErrNoSession)
	email := "thief@example.org"
	_, err = b.store.UpdateAccount(t.Context(), account.UserID, userdb.Change{Email: &email, CheckedHash: account.PasswordHash})
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict, "the password that was checked is no longer the account's")
}

// TestPasskeysThatAreRequiredOutliveRecovery: a mailed link sets a password, which still
// does not do. The notice says which passkeys there are.
func TestPasskeysThatAreRequiredOutliveRecovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.router = b.process("organizers")
	userID := b.signUp("office", auth.Organizer)
	held := b.pairOf(b.login("office", password, ""))
	key := b.withPasskey(held.access)
	require.NoError(t, b.exec("UPDATE user SET email = 'office@example.org'"))
	b.recover("office", "office@example.org", "a quite different one")
	require.Contains(t, b.deliverOne("office@example.org", "Your account was recovered").Text, "were added (20 April 2026)")
	require.Equal(t, http.StatusUnauthorized, b.refresh(held.refresh).status)
	require.Equal(t, http.StatusForbidden, b.login("office", "a quite different one", "").status)
	in := b.pairOf(b.passkeyLogin(key.get(b.beginPasskeyLogin())))

	_, err := b.store.Suspend(t.Context(), userID, userID, "test")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status)
	_, err = b.store.Restore(t.Context(), userID, "test")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, b.refresh(in.refresh).status)
	in = b.pairOf(b.passkeyLogin(key.get(b.beginPasskeyLogin())))
	left := b.do(request{method: "DELETE", path: "/v1/me", token: in.access, body: fields{"password": "a quite different one"}})
	require.Equal(t, http.StatusNoContent, left.status, left.text)
	require.Equal(t, http.StatusUnauthorized, b.passkeyLogin(key.get(b.beginPasskeyLogin())).status)
	rest, err := b.store.Passkeys(t.Context(), userID)
	require.NoError(t, err)
	require.Empty(t, rest)
}
