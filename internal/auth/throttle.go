package auth

import (
	"hash/maphash"
	"sync"
	"time"
)

// The limits of failed attempts. The one of an address and a login stops somebody
// who guesses one account's password; the one of a login stops many addresses that
// share the guessing; the one of an address stops somebody who tries many accounts,
// and leaves room for a whole club behind one router.
var (
	perPair    = rate{burst: 5, refill: 30 * time.Second}  // 2,880 guesses a day
	perLogin   = rate{burst: 20, refill: 60 * time.Second} // 1,440 guesses a day
	perAddress = rate{burst: 50, refill: 5 * time.Second}  // 17,280 guesses a day
	knownFor   = 30 * 24 * time.Hour                       // since the last success
)

// Throttle limits failed attempts to give a password. It lives in the memory of
// one process: n processes allow n times as many, and a restart forgets them. It
// counts logins that nobody has like any other, so it does not give away which
// accounts exist.
type Throttle struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.Mutex
	pairs   *limiter
	logins  *limiter
	address *limiter
	known   *limiter // pairs that succeeded: exempt from the login's limit, so that guessers elsewhere cannot lock the owner out
}

// NewThrottle returns a throttle that reads the time from now.
func NewThrottle(now func() time.Time) *Throttle {
	return &Throttle{
		now: now, seed: maphash.MakeSeed(),
		pairs: newLimiter(maxKeys), logins: newLimiter(maxKeys), address: newLimiter(maxKeys), known: newLimiter(maxKeys),
	}
}

// ThrottledError means that an attempt was refused without being looked at.
type ThrottledError struct {
	RetryAfter time.Duration
}

func (e *ThrottledError) Error() string { return "too many attempts" }

// Begin counts an attempt of address at login as failed before it is made, so
// that a thousand at once are not all let through; the attempt takes the count
// back when it did not fail. The error is a *ThrottledError.
func (t *Throttle) Begin(address, login string) (*Attempt, error) {
	a := &Attempt{
		throttle: t,
		pair:     maphash.Comparable(t.seed, [2]string{address, login}),
		login:    maphash.String(t.seed, login),
		address:  maphash.String(t.seed, address),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	a.known = t.known.has(a.pair, now)
	wait := max(t.pairs.wait(a.pair, perPair, now), t.address.wait(a.address, perAddress, now))
	if !a.known {
		wait = max(wait, t.logins.wait(a.login, perLogin, now))
	}
	if wait > 0 {
		return nil, &ThrottledError{RetryAfter: wait}
	}
	t.pairs.add(a.pair, perPair.refill, now)
	t.address.add(a.address, perAddress.refill, now)
	if !a.known {
		t.logins.add(a.login, perLogin.refill, now)
	}
	return a, nil
}

// Attempt is one try at a password. It counts as failed until Succeed or Cancel.
type Attempt struct {
	throttle             *Throttle
	pair, login, address uint64
	known                bool
}

// Succeed takes the attempt back, forgets the address's earlier failures at this
// login and remembers that the two belong together.
func (a *Attempt) Succeed() {
	a.takeBack(func(now time.Time) {
		a.throttle.pairs.forget(a.pair)
		a.throttle.known.set(a.pair, now.Add(knownFor), now)
	})
}

// Cancel takes the attempt back, for a password that was not looked at.
func (a *Attempt) Cancel() {
	a.takeBack(func(now time.Time) { a.throttle.pairs.add(a.pair, -perPair.refill, now) })
}

func (a *Attempt) takeBack(pair func(now time.Time)) {
	t := a.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	pair(now)
	t.address.add(a.address, -perAddress.refill, now)
	if !a.known {
		t.logins.add(a.login, -perLogin.refill, now)
	}
}
