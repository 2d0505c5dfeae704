// Package auth establishes who a caller is: it checks passwords and limits failed
// attempts, signs and verifies access tokens, and makes refresh tokens. The
// accounts themselves are kept in userdb; what a caller may do is decided in the
// API.
package auth

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Config says how tokens are signed and how long they live.
//
// To rotate the key: first give every process the new public key among the other
// public keys; then switch to the new private key, with the old public key among
// the others; once the last access token of the old key has expired, drop it.
// `openssl pkey -in key.pem -pubout` prints a public key.
type Config struct {
	PrivateKey      string        `env:"JWT_PRIVATE_KEY,unset" check:"PEM" secret:"true" help:"the key that signs access tokens: Ed25519, PKCS #8; takes precedence over the path"`
	PrivateKeyPath  string        `env:"JWT_PRIVATE_KEY_PATH" unit:"path" help:"a file with that key; created if it does not exist"`
	OtherPublicKeys string        `env:"JWT_PREVIOUS_PUBLIC_KEYS" check:"PEM" help:"further public keys that verify access tokens: PKIX, one after the other"`
	Issuer          string        `env:"JWT_ISSUER" envDefault:"mrmrthon" help:"the claim iss"`
	Audience        string        `env:"JWT_AUDIENCE" envDefault:"mrmrthon-api" help:"the claim aud"`
	AccessTokenTTL  time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"15m" min:"1s" help:"how long an access token is valid"`
	RefreshTokenTTL time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h" min:"1s" help:"how long a refresh token is valid; each rotation starts the period again"`
	// The absolute ends of a session, as NIST SP 800-63B asks for them at levels 1 and 2.
	SessionLifetime         time.Duration `env:"SESSION_LIFETIME" envDefault:"720h" min:"1s" help:"how long after its login a session ends, however often it is refreshed"`
	OperatorSessionLifetime time.Duration `env:"OPERATOR_SESSION_LIFETIME" envDefault:"24h" min:"1s" help:"the same for operators"`
}

// SessionExpiry returns until when a session of an account of type t, which began at
// that time, lasts if it is not refreshed again after now.
func (c Config) SessionExpiry(t UserType, began, now time.Time) time.Time {
	end := began.Add(cmp.Or(c.SessionLifetime, 30*24*time.Hour))
	if t == Operator {
		end = began.Add(cmp.Or(c.OperatorSessionLifetime, 24*time.Hour))
	}
	if idle := now.Add(c.RefreshTokenTTL); idle.Before(end) {
		return idle
	}
	return end
}

// Check reports an error when there is no key to sign with.
func (c Config) Check(prefix string) error {
	if c.PrivateKey == "" && c.PrivateKeyPath == "" {
		return fmt.Errorf("set %sJWT_PRIVATE_KEY, %[1]sJWT_PRIVATE_KEY_FILE or %[1]sJWT_PRIVATE_KEY_PATH", prefix)
	}
	return nil
}

// UserType is the role of an account.
type UserType string

// The roles. Runners and organizers sign up; an operator is made by a command
// of the API program, never by sign-up.
const (
	Runner    UserType = "runner"
	Organizer UserType = "organizer"
	Operator  UserType = "operator"
)

// Known reports whether t is one of the roles.
func (t UserType) Known() bool { return t == Runner || t == Organizer || t == Operator }

// Identity is who a verified access token was issued to.
type Identity struct {
	UserID  string
	Type    UserType
	Session string // the family of refresh tokens it came with: one login on one device
	// IssuedAt is when the token was issued, in whole seconds. Issue ignores it.
	IssuedAt time.Time
	// NeedsPasskey limits a token to adding the first passkey of an account that may
	// not be used without one.
	NeedsPasskey bool
	// Key is the API key that the caller uses instead of an access token.
	Key Key
}

const (
	minLogin = 3
	maxLogin = 190 // characters: what the column holds
)

// ParseLogin returns the canonical form of a login ID: trimmed, lower case, Unicode
// NFC, so that two ways of typing it lead to the same account. The error says what
// is wrong and does not quote the value.
func ParseLogin(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("must be text in UTF-8")
	}
	login := norm.NFC.String(strings.ToLower(strings.TrimSpace(s)))
	if n := utf8.RuneCountInString(login); n < minLogin || n > maxLogin {
		return "", errors.New("must have 3 to 190 characters")
	}
	for _, r := range login {
		if unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			return "", errors.New("must not contain spaces or invisible characters")
		}
	}
	return login, nil
}
