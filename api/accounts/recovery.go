package accounts

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// recovery mails links to the owners of accounts, and does what they ask for. GET
// changes nothing: programs that scan mails follow links.
type recovery struct {
	store     *userdb.Accounts
	passwords Passwords
	limit     *auth.SignUpLimit
	rule      auth.PasskeyRule
}

func (r recovery) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "recover-account", Method: http.MethodPost, Path: "/v1/users/recovery", DefaultStatus: http.StatusAccepted,
		Summary: "Ask for a link to choose a new password", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Mails a link, valid for an hour, to the confirmed address of the account with that login, or of each account with that address. The answer is the same whether there is one or not. Requests are limited per address.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, r.ask)
	server.Register(api, huma.Operation{
		OperationID: "choose-password", Method: http.MethodPost, Path: "/v1/users/password", DefaultStatus: http.StatusNoContent,
		Summary: "Choose a new password by a mailed link", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Uses the link, which is then no longer valid, as are all others that were mailed before, ends all sessions, revokes all API keys of the account within a second or two, removes its passkeys, and mails a notice. Passkeys stay where REQUIRE_PASSKEY asks for one, since a mailbox alone must not pass for it: the notice lists them. Log in afterwards.",
		Errors:      []int{http.StatusUnprocessableEntity},
	}, r.choosePassword)
	server.Register(api, huma.Operation{
		OperationID: "confirm-by-link", Method: http.MethodPost, Path: "/v1/users/confirm", DefaultStatus: http.StatusNoContent,
		Summary: "Confirm an address or a new login by a mailed link", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Uses the link, which is then no longer valid. A notice goes to the address that was used before.",
		Errors:      []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, r.confirm)
}

type recoveryInput struct {
	Client
	Body struct {
		LoginID string `json:"login_id" minLength:"3" maxLength:"190" example:"uta@example.org" doc:"Your login, or the address of your account."`
	}
}

func (r recovery) ask(ctx context.Context, in *recoveryInput) (*struct{}, error) {
	return nil, r.request(ctx, in.Client, in.Body.LoginID)
}

func (r recovery) request(ctx context.Context, from Client, loginID string) error {
	if err := r.limit.Begin(from.address); err != nil {
		return tooMany(err, "too many requests: wait before the next one")
	}
	login, err := auth.ParseLogin(loginID)
	if err != nil {
		return &race.InvalidError{Fields: []race.FieldError{{Field: "login_id", Message: err.Error()}}}
	}
	return r.store.AskRecovery(ctx, login)
}

type choosePasswordInput struct {
	Client
	Body struct {
		Token    string `json:"token" minLength:"1" maxLength:"100" example:"kBq7cBqf4OqJ1r6Q3oJm2y0Qb5m3g8mXb3mHhG0s5vE" doc:"From the mailed link, after the dot."`
		Password string `json:"password" minLength:"8" example:"six stars to go" doc:"8 to 128 characters of any kind; commonly guessed passwords are refused."`
	}
}

func (r recovery) choosePassword(ctx context.Context, in *choosePasswordInput) (*struct{}, error) {
	return nil, r.recover(ctx, in.Body.Token, in.Body.Password)
}

func (r recovery) recover(ctx context.Context, secret, password string) error {
	token := auth.HashRefreshToken(secret)
	link, err := r.store.Link(ctx, token)
	if err == nil && link.Purpose != userdb.Recover {
		err = userdb.ErrLink
	}
	if err != nil {
		return ofLink(err)
	}
	var wrong race.FieldErrors
	wrong.Add("password", auth.CheckPassword(password, link.Account.LoginID))
	if err := wrong.Err(); err != nil {
		return err
	}
	hash, err := r.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return ofLink(r.store.UseLink(ctx, token, hash, r.rule.Covers(link.Account.Type)))
}

type confirmInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"100" example:"kBq7cBqf4OqJ1r6Q3oJm2y0Qb5m3g8mXb3mHhG0s5vE" doc:"From the mailed link, after the dot."`
	}
}

func (r recovery) confirm(ctx context.Context, in *confirmInput) (*struct{}, error) {
	return nil, ofLink(r.store.UseLink(ctx, auth.HashRefreshToken(in.Body.Token), "", false))
}

// ofLink is the same answer to every token that does not work.
func ofLink(err error) error {
	if errors.Is(err, userdb.ErrLink) {
		return &race.InvalidError{Fields: []race.FieldError{{
			Field: "token", Message: "is of a link that was used, has expired or is for something else: ask for a new one",
		}}}
	}
	return err
}
