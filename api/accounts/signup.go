package accounts

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type signUp struct {
	store         *userdb.Accounts
	passwords     Passwords
	limit         *auth.SignUpLimit
	confirmations *auth.SignUpLimit // by mail address
	now           func() time.Time
}

// NewAccount is what somebody signs up with.
type NewAccount struct {
	LoginID   string `json:"login_id" minLength:"3" maxLength:"190" example:"uta@example.org" doc:"Upper and lower case are the same; no spaces."`
	Password  string `json:"password" minLength:"8" example:"six stars to go" doc:"8 to 128 characters of any kind; commonly guessed passwords are refused."`
	Name      string `json:"name" minLength:"1" maxLength:"200" example:"First Runner"`
	UserType  string `json:"user_type" enum:"runner,organizer" example:"runner"`
	BirthDate string `json:"birth_date,omitempty" example:"1965-09-07" doc:"YYYY-MM-DD, in the past."`
	Sex       string `json:"sex,omitempty" example:"F" doc:"M, F or X."`
	Phone     string `json:"phone,omitempty" maxLength:"32" example:"+49 30 901820"`
	Email     string `json:"email,omitempty" maxLength:"190" example:"uta@example.org" doc:"A link is mailed there, by which you confirm it, unless five were in the last hour. Without one it is the login, if that is an address."`
	Language  string `json:"language,omitempty" enum:"en,ko" example:"ko" doc:"The language of your mails; English by default."`
}

type signUpInput struct {
	Client
	Body NewAccount
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
		Description: "Sign-ups are limited per address and in total. A 429 says in Retry-After, in seconds, when to try again.",
		Errors:      []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, s.handle)
}

func (s signUp) handle(ctx context.Context, in *signUpInput) (*signUpOutput, error) {
	account, err := s.create(ctx, in.Client, in.Body)
	if err != nil {
		return nil, err
	}
	out := &signUpOutput{}
	out.Body.UserID, out.Body.UserType = account.UserID, account.Type
	return out, nil
}

func (s signUp) create(ctx context.Context, from Client, in NewAccount) (userdb.Account, error) {
	account, err := s.parse(in)
	if err != nil {
		return account, err
	}
	if err := s.limit.Begin(from.address); err != nil {
		return account, tooMany(err, "too many sign-ups: wait before the next one")
	}
	if account.EmailPending != "" && s.confirmations.Begin(strings.ToLower(account.EmailPending)) != nil {
		account.EmailPending = "" // its owner has had enough mails; the account can ask again
	}
	account.UserID = server.ResourceID(ctx)
	if account.PasswordHash, err = s.passwords.HashForSignUp(ctx, in.Password); err != nil {
		return account, err
	}
	return s.store.CreateAccount(ctx, account)
}

func (s signUp) parse(in NewAccount) (userdb.Account, error) {
	var wrong race.FieldErrors
	var err error
	account := userdb.Account{Type: auth.UserType(in.UserType)}
	account.LoginID, err = auth.ParseLogin(in.LoginID)
	wrong.Add("login_id", err)
	wrong.Add("password", auth.CheckPassword(in.Password, account.LoginID))
	account.Name, err = parseName(in.Name)
	wrong.Add("name", err)
	account.BirthDate, err = parseBirthDate(in.BirthDate, s.now())
	wrong.Add("birth_date", err)
	account.Sex, err = parseSex(in.Sex)
	wrong.Add("sex", err)
	account.Phone, err = parsePhone(in.Phone)
	wrong.Add("phone", err)
	account.Language = in.Language
	if in.Email != "" {
		account.EmailPending, err = mail.ParseAddress(in.Email)
		wrong.Add("email", err)
	} else if address, err := mail.ParseAddress(account.LoginID); err == nil {
		account.EmailPending = address
	}
	return account, wrong.Err()
}

// Passwords hashes and checks passwords. Tests count and slow down what it does.
// Each method returns ctx's error when it ends while waiting for a free core.
type Passwords interface {
	Hash(ctx context.Context, password string) (string, error)
	// HashForSignUp never makes Hash and Check wait.
	HashForSignUp(ctx context.Context, password string) (string, error)
	// Check accepts an empty hash, which matches nothing, at the same cost.
	Check(ctx context.Context, password, hash string) (auth.Outcome, error)
}

// guard checks a password within the limits of failed attempts. A refused attempt
// is a 429 that says when to try again.
func guard(ctx context.Context, throttle *auth.Throttle, passwords Passwords, c Client, login, password, hash string,
) (auth.Outcome, error) {
	attempt, err := throttle.Begin(c.address, login)
	if err != nil {
		return auth.Outcome{}, tooMany(err, "too many failed attempts: wait before the next one")
	}
	outcome, err := passwords.Check(ctx, password, hash)
	switch {
	case err != nil:
		attempt.Cancel()
	case outcome.Match:
		attempt.Succeed()
	}
	return outcome, err
}

func tooMany(err error, detail string) error {
	var throttled *auth.ThrottledError
	if !errors.As(err, &throttled) {
		return err
	}
	return server.TooMany(throttled.RetryAfter, detail)
}

// Client is embedded in inputs that need to know where a call comes from.
type Client struct {
	address string
	device  string // see deviceOf
}

// Resolve reads the address from the connection; behind proxies that are trusted
// the server has replaced it by the client's.
func (c *Client) Resolve(ctx huma.Context) []error {
	c.address, c.device = clientAddress(ctx.RemoteAddr()), deviceOf(ctx.Header("User-Agent"))
	return nil
}

// ClientOf returns where a request of a page comes from.
func ClientOf(r *http.Request) Client {
	return Client{address: clientAddress(r.RemoteAddr), device: deviceOf(r.UserAgent())}
}

// clientAddress returns the key by which calls from a remote "address:port" are
// limited: the address or, for IPv6, the /64 network that one subscriber has.
func clientAddress(remote string) string {
	parsed, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := parsed.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}
