package accounts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// passkeys adds, lists and removes passkeys, and logs in by them.
type passkeys struct {
	store     *userdb.Accounts
	checks    *webauthn.WebAuthn // nil: this site cannot have passkeys
	rule      auth.PasskeyRule
	passwords Passwords
	throttle  *auth.Throttle
	begins    *auth.SignUpLimit // of logins
	tokens    tokens
	now       func() time.Time
	log       *slog.Logger
}

// passkeyBegins bounds how many logins by passkey are begun, each of which is a row
// for five minutes. A whole club behind one router can log in at once.
var passkeyBegins = auth.SignUpConfig{PerAddress: 600, PerMinute: 3000}

// recentLogin is how long after a login a passkey can be added without the password.
const recentLogin = 5 * time.Minute

func (p passkeys) register(api huma.API) {
	const path = "/v1/me/passkeys"
	server.Register(api, huma.Operation{
		OperationID: "begin-passkey", Method: http.MethodPost, Path: path + "/begin",
		Summary: "Start adding a passkey", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Returns what navigator.credentials.create needs (parseCreationOptionsFromJSON). Finish within five minutes at POST /v1/me/passkeys. Needs current_password, unless this session began within the last five minutes. 409 where API_PUBLIC_URL is not set to a URL with a domain name.",
		Errors:      []int{http.StatusUnauthorized, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, p.begin)
	server.Register(api, huma.Operation{
		OperationID: "add-passkey", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated,
		Summary: "Add a passkey", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Takes the answer of navigator.credentials.create. The passkey must have verified its user (PIN, fingerprint, face). A notice is mailed. A session that was limited until a passkey is added is no longer once its tokens are refreshed. Of an account that needs a passkey, a session that began with the password can only add the first one: 403.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity},
	}, p.add)
	server.Register(api, huma.Operation{
		OperationID: "list-my-passkeys", Method: http.MethodGet, Path: path,
		Summary: "List your passkeys", Tags: []string{tag},
		Errors: []int{http.StatusUnauthorized, http.StatusUnprocessableEntity},
	}, p.list)
	server.Register(api, huma.Operation{
		OperationID: "remove-passkey", Method: http.MethodDelete, Path: path + "/{passkey_id}", DefaultStatus: http.StatusNoContent,
		Summary: "Remove one of your passkeys", Tags: []string{tag},
		Description: "A notice is mailed, and all other sessions end, since one of them may have begun with it. The last one of an account that needs a passkey stays: 409.",
		Errors:      []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict},
	}, p.remove)
	server.Register(api, huma.Operation{
		OperationID: "begin-passkey-login", Method: http.MethodPost, Path: "/v1/login/passkey/begin",
		Summary: "Start a passkey login", Tags: []string{tag},
		Description: "Returns what navigator.credentials.get needs (parseRequestOptionsFromJSON). It takes no login: the passkey says whose it is. Finish within five minutes at POST /v1/login/passkey. 409 where API_PUBLIC_URL is not set to a URL with a domain name.",
		Errors:      []int{http.StatusConflict, http.StatusTooManyRequests},
	}, p.beginLogin)
	server.Register(api, huma.Operation{
		OperationID: "login-by-passkey", Method: http.MethodPost, Path: "/v1/login/passkey",
		Summary: "Log in with a passkey", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Takes the answer of navigator.credentials.get. A passkey whose counter has not increased is refused, since it may have been copied, and its owner gets a mail. Failed attempts are limited as those at POST /v1/login are.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, p.login)
}

// errNoSite is the answer where passkeys cannot be used.
func errNoSite() error {
	return huma.Error409Conflict("passkeys cannot be used here: API_PUBLIC_URL must be set to a URL with a domain name")
}

func errCeremony() error {
	return &race.InvalidError{Fields: []race.FieldError{{Field: "ceremony_id", Message: "has expired or was used: begin again"}}}
}

func errPasskey() error { return server.Unauthorized("the passkey was not accepted") }

// errPasskeyFirst is the answer to a password where a passkey is needed.
func errPasskeyFirst() error {
	return huma.Error403Forbidden("this account needs its passkey: log in at POST /v1/login/passkey")
}

// holder is an account as the WebAuthn library sees it. The user handle, which the
// authenticator keeps, is the account's ID.
type holder struct {
	account userdb.Account
	has     []userdb.Passkey
}

func (h holder) WebAuthnID() []byte          { return []byte(h.account.UserID) }
func (h holder) WebAuthnName() string        { return h.account.LoginID }
func (h holder) WebAuthnDisplayName() string { return h.account.Name }

func (h holder) WebAuthnCredentials() []webauthn.Credential {
	list := make([]webauthn.Credential, len(h.has))
	for i, p := range h.has {
		list[i] = webauthn.Credential{
			ID: p.CredentialID, PublicKey: p.PublicKey, Flags: webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(p.Flags)),
			Authenticator: webauthn.Authenticator{SignCount: p.SignCount},
		}
	}
	return list
}

