package userdb

import (
	"cmp"
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// ErrNoSession says that a refresh token or a cookie is unknown, has expired or was
// revoked.
var ErrNoSession = errors.New("the refresh token or cookie is not valid")

// ReuseError says that a refresh token was used a second time, so that either
// its holder or a thief has an old copy; the session has been ended.
type ReuseError struct {
	UserID  string
	Session string
}

func (e *ReuseError) Error() string {
	return "refresh token of user " + e.UserID + " used twice: session " + e.Session + " ended"
}

// ErrSuspended says that an operator has suspended the account.
var ErrSuspended = errors.New("the account is suspended")

// Session is one login on one device. It is proven by refresh tokens, a family of which
// one is valid at a time, or by the secret of one cookie.
type Session struct {
	ID         string
	Account    Account
	Kind       SessionKind // empty: TokenSession
	Device     string      // a coarse description, at most 64 characters; empty: unknown
	CreatedAt  time.Time
	LastUsedAt time.Time // when it last got an access token, or about when a page
	ExpiresAt  time.Time // when it ends unless it is refreshed before
	ByPasskey  bool      // whether it has shown a passkey of the account
}

// SessionKind says how a session proves itself.
type SessionKind string

// The kinds of sessions.
const (
	TokenSession   SessionKind = "token"   // by refresh tokens
	BrowserSession SessionKind = "browser" // by a cookie
)

// StartSession opens session with its first refresh token or, if its kind is
// BrowserSession, with the secret of its cookie, until it expires. It returns
// race.ErrNotFound when the account has gone or changed its password since it
// was read, and ErrSuspended.
func (s *Accounts) StartSession(ctx context.Context, session Session, token auth.RefreshTokenHash) error {
	userID := session.Account.UserID
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		row, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		if row.PasswordHash.String != session.Account.PasswordHash {
			return race.ErrNotFound
		}
		if row.SuspendedAt.Valid {
			return ErrSuspended
		}
		return s.openSession(ctx, queries, accountOf(row), session, token)
	})
	if err != nil {
		return fmt.Errorf("start a session of user %s: %w", userID, err)
	}
	return nil
}

// openSession adds a session with its first refresh token, and a notice of a new
// device. The account must be locked.
func (s *Accounts) openSession(ctx context.Context, queries *gen.Queries, account Account, session Session, token auth.RefreshTokenHash) error {
	if err := s.noticeDevice(ctx, queries, account, session); err != nil {
		return err
	}
	if session.Kind == BrowserSession {
		return s.insertSession(ctx, queries, session, token[:])
	}
	if err := s.insertSession(ctx, queries, session, nil); err != nil {
		return err
	}
	return queries.InsertToken(ctx, gen.InsertTokenParams{
		TokenHash: token[:], FamilyID: session.ID, UserID: account.UserID, IssuedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt,
	})
}

// RotateToken replaces a refresh token by next and returns the session. Of two
// calls with one token, even concurrent ones, one succeeds and the other gets a
// *ReuseError. expiry returns when the session ends unless it is refreshed again; by
// that it may have ended already. It returns ErrNoSession when the token is not valid.
func (s *Accounts) RotateToken(ctx context.Context, token, next auth.RefreshTokenHash, expiry func(Session) time.Time) (Session, error) {
	var session Session
	var reuse error
	err := s.withToken(ctx, token, func(queries *gen.Queries, user gen.User, row gen.RefreshToken) error {
		now := s.now()
		session, reuse = Session{ID: row.FamilyID, Account: accountOf(user)}, nil
		if row.RevokedAt.Valid || !row.ExpiresAt.After(now) || user.SuspendedAt.Valid {
			return ErrNoSession
		}
		if row.UsedAt.Valid {
			reuse = &ReuseError{UserID: row.UserID, Session: row.FamilyID}
			return s.endSession(ctx, queries, row.UserID, row.FamilyID) // no error, so that this is committed
		}
		if err := s.touchSession(ctx, queries, &session, expiry); err != nil {
			return err
		}
		if err := queries.UseToken(ctx, moment(now), token[:]); err != nil {
			return err
		}
		return queries.InsertToken(ctx, gen.InsertTokenParams{
			TokenHash: next[:], FamilyID: row.FamilyID, UserID: row.UserID, IssuedAt: now, ExpiresAt: session.ExpiresAt,
		})
	})
	if err == nil {
		err = reuse
	}
	if err != nil {
		return Session{}, fmt.Errorf("rotate a refresh token: %w", err)
	}
	return session, nil
}

