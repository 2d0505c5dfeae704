package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// keyFoundFor is how long a key that was found is good without looking again, and
	// so how long one that was revoked may still be used.
	keyFoundFor = time.Second
	keysFound   = 10_000 // at most, some 500 bytes each
	keyTimeout  = 5 * time.Second
)

// apiKeys finds the callers that use an API key.
type apiKeys struct {
	use   func(ctx context.Context, secretHash string) (maindb.APIKey, error)
	found *cache.Cache[string, maindb.APIKey]
	limit *auth.KeyLimit
	now   func() time.Time
	log   *slog.Logger
}

func newAPIKeys(cfg Config) apiKeys {
	return apiKeys{
		use: cfg.UseKey, limit: auth.NewKeyLimit(cfg.KeyLimit, cfg.Now), now: cfg.Now, log: cfg.Log,
		found: cache.New[string](cache.Config[maindb.APIKey]{Limit: keysFound, Lifetime: keyFoundFor, LoadTimeout: keyTimeout, Now: cfg.Now}),
	}
}

// verify returns whom a key acts for. Keys are found by their hash, so the time that
// takes says nothing about how close a guess was.
func (k apiKeys) verify(ctx context.Context, secretHash string) (Caller, error) {
	if k.use == nil {
		return Caller{}, badKey()
	}
	key, err := k.found.Get(ctx, secretHash, func(ctx context.Context) (maindb.APIKey, error) { return k.use(ctx, secretHash) })
	switch {
	case errors.Is(err, race.ErrNotFound):
		return Caller{}, badKey()
	case err != nil:
		return Caller{}, translate(ctx, k.log, err)
	}
	var throttled *auth.ThrottledError
	if err := k.limit.Begin(key.ID); errors.As(err, &throttled) {
		return Caller{}, TooMany(throttled.RetryAfter, "too many calls with this API key")
	}
	return Caller{
		UserID: key.CreatedBy, Type: key.CreatorType, IssuedAt: k.now(),
		Key: auth.Key{ID: key.ID, Scope: key.Scope, RaceID: key.RaceID},
	}, nil
}

func badKey() error {
	return Unauthorized("the API key is not valid, has expired or was revoked")
}
