package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// Passkey is a WebAuthn credential by which an account is logged in to.
type Passkey struct {
	ID           string
	UserID       string
	CredentialID []byte
	PublicKey    []byte // COSE
	SignCount    uint32 // as the authenticator last counted; always 0 for one that does not count
	Flags        byte   // of the authenticator data
	AAGUID       string // the kind of authenticator
	Name         string
	CreatedAt    time.Time
	LastUsedAt   time.Time // zero: never
}

const (
	// CeremonyLifetime is how long a registration or a login by passkey may take.
	CeremonyLifetime = 5 * time.Minute
	// maxPasskeys is how many passkeys an account may have.
	maxPasskeys = 20
)

var (
	// ErrNoCeremony says that a ceremony is unknown, has expired, was finished or
	// belongs to another account.
	ErrNoCeremony = errors.New("the ceremony is not valid")
	// ErrPasskeyCount says that a passkey counted no further than before, so that it
	// may have been copied.
	ErrPasskeyCount = errors.New("the passkey's counter did not increase")
	// ErrPasskeyNeeded says that a session must show a passkey that the account has.
	ErrPasskeyNeeded = errors.New("the session must begin with a passkey")
)

// BeginCeremony keeps the state of a registration, or of a login if userID is
// empty, and returns its ID.
func (s *Accounts) BeginCeremony(ctx context.Context, userID string, state []byte) (string, error) {
	id := uuid.NewString()
	err := s.queries.InsertCeremony(ctx, gen.InsertCeremonyParams{
		CeremonyID: id, UserID: optional(userID), State: state, ExpiresAt: s.now().Add(CeremonyLifetime),
	})
	if err != nil {
		return "", fmt.Errorf("begin a passkey ceremony: %w", err)
	}
	return id, nil
}

// TakeCeremony returns the state of a ceremony that was begun for userID, and forgets
// it: whoever takes it first is the only one who can finish it. It returns
// ErrNoCeremony.
func (s *Accounts) TakeCeremony(ctx context.Context, ceremonyID, userID string) ([]byte, error) {
	var state []byte
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		row, err := queries.LockCeremony(ctx, ceremonyID)
		if errors.Is(err, sql.ErrNoRows) || (err == nil && (row.UserID.String != userID || !row.ExpiresAt.After(s.now()))) {
			return ErrNoCeremony
		}
		if err != nil {
			return err
		}
		state = row.State
		return queries.DeleteCeremony(ctx, ceremonyID)
	})
	if err != nil {
		return nil, fmt.Errorf("take a passkey ceremony: %w", err)
	}
	return state, nil
}

// Passkeys returns the passkeys of an account, the newest first.
func (s *Store) Passkeys(ctx context.Context, userID string) ([]Passkey, error) {
	rows, err := s.queries.Passkeys(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list passkeys of user %s: %w", userID, err)
	}
	list := make([]Passkey, len(rows))
	for i, row := range rows {
		list[i] = Passkey{
			ID: row.PasskeyID, UserID: row.UserID, CredentialID: row.CredentialID, PublicKey: row.PublicKey,
			SignCount: uint32(row.SignCount), Flags: byte(row.Flags), AAGUID: row.Aaguid, Name: row.Name, //nolint:gosec // both were written from these types
			CreatedAt: row.CreatedAt, LastUsedAt: row.LastUsedAt.Time,
		}
	}
	return list, nil
}

// AddPasskey gives an account a passkey, which the session has thereby shown. first
// refuses it with ErrPasskeyNeeded when the account has one already: a session that
// has shown none may not add another. It returns race.ErrNotFound as Account does,
// ErrSuspended, ErrNoSession when the session has ended, and a *race.ConflictError when the passkey is registered already or there are too many.
func (s *Accounts) AddPasskey(ctx context.Context, p Passkey, sessionID string, first bool) (Passkey, error) {
	p.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		user, err := lockUser(ctx, queries, p.UserID)
		if err != nil {
			return err
		}
		if err := stands(ctx, queries, user, sessionID); err != nil {
			return err
		}
		has, err := queries.Passkeys(ctx, p.UserID)
		switch {
		case err != nil:
			return err
		case first && len(has) > 0:
			return ErrPasskeyNeeded
		case len(has) >= maxPasskeys:
			return &race.ConflictError{Message: fmt.Sprintf("an account has at most %d passkeys: remove one first", maxPasskeys)}
		}
		err = queries.InsertPasskey(ctx, gen.InsertPasskeyParams{
			PasskeyID: p.ID, UserID: p.UserID, CredentialID: p.CredentialID, PublicKey: p.PublicKey, SignCount: int64(p.SignCount),
			Flags: int32(p.Flags), Aaguid: p.AAGUID, Name: p.Name, CreatedAt: p.CreatedAt,
		})
		if mysql.IsDuplicate(err) {
			return &race.ConflictError{Message: "the passkey has been registered already"}
		}
		if err != nil {
			return err
		}
		if err := queries.SessionShowedPasskey(ctx, sessionID); err != nil {
			return err
		}
		return s.noticePasskey(ctx, queries, accountOf(user), PasskeyAdded, "account.passkey_added", p.ID)
	})
	if err != nil {
		return Passkey{}, fmt.Errorf("add a passkey of user %s: %w", p.UserID, err)
	}
	return p, nil
}

