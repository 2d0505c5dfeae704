package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// leeway is how far apart the clocks of two processes may be.
const leeway = 5 * time.Second

type claims struct {
	jwt.RegisteredClaims
	UserID   string   `json:"user_id"`
	UserType UserType `json:"user_type"`
	Session  string   `json:"sid"`
	// NeedsPasskey is missing in most tokens.
	NeedsPasskey bool `json:"needs_passkey,omitempty"`
}

// Issuer signs access tokens.
type Issuer struct {
	keys *Keys
	cfg  Config
	now  func() time.Time
}

// NewIssuer returns an issuer that reads the time from now.
func NewIssuer(keys *Keys, cfg Config, now func() time.Time) *Issuer {
	return &Issuer{keys: keys, cfg: cfg, now: now}
}

// Issue returns a signed access token for who and how long it lives, which is not
// beyond the end of the session; a zero end is none.
func (i *Issuer) Issue(who Identity, sessionEnd time.Time) (token string, ttl time.Duration, err error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", 0, fmt.Errorf("issue an access token: %w", err)
	}
	now, ttl := i.now(), i.cfg.AccessTokenTTL
	if left := sessionEnd.Sub(now); !sessionEnd.IsZero() && left < ttl {
		ttl = left
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    i.cfg.Issuer,
			Audience:  jwt.ClaimStrings{i.cfg.Audience},
			Subject:   who.UserID,
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
			ID:        id.String(),
		},
		UserID: who.UserID, UserType: who.Type, Session: who.Session, NeedsPasskey: who.NeedsPasskey,
	})
	unsigned.Header["kid"] = i.keys.id
	if token, err = unsigned.SignedString(i.keys.private); err != nil {
		return "", 0, fmt.Errorf("sign an access token: %w", err)
	}
	return token, ttl, nil
}

// Verifier checks access tokens. It reads no store: whether the account and the
// session of a token that has not expired have ended is for the caller to find out.
type Verifier struct {
	keys   *Keys
	parser *jwt.Parser
}

// NewVerifier returns a verifier that reads the time from now.
func NewVerifier(keys *Keys, cfg Config, now func() time.Time) *Verifier {
	return &Verifier{keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(cfg.Issuer),
		jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithNotBeforeRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(now),
	)}
}

// Verify returns who token was issued to. Any error means that the token is not
// valid; it says why and never holds the token.
func (v *Verifier) Verify(token string) (Identity, error) {
	var c claims
	if _, err := v.parser.ParseWithClaims(token, &c, v.key); err != nil {
		return Identity{}, fmt.Errorf("access token: %w", err)
	}
	switch {
	case c.UserID == "" || c.Subject != c.UserID:
		return Identity{}, errors.New("access token: names no user")
	case !c.UserType.Known():
		return Identity{}, errors.New("access token: names no user type")
	case c.IssuedAt == nil || c.ID == "":
		return Identity{}, errors.New("access token: lacks iat or jti")
	}
	return Identity{UserID: c.UserID, Type: c.UserType, Session: c.Session, IssuedAt: c.IssuedAt.Time, NeedsPasskey: c.NeedsPasskey}, nil
}

func (v *Verifier) key(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	public, ok := v.keys.verifies[id]
	if !ok {
		return nil, errors.New("signed with a key that is not ours")
	}
	return public, nil
}

// RefreshTokenHash is the form in which a store keeps a refresh token. A token
// is 256 random bits, so a fast hash without a salt is enough.
type RefreshTokenHash [sha256.Size]byte

// NewRefreshToken returns an opaque token of 43 characters for its holder, and
// its hash for the store.
func NewRefreshToken() (string, RefreshTokenHash) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: see crypto/rand
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	return token, HashRefreshToken(token)
}

// HashRefreshToken returns the hash under which a token was stored.
func HashRefreshToken(token string) RefreshTokenHash { return sha256.Sum256([]byte(token)) }