// holderOf returns an account with its passkeys; race.ErrNotFound as Account does.
func (p passkeys) holderOf(ctx context.Context, userID string) (holder, error) {
	account, err := p.store.Account(ctx, userID)
	if err != nil {
		return holder{}, err
	}
	has, err := p.store.Passkeys(ctx, userID)
	return holder{account, has}, err
}

type beginPasskeyInput struct {
	Client
	Body struct {
		CurrentPassword string `json:"current_password,omitempty" example:"six stars to go" doc:"Not needed within five minutes after the login of this session."`
	}
}

type ceremonyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		CeremonyID string `json:"ceremony_id" format:"uuid" doc:"Give it to the call that completes the ceremony."`
		PublicKey  any    `json:"public_key" doc:"The options for the browser, in their JSON form (WebAuthn level 3)."`
	}
}

func (p passkeys) begin(ctx context.Context, in *beginPasskeyInput) (*ceremonyOutput, error) {
	if p.checks == nil {
		return nil, errNoSite()
	}
	caller := server.CallerFrom(ctx)
	user, err := p.holderOf(ctx, caller.UserID)
	if err != nil {
		return nil, gone(err)
	}
	if err := p.mayAdd(ctx, in, user.account, caller.Session); err != nil {
		return nil, err
	}
	options, state, err := p.checks.BeginRegistration(user, webauthn.WithExclusions(webauthn.Credentials(user.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return nil, err
	}
	return p.keep(ctx, caller.UserID, options.Response, state)
}

// mayAdd checks the password, unless the session is new.
func (p passkeys) mayAdd(ctx context.Context, in *beginPasskeyInput, account userdb.Account, session string) error {
	wrong := func(message string) error {
		return &race.InvalidError{Fields: []race.FieldError{{Field: "current_password", Message: message}}}
	}
	if in.Body.CurrentPassword == "" {
		began, err := p.store.SessionStarted(ctx, account.UserID, session)
		if err == nil && p.now().Sub(began) > recentLogin {
			err = wrong("is required: the login of this session was more than five minutes ago")
		}
		return err
	}
	outcome, err := guard(ctx, p.throttle, p.passwords, in.Client, account.LoginID, in.Body.CurrentPassword, account.PasswordHash)
	if err == nil && !outcome.Match {
		err = wrong("is not the current password")
	}
	return err
}

func (p passkeys) keep(ctx context.Context, userID string, options any, state *webauthn.SessionData) (*ceremonyOutput, error) {
	kept, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	out := &ceremonyOutput{CacheControl: noStore}
	out.Body.PublicKey = options
	out.Body.CeremonyID, err = p.store.BeginCeremony(ctx, userID, kept)
	return out, err
}

// take returns the state of a ceremony, which can be finished once.
func (p passkeys) take(ctx context.Context, ceremonyID, userID string) (state webauthn.SessionData, err error) {
	kept, err := p.store.TakeCeremony(ctx, ceremonyID, userID)
	if errors.Is(err, userdb.ErrNoCeremony) {
		return state, errCeremony()
	}
	if err != nil {
		return state, err
	}
	err = json.Unmarshal(kept, &state)
	return state, err
}

type addPasskeyInput struct {
	Body struct {
		Name       string         `json:"name" minLength:"1" maxLength:"100" example:"Laptop" doc:"The name by which your list of passkeys shows it."`
		CeremonyID string         `json:"ceremony_id" format:"uuid" example:"0d4f5b0e-4b5c-4a3e-9f43-3c1f0a8f7a10"`
		Credential map[string]any `json:"credential" doc:"The PublicKeyCredential in its JSON form (toJSON)."`
	}
}

type shownPasskey struct {
	PasskeyID      string     `json:"passkey_id" format:"uuid"`
	Name           string     `json:"name"`
	AAGUID         string     `json:"aaguid" format:"uuid" doc:"The kind of authenticator, as it says itself; zeros when it does not."`
	BackupEligible bool       `json:"backup_eligible" doc:"Whether it can be copied to other devices of its owner."`
	BackedUp       bool       `json:"backed_up"`
	CreatedAt      time.Time  `json:"created_at"`
	LastUsedAt     *time.Time `json:"last_used_at,omitempty" doc:"Missing: never."`
}

func shown(p userdb.Passkey) shownPasskey {
	flags := protocol.AuthenticatorFlags(p.Flags)
	out := shownPasskey{
		PasskeyID: p.ID, Name: p.Name, AAGUID: p.AAGUID, BackupEligible: flags.HasBackupEligible(), BackedUp: flags.HasBackupState(), CreatedAt: p.CreatedAt,
	}
	if !p.LastUsedAt.IsZero() {
		out.LastUsedAt = &p.LastUsedAt
	}
	return out
}

type passkeyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         shownPasskey
}

func (p passkeys) add(ctx context.Context, in *addPasskeyInput) (*passkeyOutput, error) {
	if p.checks == nil {
		return nil, errNoSite()
	}
	caller := server.CallerFrom(ctx)
	name, err := parseName(in.Body.Name)
	if err != nil {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "name", Message: err.Error()}}}
	}
	user, err := p.holderOf(ctx, caller.UserID)
	if err != nil {
		return nil, gone(err)
	}
	state, err := p.take(ctx, strings.ToLower(in.Body.CeremonyID), caller.UserID)
	if err != nil {
		return nil, err
	}
	made, err := p.made(user, state, in.Body.Credential)
	if err != nil {
		p.log.InfoContext(ctx, "passkey not added: the answer of the authenticator was refused", "user_id", caller.UserID, "error", err)
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "credential", Message: "is not a valid answer to what was asked, for this site and with its user verified: begin again"}}}
	}
	made.ID, made.UserID, made.Name = server.ResourceID(ctx), caller.UserID, name
	added, err := p.store.AddPasskey(ctx, made, caller.Session, caller.NeedsPasskey)
	switch {
	case errors.Is(err, userdb.ErrPasskeyNeeded):
		return nil, errPasskeyFirst()
	case errors.Is(err, userdb.ErrSuspended):
		return nil, errSuspended()
	case err != nil:
		return nil, gone(err)
	}
	return &passkeyOutput{CacheControl: noStore, Body: shown(added)}, nil
}

