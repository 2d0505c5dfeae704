package accounts

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type signUp struct {
	store     *userdb.Store
	passwords Passwords
	limit     *auth.SignUpLimit
	now       func() time.Time
}

type signUpInput struct {
	Client
	Body struct {
		LoginID   string `json:"login_id" minLength:"3" maxLength:"190" example:"uta@example.org" doc:"Upper and lower case are the same; no spaces."`
		Password  string `json:"password" minLength:"8" example:"six stars to go" doc:"8 to 128 characters of any kind; commonly guessed passwords are refused."`
		Name      string `json:"name" minLength:"1" maxLength:"200" example:"First Runner"`
		UserType  string `json:"user_type" enum:"runner,organizer" example:"runner"`
		BirthDate string `json:"birth_date,omitempty" example:"1965-09-07" doc:"YYYY-MM-DD, in the past."`
		Sex       string `json:"sex,omitempty" example:"F" doc:"M, F or X."`
		Phone     string `json:"phone,omitempty" maxLength:"32" example:"+49 30 901820"`
	}
}

type signUpOutput struct {
	Body struct {
		UserID   string        `json:"user_id"`
		UserType auth.UserType `json:"user_type"`
	}
}

func (s signUp) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "sign-up", Method: http.MethodPost, Path: "/v1/users", DefaultStatus: http.StatusCreated,
		Summary: "Create an account", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Sign-ups are limited by address and in all. A 429 says in Retry-After, in seconds, when to try again.",
		Errors:      []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, s.handle)
}

func (s signUp) handle(ctx context.Context, in *signUpInput) (*signUpOutput, error) {
	account, err := s.parse(in)
	if err != nil {
		return nil, err
	}
	if err := s.limit.Begin(in.address); err != nil {
		return nil, tooMany(err, "too many sign-ups: wait before the next one")
	}
	account.UserID = server.ResourceID(ctx)
	if account.PasswordHash, err = s.passwords.HashForSignUp(ctx, in.Body.Password); err != nil {
		return nil, err
	}
	if account, err = s.store.CreateAccount(ctx, account); err != nil {
		return nil, err
	}
	out := &signUpOutput{}
	out.Body.UserID, out.Body.UserType = account.UserID, account.Type
	return out, nil
}

func (s signUp) parse(in *signUpInput) (userdb.Account, error) {
	var wrong race.Faults
	var err error
	account := userdb.Account{Type: auth.UserType(in.Body.UserType)}
	account.LoginID, err = auth.ParseLogin(in.Body.LoginID)
	wrong.Add("login_id", err)
	wrong.Add("password", auth.CheckPassword(in.Body.Password, account.LoginID))
	account.Name, err = parseName(in.Body.Name)
	wrong.Add("name", err)
	account.BirthDate, err = parseBirthDate(in.Body.BirthDate, s.now())
	wrong.Add("birth_date", err)
	account.Sex, err = parseSex(in.Body.Sex)
	wrong.Add("sex", err)
	account.Phone, err = parsePhone(in.Body.Phone)
	wrong.Add("phone", err)
	return account, wrong.Err()
}
