package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// ErrNoSession says that a refresh token is unknown, has expired or was revoked.
var ErrNoSession = errors.New("the refresh token is not valid")

// ReuseError says that a refresh token was used a second time, so that either
// its holder or a thief has an old copy; the session has been ended.
type ReuseError struct {
	UserID  string
	Session string
}

func (e *ReuseError) Error() string {
	return "refresh token of user " + e.UserID + " used twice: session " + e.Session + " ended"
}

// Session is one login on one device: a family of refresh tokens of which one
// is valid at a time.
type Session struct {
	ID      string
	Account Account
}

// StartSession opens session with its first refresh token. It returns
// race.ErrNotFound when the account has gone or changed its password since it
// was read.
func (s *Accounts) StartSession(ctx context.Context, session Session, token auth.RefreshTokenHash, expires time.Time) error {
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
		return queries.InsertToken(ctx, gen.InsertTokenParams{
			TokenHash: token[:], FamilyID: session.ID, UserID: userID, IssuedAt: s.now(), ExpiresAt: expires,
		})
	})
	if err != nil {
		return fmt.Errorf("start a session of user %s: %w", userID, err)
	}
	return nil
}

// RotateToken replaces a refresh token by next and returns the session. Of two
// calls with one token, even concurrent ones, one succeeds and the other gets a
// *ReuseError. It returns ErrNoSession when the token is not valid.
func (s *Accounts) RotateToken(ctx context.Context, token, next auth.RefreshTokenHash, expires time.Time) (Session, error) {
	var session Session
	var reuse error
	err := s.withToken(ctx, token, func(queries *gen.Queries, user gen.User, row gen.RefreshToken) error {
		now := s.now()
		session, reuse = Session{ID: row.FamilyID, Account: accountOf(user)}, nil
		if row.RevokedAt.Valid || !row.ExpiresAt.After(now) {
			return ErrNoSession
		}
		if row.UsedAt.Valid {
			reuse = &ReuseError{UserID: row.UserID, Session: row.FamilyID}
			return s.revoke(ctx, queries, row.FamilyID) // no error, so that this is committed
		}
		if err := queries.UseToken(ctx, moment(now), token[:]); err != nil {
			return err
		}
		return queries.InsertToken(ctx, gen.InsertTokenParams{
			TokenHash: next[:], FamilyID: row.FamilyID, UserID: row.UserID, IssuedAt: now, ExpiresAt: expires,
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

// EndSession revokes all refresh tokens of the session that token belongs to. A
// token that is not valid has no session left to end, which is not an error.
func (s *Accounts) EndSession(ctx context.Context, token auth.RefreshTokenHash) error {
	err := s.withToken(ctx, token, func(queries *gen.Queries, _ gen.User, row gen.RefreshToken) error {
		return s.revoke(ctx, queries, row.FamilyID)
	})
	if err != nil && !errors.Is(err, ErrNoSession) {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// PurgeExpired deletes the refresh tokens that have expired, a thousand at a time,
// and returns how many it deleted.
func (s *Accounts) PurgeExpired(ctx context.Context) (int64, error) {
	before := s.now()
	for total := int64(0); ; {
		deleted, err := s.queries.PurgeTokens(ctx, before)
		total += deleted
		if err != nil {
			return total, fmt.Errorf("purge refresh tokens: %w", err)
		}
		if deleted == 0 {
			return total, nil
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

func (s *Accounts) revoke(ctx context.Context, queries *gen.Queries, session string) error {
	return queries.RevokeFamily(ctx, moment(s.now()), session)
}
