package accounts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type login struct {
	store     *userdb.Accounts
	passwords Passwords
	throttle  *auth.Throttle
	tokens    tokens
	log       *slog.Logger
}

type loginInput struct {
	Client
	Body struct {
		LoginID  string `json:"login_id" minLength:"1" maxLength:"190" example:"uta@example.org"`
		Password string `json:"password" minLength:"1" example:"six stars to go"`
	}
}

func (l login) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/v1/login",
		Summary: "Log in", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Failed attempts are limited by login and by address. A 429 says in Retry-After, in seconds, when to try again: within a minute. Where REQUIRE_PASSKEY asks accounts of this type for a passkey, one that has a passkey is answered 403: log in at POST /v1/login/passkey. One that has none gets tokens with needs_passkey, which can only add the first passkey.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, l.handle)
}

// errCredentials is the answer to every login that fails. It does not reveal whether
// the login exists.
func errCredentials() error { return server.Unauthorized("wrong login or password") }

func (l login) handle(ctx context.Context, in *loginInput) (*tokenOutput, error) {
	session, refresh, err := l.open(ctx, in.Client, in.Body.LoginID, in.Body.Password, userdb.TokenSession)
	if err != nil {
		return nil, err
	}
	return l.tokens.answer(session, refresh)
}

// open opens a session for whoever knows the password of a login, and returns it with
// its secret.
func (l login) open(ctx context.Context, from Client, loginID, password string, kind userdb.SessionKind) (userdb.Session, string, error) {
	account, err := l.find(ctx, loginID)
	if err != nil {
		return userdb.Session{}, "", err
	}
	outcome, err := guard(ctx, l.throttle, l.passwords, from, loginKey(loginID), password, account.PasswordHash)
	if err != nil {
		return userdb.Session{}, "", err
	}
	if !outcome.Match {
		return userdb.Session{}, "", errCredentials()
	}
	if outcome.Outdated {
		account.PasswordHash = l.upgrade(ctx, account, password)
	}
	return l.start(ctx, account, from, kind)
}

// find returns the account with a login, the zero value when nobody has it or
// could have it.
func (l login) find(ctx context.Context, loginID string) (userdb.Account, error) {
	account, err := l.store.AccountByLogin(ctx, loginKey(loginID))
	if errors.Is(err, race.ErrNotFound) {
		return userdb.Account{}, nil
	}
	return account, err
}

// loginKey is the login as accounts have it, empty for one that nobody can have.
func loginKey(loginID string) string {
	key, err := auth.ParseLogin(loginID)
	if err != nil {
		return ""
	}
	return key
}

// upgrade hashes the password with the current parameters and returns the hash that
// the account has afterwards. A failure does not stop the login: the next login tries
// again.
func (l login) upgrade(ctx context.Context, account userdb.Account, password string) string {
	hash, err := l.passwords.Hash(ctx, password)
	if err == nil {
		var upgraded bool
		if upgraded, err = l.store.UpgradeHash(ctx, account.UserID, account.PasswordHash, hash); upgraded {
			return hash
		}
	}
	if err != nil {
		l.log.WarnContext(ctx, "password hash not upgraded to the current parameters: the next login tries again", "user_id", account.UserID, "error", err)
	}
	return account.PasswordHash
}

func (l login) start(ctx context.Context, account userdb.Account, from Client, kind userdb.SessionKind) (userdb.Session, string, error) {
	session := l.tokens.begin(userdb.Session{ID: uuid.Must(uuid.NewV7()).String(), Account: account, Kind: kind, Device: from.device})
	if l.tokens.rule.Covers(account.Type) {
		has, err := l.store.Passkeys(ctx, account.UserID)
		if err != nil {
			return userdb.Session{}, "", err
		}
		if len(has) > 0 {
			return userdb.Session{}, "", errPasskeyFirst()
		}
	}
	secret, hash := auth.NewRefreshToken()
	err := l.store.StartSession(ctx, session, hash)
	switch {
	case errors.Is(err, race.ErrNotFound):
		return userdb.Session{}, "", errCredentials()
	case errors.Is(err, userdb.ErrSuspended): // only somebody who knows the password learns this
		return userdb.Session{}, "", errSuspended()
	}
	return session, secret, err
}

func errSuspended() error {
	return huma.Error403Forbidden("the account has been suspended: write to the operators of this service")
}

