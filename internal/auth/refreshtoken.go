package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

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
