package auth

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// Parameters of argon2id: OWASP's Password Storage Cheat Sheet, its second set of
// parameters of equal strength: 19 MiB, two passes, one lane. 16 bytes of salt and
// a key of 32 bytes follow RFC 9106.
var hashing = argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Passwords hashes and checks passwords. As many run at once as there are cores:
// more would not be faster, and each takes 19 MiB. Sign-ups have slots of their
// own, half as many, so that a rush of sign-ups does not slow down logins.
type Passwords struct {
	params  argon2id.Params
	slots   chan struct{}
	signUps chan struct{}
	decoy   string // a hash that no password matches
	check   func(password, hash string) (bool, *argon2id.Params, error)
}

// NewPasswords returns a Passwords with OWASP's parameters.
func NewPasswords() (*Passwords, error) {
	secret, _ := NewRefreshToken()
	decoy, err := argon2id.CreateHash(secret, &hashing)
	if err != nil {
		return nil, fmt.Errorf("hash the decoy: %w", err)
	}
	cores := runtime.GOMAXPROCS(0)
	return &Passwords{
		params:  hashing,
		slots:   make(chan struct{}, cores),
		signUps: make(chan struct{}, max(1, cores/2)),
		decoy:   decoy,
		check:   argon2id.CheckHash,
	}, nil
}

// Hash returns the PHC string to store for the password of an existing account. Its
// error is ctx's when that ends first.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	return p.hash(ctx, p.slots, password)
}

// HashForSignUp is Hash for a new account.
func (p *Passwords) HashForSignUp(ctx context.Context, password string) (string, error) {
	return p.hash(ctx, p.signUps, password)
}

func (p *Passwords) hash(ctx context.Context, slots chan struct{}, password string) (string, error) {
	if err := acquire(ctx, slots); err != nil {
		return "", err
	}
	defer release(slots)
	hash, err := argon2id.CreateHash(canonical(password), &p.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Outcome is the result of checking a password.
type Outcome struct {
	Match    bool
	Outdated bool // the hash has older parameters: the password should be hashed again
}

// Check compares password with a stored hash. An empty hash (nobody has that
// login, or it has no password) matches nothing and takes as long as any other,
// so that the response time does not give away who has an account.
func (p *Passwords) Check(ctx context.Context, password, hash string) (Outcome, error) {
	if err := acquire(ctx, p.slots); err != nil {
		return Outcome{}, err
	}
	defer release(p.slots)
	stored := hash
	if stored == "" {
		stored = p.decoy
	}
	match, params, err := p.check(canonical(password), stored)
	if err != nil {
		return Outcome{}, fmt.Errorf("check a password: %w", err)
	}
	if hash == "" || !match {
		return Outcome{}, nil
	}
	return Outcome{Match: true, Outdated: *params != p.params}, nil
}

func acquire(ctx context.Context, slots chan<- struct{}) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait to hash a password: %w", err)
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

func release(slots <-chan struct{}) { <-slots }

const (
	minPassword = 8
	maxPassword = 128 // characters
)

//go:embed common_passwords.txt
var commonList string

var common = func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(commonList) {
		set[word] = true
	}
	return set
}()

// CheckPassword reports why password may not be chosen for the account with that
// login. It follows NIST SP 800-63B: length counts, in characters; no mixture of
// character classes is required; common passwords are refused. The error never
// holds the password.
func CheckPassword(password, login string) error {
	if !utf8.ValidString(password) {
		return errors.New("must be text in UTF-8")
	}
	password = canonical(password)
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return errors.New("must have 8 to 128 characters")
	}
	lower := strings.ToLower(password)
	if lower == login {
		return errors.New("must not be the login")
	}
	if common[lower] || oneCharacter(lower) {
		return errors.New("is guessed early by attackers: choose another")
	}
	return nil
}

// canonical is Unicode NFC, as RFC 8265 has it for passwords: keyboards differ
// in how they compose an ü, and the same password must hash the same.
func canonical(password string) string { return norm.NFC.String(password) }

func oneCharacter(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return strings.Trim(s, string(first)) == ""
}