type sessions struct {
	store  *userdb.Accounts
	tokens tokens
	log    *slog.Logger
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"100" example:"kBq7cBqf4OqJ1r6Q3oJm2y0Qb5m3g8mXb3mHhG0s5vE"`
	}
}

func (s sessions) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "refresh-token", Method: http.MethodPost, Path: "/v1/token/refresh",
		Summary: "Refresh an access token", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Returns a new access token and a new refresh token. A refresh token can be used once: using it again ends the session, since somebody must have copied it. A session ends SESSION_LIFETIME after its login, however often it is refreshed.",
		Errors:      []int{http.StatusUnauthorized, http.StatusUnprocessableEntity},
	}, s.refresh)
	server.Register(api, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/v1/logout", DefaultStatus: http.StatusNoContent,
		Summary: "Log out", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Ends the session of the refresh token. Its access token is refused at once by calls that change something, and within a second by those that read.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, s.logout)
}

func (s sessions) refresh(ctx context.Context, in *refreshInput) (*tokenOutput, error) {
	refresh, hash := auth.NewRefreshToken()
	session, err := s.store.RotateToken(ctx, auth.HashRefreshToken(in.Body.RefreshToken), hash, func(session userdb.Session) time.Time {
		return s.tokens.sessionExpiry(session.Account.Type, session.CreatedAt, s.tokens.now())
	})
	var reuse *userdb.ReuseError
	switch {
	case errors.As(err, &reuse):
		s.log.WarnContext(ctx, "refresh token used twice: its session was ended",
			"user_id", reuse.UserID, "session", reuse.Session)
		return nil, errRefresh()
	case errors.Is(err, userdb.ErrNoSession):
		return nil, errRefresh()
	case err != nil:
		return nil, err
	}
	return s.tokens.answer(session, refresh)
}

func errRefresh() error {
	return server.Unauthorized("the refresh token is no longer valid: log in again")
}

func (s sessions) logout(ctx context.Context, in *refreshInput) (*struct{}, error) {
	return nil, s.store.EndSession(ctx, auth.HashRefreshToken(in.Body.RefreshToken))
}

// noStore keeps answers that are only for the caller out of every cache.
const noStore = "no-store"

// tokens makes the answer of a login or a refresh.
type tokens struct {
	issuer *auth.Issuer
	// sessionExpiry is Config.SessionExpiry.
	sessionExpiry func(of auth.UserType, began, now time.Time) time.Time
	rule          auth.PasskeyRule
	now           func() time.Time
}

type tokenOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		AccessToken  string        `json:"access_token" doc:"Send it in the header Authorization: Bearer <access_token>."`
		TokenType    string        `json:"token_type" example:"Bearer"`
		ExpiresIn    int           `json:"expires_in" example:"900" doc:"Seconds until the access token expires."`
		RefreshToken string        `json:"refresh_token" doc:"Can be used once, at POST /v1/token/refresh."`
		UserID       string        `json:"user_id"`
		UserType     auth.UserType `json:"user_type" enum:"runner,organizer,operator"`
		NeedsPasskey bool          `json:"needs_passkey,omitempty" doc:"The access token can only add a passkey (POST /v1/me/passkeys/begin). Refresh it afterwards."`
	}
}

// begin fills in when a new session began and expires.
func (t tokens) begin(session userdb.Session) userdb.Session {
	session.CreatedAt = t.now()
	session.ExpiresAt = t.sessionExpiry(session.Account.Type, session.CreatedAt, session.CreatedAt)
	return session
}

// needsPasskey reports whether all that a session can do is add a passkey.
func (t tokens) needsPasskey(session userdb.Session) bool {
	return !session.ByPasskey && t.rule.Covers(session.Account.Type)
}

func (t tokens) answer(session userdb.Session, refresh string) (*tokenOutput, error) {
	account := session.Account
	needsPasskey := t.needsPasskey(session)
	access, ttl, err := t.issuer.Issue(auth.Identity{UserID: account.UserID, Type: account.Type, Session: session.ID, NeedsPasskey: needsPasskey}, session.ExpiresAt)
	if err != nil {
		return nil, err
	}
	out := &tokenOutput{CacheControl: noStore}
	out.Body.AccessToken, out.Body.TokenType, out.Body.ExpiresIn = access, "Bearer", int(ttl.Seconds())
	out.Body.RefreshToken = refresh
	out.Body.UserID, out.Body.UserType, out.Body.NeedsPasskey = account.UserID, account.Type, needsPasskey
	return out, nil
}

// keysCached is short, so that verifiers soon know a new key.
const keysCached = "public, max-age=300"

type jwksOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func registerJWKS(api huma.API, set []byte) {
	server.Register(api, huma.Operation{
		OperationID: "get-keys", Method: http.MethodGet, Path: "/.well-known/jwks.json",
		Summary: "Get the public keys of access tokens", Tags: []string{tag},
		Description: "A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037).",
	}, func(context.Context, *struct{}) (*jwksOutput, error) {
		return &jwksOutput{ContentType: "application/jwk-set+json", CacheControl: keysCached, Body: set}, nil
	})
}