// noticeDevice sends a mail when an account is logged in to from a kind of device
// that none of its sessions came from.
func (s *Accounts) noticeDevice(ctx context.Context, queries *gen.Queries, account Account, session Session) error {
	if account.Email == "" {
		return nil
	}
	known, err := queries.DeviceKnown(ctx, account.UserID, session.Device)
	if err != nil || known {
		return err
	}
	return s.notify(ctx, queries, account, NewDevice, account.Email, session.ID, session.Device)
}

// insertSession adds the row of a session, unless it is there. secret is the hash of
// its cookie's secret; nil: it has none.
func (s *Accounts) insertSession(ctx context.Context, queries *gen.Queries, session Session, secret []byte) error {
	return queries.InsertSession(ctx, gen.InsertSessionParams{
		SessionID: session.ID, UserID: session.Account.UserID, Kind: string(cmp.Or(session.Kind, TokenSession)), SecretHash: secret, Device: session.Device,
		CreatedAt: session.CreatedAt, LastUsedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt, ByPasskey: session.ByPasskey,
	})
}

// touchSession notes that a session was used. It first adds the row of one that a
// program from before there were such rows has started. It fills in what it reads, and
// returns ErrNoSession when the session has ended.
func (s *Accounts) touchSession(ctx context.Context, queries *gen.Queries, session *Session, expiry func(Session) time.Time) error {
	now := s.now()
	row, err := queries.Session(ctx, session.ID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		session.CreatedAt = now
		session.ExpiresAt = expiry(*session)
		return s.insertSession(ctx, queries, *session, nil)
	case err != nil:
		return err
	case row.EndedAt.Valid:
		return ErrNoSession
	}
	session.CreatedAt, session.ByPasskey = row.CreatedAt, row.ByPasskey
	if session.ExpiresAt = expiry(*session); !session.ExpiresAt.After(now) {
		return ErrNoSession
	}
	return queries.TouchSession(ctx, now, session.ExpiresAt, session.ID)
}

// useNoted is how old LastUsedAt of a browser's session may become while it is used, so
// that most pages write nothing.
const useNoted = 5 * time.Minute

// BrowserSession returns the session with an ID for whoever has its secret, with the
// ID and the type of its account. It returns ErrNoSession when it has ended or expired,
// and when its account is suspended or was deleted.
func (s *Accounts) BrowserSession(ctx context.Context, sessionID string, secret auth.RefreshTokenHash) (Session, error) {
	row, err := s.queries.BrowserSession(ctx, sessionID)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, ErrNoSession
	}
	if err != nil {
		return Session{}, fmt.Errorf("read session %s: %w", sessionID, err)
	}
	found, now := row.Session, s.now()
	if subtle.ConstantTimeCompare(found.SecretHash, secret[:]) != 1 || found.EndedAt.Valid || !found.ExpiresAt.After(now) ||
		row.SuspendedAt.Valid || row.ErasedAt.Valid {
		return Session{}, ErrNoSession
	}
	if now.Sub(found.LastUsedAt) > useNoted {
		if err := s.queries.NoteSessionUse(ctx, now, sessionID); err != nil {
			return Session{}, fmt.Errorf("note the use of session %s: %w", sessionID, err)
		}
	}
	return Session{
		ID: found.SessionID, Account: Account{UserID: found.UserID, Type: auth.UserType(row.UserType)}, Kind: BrowserSession, Device: found.Device,
		CreatedAt: found.CreatedAt, LastUsedAt: found.LastUsedAt, ByPasskey: found.ByPasskey,
	}, nil
}