// made checks a new passkey.
func (p passkeys) made(user holder, state webauthn.SessionData, credential map[string]any) (userdb.Passkey, error) {
	text, err := json.Marshal(credential)
	if err != nil {
		return userdb.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(text)
	if err != nil {
		return userdb.Passkey{}, err
	}
	made, err := p.checks.CreateCredential(user, state, parsed)
	if err != nil {
		return userdb.Passkey{}, err
	}
	aaguid, err := uuid.FromBytes(made.Authenticator.AAGUID)
	return userdb.Passkey{
		CredentialID: made.ID, PublicKey: made.PublicKey, SignCount: made.Authenticator.SignCount, Flags: byte(made.Flags.ProtocolValue()), AAGUID: aaguid.String(),
	}, err
}

type passkeysOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []shownPasskey `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

func (p passkeys) list(ctx context.Context, in *struct{ server.Page }) (*passkeysOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := p.store.Passkeys(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	// An account has so few that reading all of them costs no more.
	found = slices.DeleteFunc(found, func(key userdb.Passkey) bool { return before != "" && key.ID >= before })
	found = found[:min(len(found), in.Limit+1)]
	out := &passkeysOutput{CacheControl: noStore}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last userdb.Passkey) []any { return []any{last.ID} })
	out.Body.Items = make([]shownPasskey, len(found))
	for i, key := range found {
		out.Body.Items[i] = shown(key)
	}
	return out, nil
}

type passkeyInput struct {
	PasskeyID string `path:"passkey_id"`
}

func (p passkeys) remove(ctx context.Context, in *passkeyInput) (*struct{}, error) {
	if uuid.Validate(in.PasskeyID) != nil {
		return nil, race.ErrNotFound
	}
	caller := server.CallerFrom(ctx)
	return nil, p.store.RemovePasskey(ctx, caller.UserID, strings.ToLower(in.PasskeyID), caller.Session, p.rule.Covers(caller.Type))
}

func (p passkeys) beginLogin(ctx context.Context, in *struct{ Client }) (*ceremonyOutput, error) {
	if p.checks == nil {
		return nil, errNoSite()
	}
	if err := p.begins.Begin(in.address); err != nil {
		return nil, tooMany(err, "too many logins: wait before the next one")
	}
	options, state, err := p.checks.BeginDiscoverableLogin()
	if err != nil {
		return nil, err
	}
	return p.keep(ctx, "", options.Response, state)
}

type passkeyLoginInput struct {
	Client
	Body struct {
		CeremonyID string         `json:"ceremony_id" format:"uuid" example:"0d4f5b0e-4b5c-4a3e-9f43-3c1f0a8f7a10"`
		Credential map[string]any `json:"credential" doc:"The PublicKeyCredential in its JSON form (toJSON)."`
	}
}

func (p passkeys) login(ctx context.Context, in *passkeyLoginInput) (*tokenOutput, error) {
	if p.checks == nil {
		return nil, errNoSite()
	}
	session, refresh, err := p.open(ctx, in.Client, in.Body.CeremonyID, in.Body.Credential, userdb.TokenSession)
	if err != nil {
		return nil, err
	}
	return p.tokens.answer(session, refresh)
}

// open opens a session for whoever has a passkey, and returns it with its secret.
func (p passkeys) open(ctx context.Context, from Client, ceremonyID string, credential map[string]any, kind userdb.SessionKind) (session userdb.Session, secret string, err error) {
	ceremonyID = strings.ToLower(ceremonyID)
	// By address only: the ID of the ceremony is never tried twice, so that nobody
	// can keep others from logging in.
	attempt, err := p.throttle.Begin(from.address, "passkey "+ceremonyID)
	if err != nil {
		return session, "", tooMany(err, "too many failed attempts: wait before the next one")
	}
	user, used, err := p.prove(ctx, ceremonyID, credential)
	if err != nil {
		return session, "", err
	}
	if session, secret, err = p.start(ctx, user, used, from, kind); err == nil {
		attempt.Succeed()
	}
	return session, secret, err
}

// prove finishes a ceremony and returns whose passkey it was, with its new count.
func (p passkeys) prove(ctx context.Context, ceremonyID string, credential map[string]any) (account userdb.Account, used userdb.Passkey, err error) {
	state, err := p.take(ctx, ceremonyID, "")
	if err != nil {
		return account, used, err
	}
	text, err := json.Marshal(credential)
	if err != nil {
		return account, used, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(text)
	if err != nil || uuid.Validate(string(parsed.Response.UserHandle)) != nil {
		return account, used, errPasskey()
	}
	user, err := p.holderOf(ctx, string(parsed.Response.UserHandle))
	if errors.Is(err, race.ErrNotFound) {
		return account, used, errPasskey()
	}
	if err != nil {
		return account, used, err
	}
	proven, err := p.checks.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) { return user, nil }, state, parsed)
	if err != nil {
		p.log.InfoContext(ctx, "login by passkey refused", "user_id", user.account.UserID, "error", err)
		return account, used, errPasskey()
	}
	at := slices.IndexFunc(user.has, func(key userdb.Passkey) bool { return bytes.Equal(key.CredentialID, proven.ID) })
	used = user.has[at]
	used.SignCount, used.Flags = parsed.Response.AuthenticatorData.Counter, byte(proven.Flags.ProtocolValue())
	return user.account, used, nil
}

func (p passkeys) start(ctx context.Context, account userdb.Account, used userdb.Passkey, from Client, kind userdb.SessionKind) (userdb.Session, string, error) {
	session := p.tokens.begin(userdb.Session{ID: uuid.Must(uuid.NewV7()).String(), Account: account, Kind: kind, Device: from.device, ByPasskey: true})
	secret, hash := auth.NewRefreshToken()
	err := p.store.StartPasskeySession(ctx, session, used, hash)
	switch {
	case errors.Is(err, race.ErrNotFound):
		return userdb.Session{}, "", errPasskey()
	case errors.Is(err, userdb.ErrPasskeyCount):
		p.log.WarnContext(ctx, "login by passkey refused: its counter did not increase, so it may have been copied; its owner gets a mail", "user_id", account.UserID, "passkey_id", used.ID)
		return userdb.Session{}, "", errPasskey()
	case errors.Is(err, userdb.ErrSuspended): // only somebody who has the passkey learns this
		return userdb.Session{}, "", errSuspended()
	}
	return session, secret, err
}
