package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Standings finds out what became of the account and the session of an access token;
// userdb.Store implements it.
type Standings interface {
	Standing(ctx context.Context, userID, sessionID string) (userdb.Standing, error)
}

const (
	// standingLifetime is how long a read may rely on what an earlier call found. A
	// write looks for itself.
	standingLifetime = time.Second
	// standingTimeout bounds a look at user_db, and standingPause is how long nobody
	// looks after it did not answer: until it is back, a token is good until it
	// expires, because results must be accepted while user_db is down.
	standingTimeout = time.Second
	standingPause   = time.Second
	// standingsKept is how many accounts and sessions are remembered, at about 300
	// bytes each.
	standingsKept = 20_000
)

// ended refuses access tokens that have not expired, but whose session has ended or
// whose account was suspended or deleted.
type ended struct {
	standings Standings // nil: none is refused
	known     *cache.Cache[session, userdb.Standing]
	log       *slog.Logger
	now       func() time.Time
	silent    *atomic.Int64 // when user_db last did not answer, in Unix nanoseconds
}

type session struct{ userID, id string }

func newEnded(standings Standings, log *slog.Logger, now func() time.Time) ended {
	return ended{
		standings: standings, log: log, now: now, silent: &atomic.Int64{},
		known: cache.New[session](cache.Config[userdb.Standing]{Limit: standingsKept, Lifetime: standingLifetime, LoadTimeout: standingTimeout, Now: now}),
	}
}

// check returns the answer to a caller whose token has ended. What a write finds is
// never older than the write.
func (e ended) check(ctx context.Context, caller Caller, write bool) error {
	if e.standings == nil {
		return nil
	}
	found, err := e.standing(ctx, session{caller.UserID, caller.Session}, write)
	switch {
	case err != nil:
		return nil //nolint:nilerr // it has been logged, and the token is good until it expires
	case found.Erased:
		return AccountDeleted()
	case found.Suspended:
		return Unauthorized("the account has been suspended: write to the operators of this service")
	case caller.Key.ID != "": // keys have no session, and work again when the account is restored
		return nil
	case found.Ended, !found.TokensEndedAt.IsZero() && !caller.IssuedAt.After(found.TokensEndedAt):
		return SessionEnded()
	}
	return nil
}

// AccountDeleted is the answer to an access token whose account has been deleted.
func AccountDeleted() error {
	return Unauthorized("the account of this access token has been deleted")
}

// SessionEnded is the answer to an access token whose session has ended.
func SessionEnded() error {
	return Unauthorized("the session of this access token has ended: log in again")
}

func (e ended) standing(ctx context.Context, of session, write bool) (userdb.Standing, error) {
	load := func(ctx context.Context) (userdb.Standing, error) {
		if e.now().UnixNano()-e.silent.Load() < int64(standingPause) {
			return userdb.Standing{}, race.ErrUnavailable
		}
		found, err := e.standings.Standing(ctx, of.userID, of.id)
		if err != nil && !errors.Is(err, context.Canceled) {
			e.silent.Store(e.now().UnixNano())
			e.log.WarnContext(ctx, "cannot read from user_db whether sessions have ended: access tokens stay valid until they expire, retrying in a second", "error", err)
		}
		return found, err
	}
	if !write {
		return e.known.Get(ctx, of, load)
	}
	ctx, cancel := context.WithTimeout(ctx, standingTimeout)
	defer cancel()
	return load(ctx)
}
