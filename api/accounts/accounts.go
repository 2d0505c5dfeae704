// Package accounts serves sign-up, login and tokens, the caller's own account, and
// its points.
package accounts

import (
	"context"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// maxBody is far above any body of these calls, in bytes.
const maxBody = 16 << 10

// tag groups these calls in the API's description.
const tag = "Accounts"

// Config is what the calls need.
type Config struct {
	Store *userdb.Accounts
	// EraseRecords deletes a runner's unofficial records, which go with the account.
	EraseRecords func(ctx context.Context, userID string) error
	// ExportRecords returns what main_db keeps about an account.
	ExportRecords func(ctx context.Context, userID string) (map[string][]map[string]any, error)
	Passwords     Passwords
	Throttle      *auth.Throttle
	SignUps       *auth.SignUpLimit
	Recoveries    *auth.SignUpLimit // of requests to recover an account
	Issuer        *auth.Issuer
	JWKS          []byte // the public keys, as auth.Keys writes them
	// SessionExpiry returns until when a session lasts that is not refreshed again, as
	// auth.Config does.
	SessionExpiry  func(of auth.UserType, began, now time.Time) time.Time
	Passkeys       *webauthn.WebAuthn // nil: the site cannot have any
	RequirePasskey auth.PasskeyRule
	TraceURL       func(workflowID string) string
	Now            func() time.Time
	Log            *slog.Logger
}

// confirmationLimit bounds how many mails somebody gets, in an hour, that ask them to
// confirm an address which anybody may have written, whatever the number of accounts.
var confirmationLimit = auth.SignUpConfig{PerAddress: 5, PerMinute: 3000}

// Register adds the calls to the API, and returns what pages do with accounts by the
// same rules.
func Register(api huma.API, cfg Config) *Service {
	grant := tokens{issuer: cfg.Issuer, sessionExpiry: cfg.SessionExpiry, rule: cfg.RequirePasskey, now: cfg.Now}
	confirmations := auth.NewSignUpLimit(confirmationLimit, cfg.Now)
	s := &Service{
		signUp:   signUp{store: cfg.Store, passwords: cfg.Passwords, limit: cfg.SignUps, confirmations: confirmations, now: cfg.Now},
		login:    login{store: cfg.Store, passwords: cfg.Passwords, throttle: cfg.Throttle, tokens: grant, log: cfg.Log},
		me:       me{store: cfg.Store, eraseRecords: cfg.EraseRecords, passwords: cfg.Passwords, throttle: cfg.Throttle, confirmations: confirmations, now: cfg.Now},
		recovery: recovery{store: cfg.Store, passwords: cfg.Passwords, limit: cfg.Recoveries, rule: cfg.RequirePasskey},
		notices:  notices{store: cfg.Store, now: cfg.Now},
		export:   export{store: cfg.Store, records: cfg.ExportRecords, now: cfg.Now},
		passkeys: passkeys{
			store: cfg.Store, checks: cfg.Passkeys, rule: cfg.RequirePasskey, passwords: cfg.Passwords, throttle: cfg.Throttle,
			begins: auth.NewSignUpLimit(passkeyBegins, cfg.Now), tokens: grant, now: cfg.Now, log: cfg.Log,
		},
	}
	s.signUp.register(api)
	s.login.register(api)
	s.me.register(api)
	s.recovery.register(api)
	s.notices.register(api)
	s.export.register(api)
	s.passkeys.register(api)
	sessions{store: cfg.Store, tokens: grant, log: cfg.Log}.register(api)
	ownSessions{store: cfg.Store}.register(api)
	points{store: cfg.Store, traceURL: cfg.TraceURL}.register(api)
	registerJWKS(api, cfg.JWKS)
	return s
}
