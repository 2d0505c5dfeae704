package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// Key is an API key, which acts for the account that made it. The zero value is none.
type Key struct {
	ID     string
	Scope  Scope
	RaceID string // the only race that it is good for; empty: all that its creator works on
}

// Scope is what an API key may be used for.
type Scope string

// Each scope includes those before it. None covers what only the owner of a race or
// the holder of an account may do.
const (
	ScopeRead   Scope = "read"
	ScopeTiming Scope = "timing" // files and records
	ScopeAll    Scope = "all"    // settings, start lists and publication too
)

const (
	// apiKeyPrefix begins every API key, so that scanners for leaked secrets, and
	// people, recognize one.
	apiKeyPrefix = "mrk_"
	// shownOfKey is how much of a key is kept in the clear, to tell keys apart.
	shownOfKey = len(apiKeyPrefix) + 6
)

// NewAPIKey returns the secret of a new API key, which is shown once, its beginning,
// by which people recognize it, and its hash for the store. The secret is 256 random bits, so a fast hash without a
// salt is enough, and finding a key by its hash takes the same time for every guess.
func NewAPIKey() (secret, prefix, hash string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand
	secret = apiKeyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	hash, _ = HashAPIKey(secret)
	return secret, secret[:shownOfKey], hash
}

// HashAPIKey returns the hash under which an API key is stored, and false for what is
// not an API key.
func HashAPIKey(secret string) (hash string, isKey bool) {
	if !strings.HasPrefix(secret, apiKeyPrefix) {
		return "", false
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:]), true
}

// KeyConfig limits the calls that are made with one API key. Each process counts for
// itself. Zero means the default.
type KeyConfig struct {
	PerMinute int `env:"API_KEY_CALLS_PER_MINUTE" envDefault:"3000" help:"calls with one API key that an API process admits at once, and then evenly over each minute"`
}

// KeyLimit limits the calls that are made with each API key.
type KeyLimit struct {
	now  func() time.Time
	seed maphash.Seed
	rate rate
	mu   sync.Mutex
	keys *limiter
}

// NewKeyLimit returns a limit that reads the time from now.
func NewKeyLimit(cfg KeyConfig, now func() time.Time) *KeyLimit {
	perMinute := cmp.Or(cfg.PerMinute, 3000)
	return &KeyLimit{
		now: now, seed: maphash.MakeSeed(), rate: rate{burst: perMinute, refill: time.Minute / time.Duration(perMinute)}, keys: newLimiter(maxKeys),
	}
}

// Begin counts a call with the key of an ID. Its error is a *ThrottledError.
func (l *KeyLimit) Begin(keyID string) error {
	key := maphash.String(l.seed, keyID)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait := l.keys.wait(key, l.rate, now); wait > 0 {
		return &ThrottledError{RetryAfter: wait}
	}
	l.keys.add(key, l.rate.refill, now)
	return nil
}