// Sessions returns up to limit sessions of an account that have not ended, the
// newest first, behind the one with the ID before; an empty before means the newest.
func (s *Store) Sessions(ctx context.Context, userID, before string, limit int) ([]Session, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.LiveSessions(ctx, gen.LiveSessionsParams{UserID: userID, Now: s.now(), BeforeID: before, Limit: int32(limit)}) //nolint:gosec // a page has at most 1,000
	if err != nil {
		return nil, fmt.Errorf("list sessions of user %s: %w", userID, err)
	}
	list := make([]Session, len(rows))
	for i, row := range rows {
		list[i] = Session{
			ID: row.SessionID, Account: Account{UserID: row.UserID}, Kind: SessionKind(row.Kind), Device: row.Device,
			CreatedAt: row.CreatedAt, LastUsedAt: row.LastUsedAt, ExpiresAt: row.ExpiresAt,
		}
	}
	return list, nil
}

// SessionStarted returns when a session of an account began, the zero value when the
// account has no such session that has not ended.
func (s *Store) SessionStarted(ctx context.Context, userID, sessionID string) (time.Time, error) {
	row, err := s.queries.Session(ctx, sessionID)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && (row.UserID != userID || row.EndedAt.Valid)) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read session %s: %w", sessionID, err)
	}
	return row.CreatedAt, nil
}

// stands returns ErrNoSession when a session of an account, which must be locked, has
// ended, and ErrSuspended. A session without a row is from before there were such rows.
func stands(ctx context.Context, queries *gen.Queries, user gen.User, sessionID string) error {
	if user.SuspendedAt.Valid {
		return ErrSuspended
	}
	row, err := queries.Session(ctx, sessionID)
	switch {
	case err == nil && row.EndedAt.Valid:
		return ErrNoSession
	case errors.Is(err, sql.ErrNoRows):
		return nil
	}
	return err
}

// EndSessionOf ends a session of an account. It returns race.ErrNotFound when the
// account has no such session that has not ended.
func (s *Accounts) EndSessionOf(ctx context.Context, userID, sessionID string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		if _, err := lockUser(ctx, queries, userID); err != nil {
			return err
		}
		row, err := queries.Session(ctx, sessionID)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && (row.UserID != userID || row.EndedAt.Valid)) {
			return race.ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := writeChange(ctx, queries, s.now(), accountChange("account.session_ended", userID, "")); err != nil {
			return err
		}
		return s.endSession(ctx, queries, userID, sessionID)
	})
	if err != nil {
		return fmt.Errorf("end session %s: %w", sessionID, err)
	}
	return nil
}

// EndOtherSessions ends all sessions of an account but one.
func (s *Accounts) EndOtherSessions(ctx context.Context, userID, kept string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		if _, err := lockUser(ctx, queries, userID); err != nil {
			return err
		}
		if err := writeChange(ctx, queries, s.now(), accountChange("account.sessions_ended", userID, "")); err != nil {
			return err
		}
		return s.endOthers(ctx, queries, userID, kept)
	})
	if err != nil {
		return fmt.Errorf("end the other sessions of user %s: %w", userID, err)
	}
	return nil
}

// endOthers ends all sessions of an account but one, of which the ID may be
// noSession. The account must be locked.
func (s *Accounts) endOthers(ctx context.Context, queries *gen.Queries, userID, kept string) error {
	ended := moment(s.now())
	if _, err := queries.EndOtherSessions(ctx, ended, userID, kept); err != nil {
		return err
	}
	return queries.RevokeOthers(ctx, ended, userID, kept)
}

// Standing says what became of an access token's account and session since the
// token was issued.
type Standing struct {
	Suspended bool
	Erased    bool
	Ended     bool // the session has ended
	// TokensEndedAt is set when every access token issued before it has ended,
	// unless its session is listed, which then decides.
	TokensEndedAt time.Time
}

