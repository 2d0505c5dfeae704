package auth

import (
	"hash/maphash"
	"sync"
	"time"
)

// An allowance bounds the failed attempts that count against one key: burst of
// them at once, then one more each time refill has gone by. So nobody is ever
// locked out for longer than refill.
type allowance struct {
	burst  int
	refill time.Duration
}

// What may fail. The pair of an address and a login stops somebody who guesses
// at one account; the login stops many addresses that share the guessing; the
// address stops one that tries many accounts, and leaves room for a whole club
// behind one router.
var (
	perPair    = allowance{burst: 5, refill: 30 * time.Second}  // 2,880 guesses a day
	perLogin   = allowance{burst: 20, refill: 60 * time.Second} // 1,440 guesses a day
	perAddress = allowance{burst: 50, refill: 5 * time.Second}  // 17,280 guesses a day
	knownFor   = 30 * 24 * time.Hour                            // since the last success
)

// maxKeys bounds each table of the throttle: about 2 MB with 65,536 keys.
const maxKeys = 1 << 16

// Throttle limits failed attempts to give a password. It lives in the memory
// of one process: n processes allow n times as many, and a restart forgets.
// It counts logins that nobody has like any other, so it tells nothing.
type Throttle struct {
	now  func() time.Time
	seed maphash.Seed

	mu      sync.Mutex
	pairs   *debts
	logins  *debts
	address *debts
	known   *debts // pairs that succeeded: free of the login's limit, so that guessers elsewhere cannot keep the owner out
}

// NewThrottle returns a throttle that reads the time from now.
func NewThrottle(now func() time.Time) *Throttle {
	return &Throttle{
		now: now, seed: maphash.MakeSeed(),
		pairs: newDebts(maxKeys), logins: newDebts(maxKeys), address: newDebts(maxKeys), known: newDebts(maxKeys),
	}
}

// ThrottledError says that an attempt was refused unseen.
type ThrottledError struct {
	RetryAfter time.Duration
}

func (e *ThrottledError) Error() string { return "too many failed attempts" }

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

// Attempt is one try at a password. Without a further call it has failed.
type Attempt struct {
	throttle             *Throttle
	pair, login, address uint64
	known                bool
}

// Succeed takes the attempt back, forgives the address its failures at this
// login and remembers that the two belong together.
func (a *Attempt) Succeed() {
	a.takeBack(func(now time.Time) {
		a.throttle.pairs.clear(a.pair)
		a.throttle.known.set(a.pair, now.Add(knownFor), now)
	})
}

// Cancel takes the attempt back: the password was not looked at.
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
