package auth

import (
	"cmp"
	"hash/maphash"
	"sync"
	"time"
)

// The limits of failed attempts. The limit per pair of address and login stops
// somebody who guesses one account's password; the limit per login stops many
// addresses that share the guessing; the limit per address stops somebody who tries
// many accounts, and leaves room for a whole club behind one router.
var (
	perPair    = rate{burst: 5, refill: 30 * time.Second}  // 2,880 guesses a day
	perLogin   = rate{burst: 20, refill: 60 * time.Second} // 1,440 guesses a day
	perAddress = rate{burst: 50, refill: 5 * time.Second}  // 17,280 guesses a day
	knownFor   = 30 * 24 * time.Hour                       // since the last success
)

// Throttle limits failed password attempts. It is kept in the memory of one
// process: n processes allow n times as many attempts, and a restart forgets them.
// Attempts at logins that do not exist count like any other, so the throttle does
// not reveal which accounts exist.
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

// ThrottledError means that an attempt was refused before the password was checked.
type ThrottledError struct {
	RetryAfter time.Duration
}

func (e *ThrottledError) Error() string { return "too many attempts" }

// Begin counts an attempt by address at login as failed before it is made, so that
// a thousand concurrent attempts are not all let through; Succeed and Cancel undo
// the count. The error is a *ThrottledError.
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

// Attempt is one attempt at a password. It counts as failed until Succeed or
// Cancel.
type Attempt struct {
	throttle             *Throttle
	pair, login, address uint64
	known                bool
}

// Succeed undoes the count of the attempt, forgets the address's earlier failures
// at this login and remembers that this address knows the password.
func (a *Attempt) Succeed() {
	a.takeBack(func(now time.Time) {
		a.throttle.pairs.forget(a.pair)
		a.throttle.known.set(a.pair, now.Add(knownFor), now)
	})
}

// Cancel undoes the count of an attempt whose password was not checked.
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

// The limits of failed attempts at claim codes of 60 bits, per account and per bib.
var (
	codesPerAccount = rate{burst: 5, refill: time.Minute}
	codesPerBib     = rate{burst: 10, refill: time.Minute}
)

// CodeLimit limits failed attempts at the claim codes of bibs. It is kept in the
// memory of one process, as Throttle is.
type CodeLimit struct {
	now            func() time.Time
	seed           maphash.Seed
	mu             sync.Mutex
	accounts, bibs *limiter
}

// NewCodeLimit returns a limit that reads the time from now.
func NewCodeLimit(now func() time.Time) *CodeLimit {
	return &CodeLimit{now: now, seed: maphash.MakeSeed(), accounts: newLimiter(maxKeys), bibs: newLimiter(maxKeys)}
}

