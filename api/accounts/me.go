package accounts

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type me struct {
	store        *userdb.Accounts
	eraseRecords func(ctx context.Context, userID string) error
	passwords    Passwords
	throttle     *auth.Throttle
	// confirmations limits mails to addresses by the address.
	confirmations *auth.SignUpLimit
	now           func() time.Time
}

type accountOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		UserID    string        `json:"user_id"`
		UserType  auth.UserType `json:"user_type" enum:"runner,organizer,operator"`
		LoginID   string        `json:"login_id"`
		Name      string        `json:"name"`
		Phone     string        `json:"phone,omitempty"`
		BirthDate string        `json:"birth_date,omitempty" example:"1965-09-07"`
		Sex       race.Sex      `json:"sex,omitempty" enum:"M,F,X"`
		// The address, and what is wrong with it.
		Email        string    `json:"email,omitempty" doc:"The address that you have confirmed: notices and links to recover the account go there."`
		EmailPending string    `json:"email_pending,omitempty" doc:"The address that waits for you to follow the link that was mailed there."`
		EmailProblem string    `json:"email_problem,omitempty" enum:"bounced,complained,unwanted,pending-bounced,pending-complained" doc:"bounced: mail to email came back; complained: it was reported as unwanted. Nothing more is sent there until you confirm an address again. unwanted: a notice was reported that you may switch off; no more of those are sent until then, other mails are. pending-bounced, pending-complained: the same happened to the address that was to be confirmed, which was dropped."`
		EmailSince   time.Time `json:"email_problem_since,omitzero" doc:"When that happened; missing when it is not known."`
		EmailAdvice  string    `json:"email_problem_advice,omitempty" doc:"The same in a sentence, with what to do about it."`
		Language     string    `json:"language" enum:"en,ko" doc:"The language of your mails."`
		HideName     *bool     `json:"hide_name,omitempty" doc:"Whether results show your initials instead of your name; missing when you have not said so: then those of minors do."`
		HideAge      *bool     `json:"hide_age,omitempty" doc:"Whether results leave out your age; missing likewise."`
		TotalPoint   int64     `json:"total_point"`
		CreatedAt    time.Time `json:"created_at"`
	}
}

// AccountChange is what somebody changes about their account; nil leaves a value as it is.
type AccountChange struct {
	Name            *string `json:"name,omitempty" maxLength:"200" example:"First Runner"`
	Phone           *string `json:"phone,omitempty" maxLength:"32" example:"+49 30 901820" doc:"An empty string removes it."`
	BirthDate       *string `json:"birth_date,omitempty" example:"1965-09-07" doc:"YYYY-MM-DD; an empty string removes it."`
	HideName        *bool   `json:"hide_name,omitempty" doc:"Show your initials instead of your name wherever the public reads results, within a minute. Places and points stay, and so does what organizers see of their own race. The default hides those of minors."`
	HideAge         *bool   `json:"hide_age,omitempty" doc:"Leave out your age, and what points were computed from, in the same places. Divisions stay."`
	Language        *string `json:"language,omitempty" enum:"en,ko" doc:"The language of your mails."`
	Email           *string `json:"email,omitempty" maxLength:"190" doc:"A new address: it takes effect when you follow the link that is mailed there, and a notice goes to the old one. Needs current_password."`
	LoginID         *string `json:"login_id,omitempty" maxLength:"190" doc:"A new login: it takes effect when you follow the link that is mailed to your confirmed address. Needs current_password."`
	Sex             *string `json:"sex,omitempty" doc:"M, F or X; an empty string removes it."`
	Password        *string `json:"password,omitempty" doc:"The new password. Changing it ends all sessions except the one of this access token, and links that were mailed before: an address or a login that waits to be confirmed is forgotten, unless this call names it."`
	RevokeAPIKeys   bool    `json:"revoke_api_keys,omitempty" doc:"With a new password: also revokes all API keys that you have made, within a second or two. Use it when somebody else may have had access to your account."`
	CurrentPassword *string `json:"current_password,omitempty" doc:"Required to change the password, the address or the login."`
}

type changeInput struct {
	Client
	Body AccountChange
}

