package auth

import (
	"context"
	"fmt"
	"runtime"

	"github.com/alexedwards/argon2id"
)

// Parameters of argon2id: OWASP's Password Storage Cheat Sheet, its second
// choice of equal strength: 19 MiB, two passes, one lane. 16 bytes of salt and
// 32 of key are RFC 9106's.
var hashing = argon2id.Params{Memory: 19456, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Passwords hashes and checks passwords. As many run at once as there are
// cores: more would not be quicker, and each takes 19 MiB.
type Passwords struct {
	params argon2id.Params
	slots  chan struct{}
	decoy  string // the hash of no password
	check  func(password, hash string) (bool, *argon2id.Params, error)
}

// NewPasswords returns a Passwords with OWASP's parameters.
func NewPasswords() (*Passwords, error) {
	secret, _ := NewRefreshToken()
	decoy, err := argon2id.CreateHash(secret, &hashing)
	if err != nil {
		return nil, fmt.Errorf("hash the decoy: %w", err)
	}
	return &Passwords{
		params: hashing,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		decoy:  decoy,
		check:  argon2id.CheckHash,
	}, nil
}

// Hash returns the PHC string to store for password. Its error is ctx's when
// that ends first.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.acquire(ctx); err != nil {
		return "", err
	}
	defer p.release()
	hash, err := argon2id.CreateHash(canonical(password), &p.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// Outcome is what a check of a password came to.
type Outcome struct {
	Match    bool
	Outdated bool // it matches a hash of older parameters: hash it again
}

// Check compares password with a stored hash. An empty hash (nobody has that
// login, or it has no password) matches nothing and takes as long as any other,
// so that an answer's time tells nobody who has an account.
func (p *Passwords) Check(ctx context.Context, password, hash string) (Outcome, error) {
	if err := p.acquire(ctx); err != nil {
		return Outcome{}, err
	}
	defer p.release()
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

func (p *Passwords) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait to hash a password: %w", err)
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

func (p *Passwords) release() { <-p.slots }