// Standing returns the standing of an account and of a session, which may be empty.
// That of an account that does not exist is the zero value.
func (s *Store) Standing(ctx context.Context, userID, sessionID string) (Standing, error) {
	row, err := s.queries.TokenStanding(ctx, sessionID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return Standing{}, nil
	}
	if err != nil {
		return Standing{}, fmt.Errorf("read the standing of account %s: %w", userID, err)
	}
	standing := Standing{Suspended: row.SuspendedAt.Valid, Erased: row.ErasedAt.Valid, Ended: row.EndedAt.Valid}
	if !row.SessionID.Valid {
		standing.TokensEndedAt = row.TokensEndedAt.Time
	}
	return standing, nil
}

// EndSession ends the session that a refresh token belongs to. A
// token that is not valid has no session left to end, which is not an error.
func (s *Accounts) EndSession(ctx context.Context, token auth.RefreshTokenHash) error {
	err := s.withToken(ctx, token, func(queries *gen.Queries, _ gen.User, row gen.RefreshToken) error {
		return s.endSession(ctx, queries, row.UserID, row.FamilyID)
	})
	if err != nil && !errors.Is(err, ErrNoSession) {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// sessionKept is how long the row of a session outlives its refresh tokens, so that
// an access token issued with the last of them is known to have ended.
const sessionKept = 24 * time.Hour

// mailKept is how long a mail that was sent, or could not be, is kept.
const mailKept = 30 * 24 * time.Hour

// PurgeExpired deletes the refresh tokens, sessions, links and passkey ceremonies that
// have expired, and old mails, a thousand at a time, and returns how many it deleted.
func (s *Accounts) PurgeExpired(ctx context.Context) (int64, error) {
	total := int64(0)
	for _, of := range []struct {
		what string
		some func(ctx context.Context, before time.Time) (int64, error)
		kept time.Duration
	}{
		{"refresh tokens", s.queries.PurgeTokens, 0},
		{"sessions", s.queries.PurgeSessions, sessionKept},
		{"tokens of links", s.queries.PurgeLinkTokens, 0},
		{"links", s.queries.PurgeLinks, 0},
		{"passkey ceremonies", s.queries.PurgeCeremonies, 0},
		{"mails", s.queries.PurgeMails, mailKept},
	} {
		deleted, err := purge(ctx, of.some, s.now().Add(-of.kept))
		total += deleted
		if err != nil {
			return total, fmt.Errorf("purge %s: %w", of.what, err)
		}
	}
	return total, nil
}

// purge repeats a statement that deletes some of what is older than before, until
// nothing is left.
func purge(ctx context.Context, some func(ctx context.Context, before time.Time) (int64, error), before time.Time) (int64, error) {
	for total := int64(0); ; {
		deleted, err := some(ctx, before)
		total += deleted
		if err != nil || deleted == 0 {
			return total, err
		}
	}
}

// withToken runs fn in a transaction that holds the lock of the token's
// account. Without that lock, a revocation could miss the token that a rotation
// of the same family is adding at the same moment.
func (s *Accounts) withToken(ctx context.Context, token auth.RefreshTokenHash,
	fn func(queries *gen.Queries, user gen.User, row gen.RefreshToken) error,
) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		row, err := queries.Token(ctx, token[:])
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoSession
		}
		if err != nil {
			return err
		}
		user, err := lockUser(ctx, queries, row.UserID)
		if errors.Is(err, race.ErrNotFound) {
			return ErrNoSession
		}
		if err != nil {
			return err
		}
		if row, err = queries.Token(ctx, token[:]); errors.Is(err, sql.ErrNoRows) {
			return ErrNoSession // purged while this waited
		}
		if err != nil {
			return err
		}
		return fn(queries, user, row)
	})
}

// endSession ends a session of an account, which must be locked, and revokes its
// refresh tokens.
func (s *Accounts) endSession(ctx context.Context, queries *gen.Queries, userID, sessionID string) error {
	ended := moment(s.now())
	if _, err := queries.EndSession(ctx, ended, sessionID, userID); err != nil {
		return err
	}
	return queries.RevokeFamily(ctx, ended, sessionID)
}