func (m me) register(api huma.API) {
	const path = "/v1/me"
	server.Register(api, huma.Operation{
		OperationID: "get-me", Method: http.MethodGet, Path: path,
		Summary: "Get your account", Tags: []string{tag}, Errors: []int{http.StatusUnauthorized},
	}, m.get)
	server.Register(api, huma.Operation{
		OperationID: "change-me", Method: http.MethodPatch, Path: path,
		Summary: "Update your account", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, m.change)
	server.Register(api, huma.Operation{
		OperationID: "delete-me", Method: http.MethodDelete, Path: path, DefaultStatus: http.StatusNoContent,
		Summary: "Delete your account", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Errors:      []int{http.StatusUnauthorized, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
		Description: "Erases your login, personal data, unofficial records, sessions and mails, what start lists said of you where you have claimed your result, and your entries in races without results. Results stay in their races without a name, points in the ledger under the account's ID alone. Refused with 409, which names them, while you own races. This cannot be undone.",
	}, m.leave)
}

// gone is the answer to an access token whose account has been deleted, or whose session
// has ended since the call began: 401, so that a client treats it like any other token
// that is no longer valid.
func gone(err error) error {
	switch {
	case errors.Is(err, race.ErrNotFound):
		return server.AccountDeleted()
	case errors.Is(err, userdb.ErrNoSession):
		return server.SessionEnded()
	}
	return err
}

func (m me) get(ctx context.Context, _ *struct{}) (*accountOutput, error) {
	account, err := m.store.Account(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return nil, gone(err)
	}
	return outputOf(account), nil
}

type leaveInput struct {
	Client
	Body struct {
		Password string `json:"password" minLength:"1" example:"six stars to go" doc:"Your password, so that nobody else can do this with a device that you left unlocked."`
	}
}

// leave erases the account last: until then the caller can try again.
func (m me) leave(ctx context.Context, in *leaveInput) (*struct{}, error) {
	return nil, m.erase(ctx, in.Client, in.Body.Password)
}

func (m me) erase(ctx context.Context, from Client, password string) error {
	account, err := m.store.Account(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return gone(err)
	}
	if err := m.checkPassword(ctx, from, account, "password", password); err != nil {
		return err
	}
	userID := account.UserID
	if err := m.eraseRecords(ctx, userID); err != nil {
		return err
	}
	return gone(m.store.EraseAccount(ctx, userID))
}

func (m me) change(ctx context.Context, in *changeInput) (*accountOutput, error) {
	account, err := m.update(ctx, in.Client, in.Body)
	if err != nil {
		return nil, err
	}
	return outputOf(account), nil
}

func (m me) update(ctx context.Context, from Client, in AccountChange) (userdb.Account, error) {
	account, err := m.store.Account(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return account, gone(err)
	}
	change, err := m.parse(in, account)
	if err != nil {
		return account, err
	}
	if in.CurrentPassword != nil {
		if err := m.checkPassword(ctx, from, account, "current_password", *in.CurrentPassword); err != nil {
			return account, err
		}
	}
	if guarded(in) {
		change.CheckedHash = account.PasswordHash
	}
	if in.Password != nil {
		if change.Password, err = m.newPassword(ctx, in); err != nil {
			return account, err
		}
	}
	if change.Email != nil && *change.Email != "" {
		if err := m.confirmations.Begin(strings.ToLower(*change.Email)); err != nil {
			return account, tooMany(err, "too many links were mailed to this address: wait before the next one")
		}
	}
	account, err = m.store.UpdateAccount(ctx, account.UserID, change)
	return account, gone(err)
}

func (m me) parse(in AccountChange, account userdb.Account) (userdb.Change, error) {
	var wrong race.FieldErrors
	change := userdb.Change{
		Name:  parsed(&wrong, "name", in.Name, parseName),
		Phone: parsed(&wrong, "phone", in.Phone, parsePhone),
		BirthDate: parsed(&wrong, "birth_date", in.BirthDate, func(s string) (race.Date, error) {
			return parseBirthDate(s, m.now())
		}),
		Sex: parsed(&wrong, "sex", in.Sex, parseSex),
	}
	change.Language, change.HideName, change.HideAge = in.Language, in.HideName, in.HideAge
	change.Email = parsed(&wrong, "email", in.Email, mail.ParseAddress)
	change.LoginID = parsed(&wrong, "login_id", in.LoginID, auth.ParseLogin)
	if in.LoginID != nil && account.Email == "" {
		wrong.Add("login_id", errors.New("can be changed once you have confirmed an address, to which a link is mailed"))
	}
	switch {
	case guarded(in) && in.CurrentPassword == nil:
		wrong.Add("current_password", errors.New("is required to change the password, the address or the login"))
	case !guarded(in) && in.CurrentPassword != nil:
		wrong.Add("current_password", errors.New("is only used to change the password, the address or the login"))
	}
	if in.RevokeAPIKeys && in.Password == nil {
		wrong.Add("revoke_api_keys", errors.New("goes with a new password; single keys are revoked at DELETE /v1/me/keys and DELETE /v1/races/{race_id}/keys"))
	}
	if in.Password != nil {
		wrong.Add("password", auth.CheckPassword(*in.Password, account.LoginID))
	}
	return change, wrong.Err()
}

// guarded reports whether a change needs the current password.
func guarded(in AccountChange) bool {
	return in.Password != nil || in.Email != nil || in.LoginID != nil
}

// parsed reads an optional field and returns nil when it is missing.
func parsed[T any](wrong *race.FieldErrors, field string, value *string, parse func(string) (T, error)) *T {
	if value == nil {
		return nil
	}
	v, err := parse(*value)
	wrong.Add(field, err)
	return &v
}

// checkPassword checks a field that must be the account's password, within the same
// limit as a login.
func (m me) checkPassword(ctx context.Context, from Client, account userdb.Account, field, password string) error {
	outcome, err := guard(ctx, m.throttle, m.passwords, from, account.LoginID, password, account.PasswordHash)
	if err == nil && !outcome.Match {
		err = &race.InvalidError{Fields: []race.FieldError{{Field: field, Message: "is not the current password"}}}
	}
	return err
}

// newPassword hashes the new password.
func (m me) newPassword(ctx context.Context, in AccountChange) (*userdb.PasswordChange, error) {
	hash, err := m.passwords.Hash(ctx, *in.Password)
	if err != nil {
		return nil, err
	}
	return &userdb.PasswordChange{
		NewHash: hash, KeptSession: server.CallerFrom(ctx).Session, RevokeKeys: in.RevokeAPIKeys,
	}, nil
}

const confirmAgain = " Confirm an address that takes mail: the same one again or another, by PATCH /v1/me with email and current_password and the link that is then mailed."

// emailAdvice says what is wrong with an address, and what to do about it.
var emailAdvice = map[string]string{
	userdb.EmailBounced:      "Mail to your address came back, so nothing more is sent there, no links to recover the account either." + confirmAgain,
	userdb.EmailComplained:   "Mail to your address was reported as unwanted, so nothing more is sent there, no links to recover the account either." + confirmAgain,
	userdb.EmailUnwanted:     "A notice to your address was reported as unwanted, so no more notices are sent there but those that you must know to act. To get them again, confirm the address again (PATCH /v1/me with the address).",
	userdb.PendingBounced:    "The link to confirm your new address came back, so that address was dropped." + confirmAgain,
	userdb.PendingComplained: "The link to confirm your new address was reported as unwanted, so that address was dropped." + confirmAgain,
}

func outputOf(a userdb.Account) *accountOutput {
	out := &accountOutput{CacheControl: noStore}
	out.Body.UserID, out.Body.UserType, out.Body.LoginID = a.UserID, a.Type, a.LoginID
	out.Body.Name, out.Body.Phone, out.Body.Sex = a.Name, a.Phone, a.Sex
	out.Body.Email, out.Body.EmailPending, out.Body.EmailProblem, out.Body.Language = a.Email, a.EmailPending, a.EmailProblem, a.Language
	out.Body.EmailSince, out.Body.EmailAdvice = a.EmailProblemAt, emailAdvice[a.EmailProblem]
	out.Body.HideName, out.Body.HideAge = a.HideName, a.HideAge
	out.Body.BirthDate = a.BirthDate.String()
	out.Body.TotalPoint, out.Body.CreatedAt = a.TotalPoint, a.CreatedAt
	return out
}
