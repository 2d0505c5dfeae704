package auth

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type clock struct{ now time.Time }

func newTestThrottle() (*Throttle, *clock) {
	c := &clock{now: noon}
	return NewThrottle(func() time.Time { return c.now }), c
}

// fail makes attempts that fail until one is refused or n were made, and
// returns how many were made and how long the refused one was told to wait.
func fail(t *testing.T, throttle *Throttle, address, login string, n int) (made int, wait time.Duration) {
	t.Helper()
	for made = range n {
		if _, err := throttle.Begin(address, login); err != nil {
			var throttled *ThrottledError
			require.ErrorAs(t, err, &throttled)
			return made, throttled.RetryAfter
		}
	}
	return n, 0
}

func TestOneAddressAtOneLogin(t *testing.T) {
	t.Parallel()
	throttle, clock := newTestThrottle()
	made, wait := fail(t, throttle, "a", "bill", 10)
	require.Equal(t, 5, made)
	require.Equal(t, 30*time.Second, wait)

	clock.now = clock.now.Add(wait - time.Second)
	made, wait = fail(t, throttle, "a", "bill", 10)
	require.Zero(t, made)
	require.Equal(t, time.Second, wait)

	clock.now = clock.now.Add(wait)
	made, _ = fail(t, throttle, "a", "bill", 10)
	require.Equal(t, 1, made, "one more each half minute")

	made, _ = fail(t, throttle, "b", "bill", 1)
	require.Equal(t, 1, made, "the owner elsewhere is not kept out")
	made, _ = fail(t, throttle, "a", "alberto", 1)
	require.Equal(t, 1, made, "nor is the neighbour")

	clock.now = clock.now.Add(5 * 30 * time.Second)
	made, _ = fail(t, throttle, "a", "bill", 10)
	require.Equal(t, 5, made, "all is forgotten")
}

func TestSuccessClearsThePair(t *testing.T) {
	t.Parallel()
	throttle, _ := newTestThrottle()
	fail(t, throttle, "a", "bill", 4)
	attempt, err := throttle.Begin("a", "bill")
	require.NoError(t, err)
	attempt.Succeed()
	made, _ := fail(t, throttle, "a", "bill", 10)
	require.Equal(t, 5, made)
}

func TestSuccessesAreNeverLimited(t *testing.T) {
	t.Parallel()
	throttle, _ := newTestThrottle()
	for i := range 1000 {
		attempt, err := throttle.Begin("a", fmt.Sprint("runner", i%10))
		require.NoError(t, err)
		attempt.Succeed()
	}
}

func TestCancelledAttemptsDoNotCount(t *testing.T) {
	t.Parallel()
	throttle, _ := newTestThrottle()
	for range 1000 {
		attempt, err := throttle.Begin("a", "bill")
		require.NoError(t, err)
		attempt.Cancel()
	}
	made, _ := fail(t, throttle, "a", "bill", 10)
	require.Equal(t, 5, made)
}

func TestManyAddressesAtOneLogin(t *testing.T) {
	t.Parallel()
	throttle, clock := newTestThrottle()
	home, err := throttle.Begin("home", "bill")
	require.NoError(t, err)
	home.Succeed()

	made := 0
	for i := range 100 {
		n, _ := fail(t, throttle, fmt.Sprint("bot", i), "bill", 1)
		made += n
	}
	require.Equal(t, 20, made)
	_, wait := fail(t, throttle, "bot", "bill", 1)
	require.Equal(t, 60*time.Second, wait, "no block is longer than a minute")

	home, err = throttle.Begin("home", "bill")
	require.NoError(t, err, "where the owner has logged in before, the guessers do not matter")
	home.Succeed()
	clock.now = clock.now.Add(time.Minute)
	made, _ = fail(t, throttle, "new phone", "bill", 1)
	require.Equal(t, 1, made)

	made, _ = fail(t, throttle, "home", "bill", 10)
	require.Equal(t, 5, made, "a known address is held to its own limit")
}

func TestOneAddressAtManyLogins(t *testing.T) {
	t.Parallel()
	throttle, clock := newTestThrottle()
	try := func() (made int, wait time.Duration) {
		for i := range 200 {
			var n int
			if n, wait = fail(t, throttle, "a", fmt.Sprint("runner", i), 1); n == 0 {
				break
			}
			made += n
		}
		return made, wait
	}
	made, wait := try()
	require.Equal(t, 50, made)
	require.Equal(t, 5*time.Second, wait)

	own, err := throttle.Begin("b", "own")
	require.NoError(t, err)
	own.Succeed()
	clock.now = clock.now.Add(wait)
	own, err = throttle.Begin("a", "own")
	require.NoError(t, err)
	own.Succeed()
	made, _ = try()
	require.Equal(t, 1, made, "logging in to an account of one's own buys nothing")
}

func TestAttemptsAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	throttle, _ := newTestThrottle()
	var through atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := throttle.Begin("a", "bill"); err == nil {
				through.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 5, through.Load())
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	d := newLimiter(100)
	d.add(1, time.Hour, noon)
	for key := range uint64(10_000) {
		d.add(key+2, time.Second, noon)
	}
	require.Len(t, d.fullAt, 100)
	require.True(t, d.has(1, noon), "who owes most is forgotten last")
}

func TestSignUpsAreLimitedByAddressAndInAll(t *testing.T) {
	t.Parallel()
	c := &clock{now: noon}
	limit := NewSignUpLimit(SignUpConfig{PerAddress: 3, PerMinute: 5}, func() time.Time { return c.now })
	wait := func(address string) time.Duration {
		err := limit.Begin(address)
		if err == nil {
			return 0
		}
		var throttled *ThrottledError
		require.ErrorAs(t, err, &throttled)
		return throttled.RetryAfter
	}
	for range 3 {
		require.Zero(t, wait("a"))
	}
	require.Equal(t, 20*time.Minute, wait("a"), "three an hour")
	require.Zero(t, wait("b"))
	require.Zero(t, wait("b"))
	require.Equal(t, 12*time.Second, wait("c"), "five a minute, whatever the address")

	c.now = c.now.Add(12 * time.Second)
	require.Zero(t, wait("c"))
	require.Equal(t, 12*time.Second, wait("c"))
	c.now = c.now.Add(20 * time.Minute)
	require.Zero(t, wait("a"), "a refused sign-up does not count")
	require.Positive(t, wait("a"))
}
