package accounts

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type login struct {
	store     *userdb.Store
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
		Description: "Failed attempts are limited by login and by address. A 429 says in Retry-After, in seconds, when to try again: within a minute.",
		Errors:      []int{http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, l.handle)
}

// errCredentials is the answer to every login that fails. It does not reveal whether
// the login exists.
func errCredentials() error { return server.Unauthorized("wrong login or password") }

func (l login) handle(ctx context.Context, in *loginInput) (*tokenOutput, error) {
	account, err := l.find(ctx, in.Body.LoginID)
	if err != nil {
		return nil, err
	}
	outcome, err := guard(ctx, l.throttle, l.passwords, in.Client, loginKey(in.Body.LoginID), in.Body.Password, account.PasswordHash)
	if err != nil {
		return nil, err
	}
	if !outcome.Match {
		return nil, errCredentials()
	}
	if outcome.Outdated {
		account.PasswordHash = l.upgrade(ctx, account, in.Body.Password)
	}
	return l.start(ctx, account)
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

func (l login) start(ctx context.Context, account userdb.Account) (*tokenOutput, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	session := userdb.Session{ID: id.String(), Account: account}
	refresh, hash := auth.NewRefreshToken()
	err = l.store.StartSession(ctx, session, hash, l.tokens.refreshExpiry())
	if errors.Is(err, race.ErrNotFound) {
		return nil, errCredentials()
	}
	if err != nil {
		return nil, err
	}
	return l.tokens.answer(session, refresh)
}
