package auth

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"
)

func newTestPasswords(t *testing.T) *Passwords {
	t.Helper()
	p, err := NewPasswords()
	require.NoError(t, err)
	return p
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t)
	hash, err := p.Hash(t.Context(), "heartbreak hïll") // ï as one character
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"), "OWASP's parameters")

	for password, want := range map[string]bool{
		"heartbreak hïll":       true,
		"heartbreak hi\u0308ll": true, // ï as i and a combining diaeresis
		"Heartbreak hïll":       false,
		"":                      false,
	} {
		outcome, err := p.Check(t.Context(), password, hash)
		require.NoError(t, err)
		require.Equal(t, Outcome{Match: want}, outcome, password)
	}
	_, err = p.Check(t.Context(), "heartbreak", "not a hash")
	require.Error(t, err)
}

func TestCheckNamesAnOutdatedHash(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t)
	old, err := argon2id.CreateHash("heartbreak", &argon2id.Params{
		Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32,
	})
	require.NoError(t, err)

	outcome, err := p.Check(t.Context(), "heartbreak", old)
	require.NoError(t, err)
	require.Equal(t, Outcome{Match: true, Outdated: true}, outcome)
	outcome, err = p.Check(t.Context(), "something else", old)
	require.NoError(t, err)
	require.Zero(t, outcome)
}

// Time is not measured: what takes the time is counted.
func TestCheckWithoutAHashCostsOneHashToo(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t)
	var costs []argon2id.Params
	p.check = func(password, hash string) (bool, *argon2id.Params, error) {
		match, params, err := argon2id.CheckHash(password, hash)
		costs = append(costs, *params)
		return match, params, err
	}
	hash, err := p.Hash(t.Context(), "heartbreak")
	require.NoError(t, err)
	for _, stored := range []string{hash, ""} {
		_, err := p.Check(t.Context(), "wrong", stored)
		require.NoError(t, err)
	}
	require.Len(t, costs, 2)
	require.Equal(t, costs[0], costs[1])
}

func TestEmptyHashMatchesNothing(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t)
	p.check = func(string, string) (bool, *argon2id.Params, error) { return true, &hashing, nil }
	outcome, err := p.Check(t.Context(), "the decoy's own password", "")
	require.NoError(t, err)
	require.Zero(t, outcome)
}

func TestHashingIsBoundedByTheCores(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t)
	release := make(chan struct{})
	started := make(chan struct{}, 100)
	var running, most atomic.Int64
	p.check = func(string, string) (bool, *argon2id.Params, error) {
		now := running.Add(1)
		defer running.Add(-1)
		for {
			seen := most.Load()
			if now <= seen || most.CompareAndSwap(seen, now) {
				break
			}
		}
		started <- struct{}{}
		<-release
		return false, &hashing, nil
	}
	cores := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for range 3 * cores {
		wg.Go(func() { _, _ = p.Check(t.Context(), "x", "y") })
	}
	for range cores {
		<-started
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Hash(ctx, "x")
	require.ErrorIs(t, err, context.Canceled, "who waits gives up with its request")

	close(release)
	wg.Wait()
	require.EqualValues(t, cores, most.Load())
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for password, problem := range map[string]string{
		"seven77":                          "8 to 128",
		"äöüäöüä":                          "8 to 128", // 14 bytes, 7 characters
		"äöüäöüäö":                         "",
		"e\u0301e\u0301e\u0301e\u0301":     "8 to 128", // four é
		strings.Repeat("pace ", 25) + "42": "",
		strings.Repeat("pace ", 26):        "8 to 128", // 130
		"password":                         "guessed",
		"PassWord123":                      "guessed",
		"zzzzzzzzzzzz":                     "guessed",
		"runner@club.example":              "the login",
		"Runner@Club.example":              "the login",
		"no rules but length":              "",
		"bad\xffbytes":                     "UTF-8",
	} {
		err := CheckPassword(password, "runner@club.example")
		if problem == "" {
			require.NoError(t, err, password)
			continue
		}
		require.ErrorContains(t, err, problem, password)
		require.NotContains(t, err.Error(), password)
	}
}

func TestParseLogin(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" Bill@Boston.example\n": "bill@boston.example",
		"JOSE\u0301":             "josé",
		"abc":                    "abc",
		strings.Repeat("x", 190): strings.Repeat("x", 190),
	} {
		got, err := ParseLogin(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := ParseLogin(got)
		require.NoError(t, err)
		require.Equal(t, got, again, "it is the one form")
	}
	for _, in := range []string{"", "ab", "  ab ", strings.Repeat("x", 191), "two words", "tab\there", "nul\x00l", "zero\u200bwidth", "\xff\xfe\xfd"} {
		_, err := ParseLogin(in)
		require.Error(t, err, in)
	}
}

func TestRefreshToken(t *testing.T) {
	t.Parallel()
	token, hash := NewRefreshToken()
	require.Len(t, token, 43)
	require.Equal(t, hash, HashRefreshToken(token))
	other, _ := NewRefreshToken()
	require.NotEqual(t, token, other)
}

// TestSignUpsDoNotSlowDownLogins: however many sign-ups wait, a login finds a slot.
func TestSignUpsDoNotSlowDownLogins(t *testing.T) {
	t.Parallel()
	p := newTestPasswords(t)
	for range cap(p.signUps) {
		p.signUps <- struct{}{} // sign-ups that never end
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := p.HashForSignUp(ctx, "six stars to go")
		waiting <- err
	}()
	hash, err := p.Hash(t.Context(), "six stars to go")
	require.NoError(t, err)
	outcome, err := p.Check(t.Context(), "six stars to go", hash)
	require.NoError(t, err)
	require.True(t, outcome.Match)
	cancel()
	require.ErrorIs(t, <-waiting, context.Canceled)
}
