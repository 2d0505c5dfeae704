package userdb_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const sessionTTL = 24 * time.Hour

// held is what a client holds of its session.
type held struct {
	id    string
	token auth.RefreshTokenHash
}

func (b *accountsBundle) session(t testing.TB, a userdb.Account) held {
	t.Helper()
	h := held{id: uuid.NewString()}
	_, h.token = auth.NewRefreshToken()
	require.NoError(t, b.store.StartSession(t.Context(), userdb.Session{ID: h.id, Account: a, CreatedAt: b.now, ExpiresAt: b.now.Add(sessionTTL)}, h.token))
	return h
}

func (b *accountsBundle) expiry(userdb.Session) time.Time { return b.now.Add(sessionTTL) }

// rotate refreshes, and on success h holds the next token.
func (b *accountsBundle) rotate(t *testing.T, h *held) error {
	t.Helper()
	_, next := auth.NewRefreshToken()
	session, err := b.store.RotateToken(t.Context(), h.token, next, b.expiry)
	if err == nil {
		require.Equal(t, h.id, session.ID)
		h.token = next
	}
	return err
}

func TestRotateToken(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta")
	h, other := b.session(t, a), b.session(t, a)
	first := h
	for range 3 {
		b.pass(20 * time.Hour) // each rotation starts the lifetime again
		require.NoError(t, b.rotate(t, &h))
		require.NoError(t, b.rotate(t, &other))
	}
	b.pass(-60 * time.Hour)

	var reuse *userdb.ReuseError
	require.ErrorAs(t, b.rotate(t, &first), &reuse)
	require.Equal(t, userdb.ReuseError{UserID: a.UserID, Session: h.id}, *reuse)
	require.ErrorIs(t, b.rotate(t, &h), userdb.ErrNoSession, "the whole session is over")
	require.ErrorIs(t, b.rotate(t, &first), userdb.ErrNoSession)
	require.NoError(t, b.rotate(t, &other), "the other one is not")

	_, unknown := auth.NewRefreshToken()
	require.ErrorIs(t, b.rotate(t, &held{token: unknown}), userdb.ErrNoSession)
}

func TestRefreshTokensExpire(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta")
	old := b.session(t, a)
	b.pass(sessionTTL)
	young := b.session(t, a)
	require.ErrorIs(t, b.rotate(t, &old), userdb.ErrNoSession)

	b.pass(time.Second)
	purged, err := b.store.PurgeExpired(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, purged)
	require.ErrorIs(t, b.rotate(t, &old), userdb.ErrNoSession)
	require.NoError(t, b.rotate(t, &young))
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta")
	h, other := b.session(t, a), b.session(t, a)
	first := h
	require.NoError(t, b.rotate(t, &h))

	require.NoError(t, b.store.EndSession(t.Context(), first.token), "an old token of the session will do")
	require.ErrorIs(t, b.rotate(t, &h), userdb.ErrNoSession)
	require.NoError(t, b.rotate(t, &other))
	require.NoError(t, b.store.EndSession(t.Context(), h.token), "again")
	_, unknown := auth.NewRefreshToken()
	require.NoError(t, b.store.EndSession(t.Context(), unknown))
}

// Of many that refresh with one token at once, one wins; to the others it is
// reuse, which ends the session of the winner too.
func TestOneTokenAtOnce(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	h := b.session(t, b.account(t, "uta"))
	const racers = 12
	next := make([]auth.RefreshTokenHash, racers)
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			_, next[i] = auth.NewRefreshToken()
			_, errs[i] = b.store.RotateToken(context.WithoutCancel(t.Context()), h.token, next[i], b.expiry)
		})
	}
	wg.Wait()

	won, reused := 0, 0
	for i, err := range errs {
		var reuse *userdb.ReuseError
		switch {
		case err == nil:
			won++
			require.ErrorIs(t, b.rotate(t, &held{id: h.id, token: next[i]}), userdb.ErrNoSession)
		case errors.As(err, &reuse):
			reused++
		default:
			require.ErrorIs(t, err, userdb.ErrNoSession)
		}
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, reused, "after it the session is over and the rest find none")
}

// The token that a rotation adds while an old one is used again does not
// escape the revocation.
func TestReuseDuringRotation(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta")
	for range 20 {
		h := b.session(t, a)
		stolen := h
		require.NoError(t, b.rotate(t, &h))

		_, next := auth.NewRefreshToken()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, other := auth.NewRefreshToken()
			_, _ = b.store.RotateToken(context.WithoutCancel(t.Context()), stolen.token, other, b.expiry)
		})
		wg.Go(func() {
			_, _ = b.store.RotateToken(context.WithoutCancel(t.Context()), h.token, next, b.expiry)
		})
		wg.Wait()

		var live int
		require.NoError(t, b.db.QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM refresh_token WHERE family_id = ? AND revoked_at IS NULL", h.id).Scan(&live))
		require.Zero(t, live)
	}
}

// BenchmarkStanding is what each authenticated call that writes pays to know that its
// token has not ended.
func BenchmarkStanding(b *testing.B) {
	store := setupAccounts(b)
	a := store.account(b, "uta")
	h := store.session(b, a)
	for b.Loop() {
		if _, err := store.store.Standing(b.Context(), a.UserID, h.id); err != nil {
			b.Fatal(err)
		}
	}
}
