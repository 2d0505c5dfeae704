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

// Passwords hashes and checks passwords. Both return ctx's error when it ends
// while they wait for a free core.
type Passwords interface {
	Hash(ctx context.Context, password string) (string, error)
	// Check takes an empty hash for nobody's, at the same cost.
	Check(ctx context.Context, password, hash string) (auth.Outcome, error)
}

// guard checks a password within the limit of failed attempts of address at
// login. A refused attempt is a 429 that says when to come back.
func guard(ctx context.Context, throttle *auth.Throttle, passwords Passwords, c Client, login, password, hash string,
) (auth.Outcome, error) {
	attempt, err := throttle.Begin(c.address, login)
	if err != nil {
		return auth.Outcome{}, tooMany(err)
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

func tooMany(err error) error {
	var throttled *auth.ThrottledError
	if !errors.As(err, &throttled) {
		return err
	}
	seconds := (throttled.RetryAfter + time.Second - 1) / time.Second
	return huma.ErrorWithHeaders(huma.Error429TooManyRequests("too many failed attempts: wait before the next one"),
		http.Header{"Retry-After": {strconv.FormatInt(int64(seconds), 10)}})
}