// Begin counts an attempt by an account at a bib of a race as failed before it is
// made; succeed undoes the count. Its error is a *ThrottledError.
func (l *CodeLimit) Begin(userID, raceID, bibKey string) (succeed func(), err error) {
	account, bib := maphash.String(l.seed, userID), maphash.Comparable(l.seed, [2]string{raceID, bibKey})
	count := func(ofAccount, ofBib time.Duration) {
		now := l.now()
		l.accounts.add(account, ofAccount, now)
		l.bibs.add(bib, ofBib, now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait := max(l.accounts.wait(account, codesPerAccount, now), l.bibs.wait(bib, codesPerBib, now)); wait > 0 {
		return nil, &ThrottledError{RetryAfter: wait}
	}
	count(codesPerAccount.refill, codesPerBib.refill)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		count(-codesPerAccount.refill, -codesPerBib.refill)
	}, nil
}

// A rate lets through burst events at once, and then one more each time refill has
// passed. So nobody is ever locked out for longer than refill.
type rate struct {
	burst  int
	refill time.Duration
}

// maxKeys bounds each limiter: about 2 MB with 65,536 keys.
const maxKeys = 1 << 16

// limiter counts events by key with the generic cell rate algorithm: it holds, per
// key, the time at which the whole burst is available again. A time that has
// passed, or is missing, means that it is available now. It holds max keys at most.
type limiter struct {
	max    int
	fullAt map[uint64]time.Time
}

func newLimiter(limit int) *limiter { return &limiter{max: limit, fullAt: map[uint64]time.Time{}} }

func (l *limiter) has(key uint64, now time.Time) bool { return l.fullAt[key].After(now) }

// wait returns how long it takes until the rate lets one more event through, 0 for
// now.
func (l *limiter) wait(key uint64, r rate, now time.Time) time.Duration {
	if !l.has(key, now) {
		return 0
	}
	room := time.Duration(r.burst-1) * r.refill
	return max(0, l.fullAt[key].Sub(now)-room)
}

// add counts an event that takes cost to refill; a negative cost undoes one.
func (l *limiter) add(key uint64, cost time.Duration, now time.Time) {
	from := now
	if l.has(key, now) {
		from = l.fullAt[key]
	}
	l.set(key, from.Add(cost), now)
}

func (l *limiter) set(key uint64, fullAt, now time.Time) {
	if !fullAt.After(now) {
		l.forget(key)
		return
	}
	if _, there := l.fullAt[key]; !there && len(l.fullAt) >= l.max {
		l.evict()
	}
	l.fullAt[key] = fullAt
}

func (l *limiter) forget(key uint64) { delete(l.fullAt, key) }

// evict drops, of eight keys in the map's random order, the one that is available
// soonest: the key with the most events is forgotten last.
func (l *limiter) evict() {
	var evicted uint64
	var soonest time.Time
	drawn := 0
	for key, fullAt := range l.fullAt {
		if drawn == 0 || fullAt.Before(soonest) {
			evicted, soonest = key, fullAt
		}
		drawn++
		if drawn == 8 {
			break
		}
	}
	delete(l.fullAt, evicted)
}

// SignUpConfig limits how many accounts are created. A whole club behind one router
// can sign up together; a program that creates thousands of accounts is stopped.
// Each process counts for itself. Zero means the default.
type SignUpConfig struct {
	PerAddress int `env:"SIGN_UPS_PER_ADDRESS" envDefault:"60" help:"sign-ups from one address that are let through at once, and then evenly over each hour"`
	PerMinute  int `env:"SIGN_UPS_PER_MINUTE" envDefault:"300" help:"sign-ups from all addresses that an API process lets through at once, and then evenly over each minute"`
}

// SignUpLimit limits sign-ups per address and in total.
type SignUpLimit struct {
	now                func() time.Time
	seed               maphash.Seed
	perAddress, inAll  rate
	mu                 sync.Mutex
	addresses, process *limiter
}

// NewSignUpLimit returns a limit that reads the time from now.
func NewSignUpLimit(cfg SignUpConfig, now func() time.Time) *SignUpLimit {
	perHour, perMinute := cmp.Or(cfg.PerAddress, 60), cmp.Or(cfg.PerMinute, 300)
	return &SignUpLimit{
		now: now, seed: maphash.MakeSeed(),
		perAddress: rate{burst: perHour, refill: time.Hour / time.Duration(perHour)},
		inAll:      rate{burst: perMinute, refill: time.Minute / time.Duration(perMinute)},
		addresses:  newLimiter(maxKeys), process: newLimiter(1),
	}
}

// Begin counts a sign-up from an address. Its error is a *ThrottledError.
func (l *SignUpLimit) Begin(address string) error {
	const everybody = 0
	key := maphash.String(l.seed, address)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait := max(l.addresses.wait(key, l.perAddress, now), l.process.wait(everybody, l.inAll, now)); wait > 0 {
		return &ThrottledError{RetryAfter: wait}
	}
	l.addresses.add(key, l.perAddress.refill, now)
	l.process.add(everybody, l.inAll.refill, now)
	return nil
}

// perWriter limits how often an account writes something that others read: a
// conversation passes, a flood does not.
var perWriter = rate{burst: 10, refill: 30 * time.Second}

// WriterLimit limits how many comments and reports of comments an account writes. It is
// kept in the memory of one process, as Throttle is.
type WriterLimit struct {
	now     func() time.Time
	seed    maphash.Seed
	mu      sync.Mutex
	writers *limiter
}

// NewWriterLimit returns a limit that reads the time from now.
func NewWriterLimit(now func() time.Time) *WriterLimit {
	return &WriterLimit{now: now, seed: maphash.MakeSeed(), writers: newLimiter(maxKeys)}
}

// Count counts something that an account is about to write. Its error is a
// *ThrottledError.
func (l *WriterLimit) Count(userID string) error {
	writer := maphash.String(l.seed, userID)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if wait := l.writers.wait(writer, perWriter, now); wait > 0 {
		return &ThrottledError{RetryAfter: wait}
	}
	l.writers.add(writer, perWriter.refill, now)
	return nil
}
