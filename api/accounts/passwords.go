package accounts

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/auth"
)

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
	seconds := (throttled.RetryAfter + time.Second - 1) / time.Second
	return huma.ErrorWithHeaders(huma.Error429TooManyRequests(detail),
		http.Header{"Retry-After": {strconv.FormatInt(int64(seconds), 10)}})
}