// noticePasskey mails what happened to a passkey and writes it to the change log.
func (s *Accounts) noticePasskey(ctx context.Context, queries *gen.Queries, account Account, kind MailKind, action, causeID string) error {
	if err := s.notify(ctx, queries, account, kind, account.Email, causeID, ""); err != nil {
		return err
	}
	return writeChange(ctx, queries, s.now(), accountChange(action, account.UserID, ""))
}

// RemovePasskey removes a passkey of an account and ends all sessions but the one with
// the ID kept: one of them may have begun with that passkey. keepOne refuses to remove
// the last one with a *race.ConflictError. It returns race.ErrNotFound when the account
// has no such passkey.
func (s *Accounts) RemovePasskey(ctx context.Context, userID, passkeyID, kept string, keepOne bool) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		user, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		has, err := queries.Passkeys(ctx, userID)
		if err != nil {
			return err
		}
		if !hasPasskey(has, passkeyID) {
			return race.ErrNotFound
		}
		if keepOne && len(has) == 1 {
			return &race.ConflictError{Message: "accounts like yours need a passkey: add another one before you remove the last"}
		}
		if err := queries.DeletePasskey(ctx, passkeyID); err != nil {
			return err
		}
		if err := s.endOthers(ctx, queries, userID, kept); err != nil {
			return err
		}
		return s.noticePasskey(ctx, queries, accountOf(user), PasskeyRemoved, "account.passkey_removed", passkeyID)
	})
	if err != nil {
		return fmt.Errorf("remove passkey %s: %w", passkeyID, err)
	}
	return nil
}

// RemovePasskeys removes all passkeys of an account, whose owner has lost them or has
// others' there, ends its sessions, and returns how many it removed; with none it changes
// nothing. It returns race.ErrNotFound as Account does.
func (s *Accounts) RemovePasskeys(ctx context.Context, userID, reason string) (removed int, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		user, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		has, err := queries.Passkeys(ctx, userID)
		if removed = len(has); err != nil || removed == 0 {
			return err
		}
		if err := queries.DeletePasskeys(ctx, userID); err != nil {
			return err
		}
		if err := s.endOthers(ctx, queries, userID, noSession); err != nil {
			return err
		}
		account := accountOf(user)
		if err := s.notify(ctx, queries, account, PasskeysRemoved, account.Email, has[0].PasskeyID, ""); err != nil {
			return err
		}
		return writeChange(ctx, queries, s.now(), accountChange("account.passkeys_removed", userID, reason))
	})
	if err != nil {
		return 0, fmt.Errorf("remove the passkeys of user %s: %w", userID, err)
	}
	return removed, nil
}

func hasPasskey(list []gen.Passkey, id string) bool {
	for _, p := range list {
		if p.PasskeyID == id {
			return true
		}
	}
	return false
}

// StartPasskeySession opens session with its first refresh token, for a login in which
// the passkey with the credential of used proved itself with its count and flags. It
// returns race.ErrNotFound when the account or the passkey has gone, ErrSuspended, and
// ErrPasskeyCount, of which the owner gets a mail.
func (s *Accounts) StartPasskeySession(ctx context.Context, session Session, used Passkey, token auth.RefreshTokenHash) error {
	userID := session.Account.UserID
	var refused error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		refused = nil
		row, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		if row.SuspendedAt.Valid {
			return ErrSuspended
		}
		has, err := queries.Passkeys(ctx, userID)
		if err != nil {
			return err
		}
		var known *gen.Passkey
		for i := range has {
			if has[i].PasskeyID == used.ID {
				known = &has[i]
			}
		}
		if known == nil {
			return race.ErrNotFound
		}
		if count := int64(used.SignCount); count <= known.SignCount && (count != 0 || known.SignCount != 0) {
			refused = ErrPasskeyCount // no error, so that the notice is committed
			return s.noticePasskey(ctx, queries, accountOf(row), PasskeyRefused, "account.passkey_refused", session.ID)
		}
		err = queries.UsePasskey(ctx, gen.UsePasskeyParams{
			SignCount: int64(used.SignCount), Flags: int32(used.Flags), LastUsedAt: moment(s.now()), PasskeyID: used.ID,
		})
		if err != nil {
			return err
		}
		return s.openSession(ctx, queries, accountOf(row), session, token)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("start a session of user %s by passkey: %w", userID, err)
	}
	return nil
}
