package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// Account is a person's own account, or one that a start list created for a runner.
type Account struct {
	UserID       string
	LoginID      string // as auth.ParseLogin returns it; empty: nobody can log in
	PasswordHash string // empty if nobody can log in
	Type         auth.UserType
	Name         string
	Phone        string    // empty: not stated
	BirthDate    race.Date // zero: not stated
	Sex          race.Sex  // empty: not stated
	TotalPoint   int64     // the sum of the ledger lines
	CreatedAt    time.Time
	Email        string // confirmed; empty: none
	EmailPending string // waits for its owner to confirm it; empty: none
	EmailProblem string // EmailBounced and so on; empty: none
	// EmailProblemAt is since when; zero: there is none, or it is from before this was kept.
	EmailProblemAt time.Time
	Language       string // of mails: a key of mail.Languages; empty: English
	HideName       *bool  // see race.Discretion
	HideAge        *bool
	Suspension     Suspension
}

// OwnsLogin reports whether an invitation to the login is for this account. A login
// that is an e-mail address is its owner's only once they have confirmed that address:
// anybody can sign up with somebody else's.
func (a Account) OwnsLogin() bool {
	return !strings.Contains(a.LoginID, "@") || strings.EqualFold(a.Email, a.LoginID)
}

// Suspension says since when an operator has kept somebody out of their account, who
// did and why. The zero value is none.
type Suspension struct {
	At     time.Time
	By     string
	Reason string
}

// CreateAccount adds a without points, sends a mail to confirm EmailPending, and
// returns it. When the ID already exists,
// as after a repeated sign-up, it returns the existing account. It returns a
// *race.ConflictError when another account has the login.
func (s *Accounts) CreateAccount(ctx context.Context, a Account) (Account, error) {
	a.CreatedAt, a.TotalPoint = s.now().UTC().Truncate(time.Microsecond), 0
	a.Language = cmp.Or(a.Language, defaultLanguage)
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		err := queries.InsertUser(ctx, gen.InsertUserParams{
			UserID: a.UserID, LoginID: optional(a.LoginID), PasswordHash: optional(a.PasswordHash), UserType: string(a.Type),
			Name: a.Name, Phone: a.Phone, BirthDate: optionalDate(a.BirthDate), Sex: string(a.Sex),
			EmailPending: optional(a.EmailPending), EmailPendingAt: sql.NullTime{Time: a.CreatedAt, Valid: a.EmailPending != ""}, Language: a.Language, CreatedAt: a.CreatedAt, UpdatedAt: a.CreatedAt,
		})
		if err != nil {
			return err
		}
		created := accountChange("account.created", a.UserID, "")
		created.After = map[string]string{"user_type": string(a.Type)}
		if err := writeChange(ctx, queries, a.CreatedAt, created); err != nil || a.EmailPending == "" {
			return err
		}
		return s.sendLink(ctx, queries, a, ConfirmEmail, a.EmailPending, a.EmailPending)
	})
	if !mysql.IsDuplicate(err) {
		if err != nil {
			return Account{}, fmt.Errorf("create account %s: %w", a.UserID, err)
		}
		return a, nil
	}
	row, err := s.queries.User(ctx, a.UserID)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, &race.ConflictError{Field: "login_id", Message: "the login is taken"}
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account %s: %w", a.UserID, err)
	}
	return accountOf(row), nil
}

// Account returns the account with an ID, race.ErrNotFound when there is none
// or its owner has left.
func (s *Store) Account(ctx context.Context, userID string) (Account, error) {
	row, err := s.queries.User(ctx, userID)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && row.ErasedAt.Valid) {
		return Account{}, race.ErrNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account %s: %w", userID, err)
	}
	return accountOf(row), nil
}

// AccountByLogin returns the account that login logs in to, race.ErrNotFound
// when there is none.
func (s *Store) AccountByLogin(ctx context.Context, login string) (Account, error) {
	row, err := s.queries.UserByLogin(ctx, optional(login))
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, race.ErrNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("read an account by its login: %w", err)
	}
	return accountOf(row), nil
}

// Change holds what to change about an account; nil leaves a value unchanged.
type Change struct {
	Name      *string
	Phone     *string
	BirthDate *race.Date
	Sex       *race.Sex
	Language  *string
	HideName  *bool
	HideAge   *bool
	Password  *PasswordChange
	// Email and LoginID take effect once the owner of the new address, or of the
	// address of the account, follows the link that is mailed there.
	Email   *string
	LoginID *string
	// CheckedHash is the hash that the current password was checked against; empty: it
	// was not checked.
	CheckedHash string
}

// PasswordChange replaces a password, ends all sessions but one and drops the links
// that were mailed before.
type PasswordChange struct {
	NewHash     string
	KeptSession string // empty: none
	RevokeKeys  bool   // all API keys of the account
}

// noSession is no session's ID.
const noSession = ""

// UpdateAccount applies the change and returns the updated account. It returns
// race.ErrNotFound as Account does, and a *race.ConflictError when the password
// is no longer the one that was checked; then nothing is changed.
func (s *Accounts) UpdateAccount(ctx context.Context, userID string, change Change) (Account, error) {
	var account Account
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, now := s.queries.WithTx(tx), s.now()
		row, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		account = accountOf(row)
		if change.CheckedHash != "" && change.CheckedHash != account.PasswordHash {
			return &race.ConflictError{Field: "password", Message: "the password has been changed in the meantime"}
		}
		before := account
		account.apply(change)
		if err := s.logUpdate(ctx, queries, now, before, account, change); err != nil {
			return err
		}
		err = queries.UpdateUser(ctx, gen.UpdateUserParams{
			PasswordHash: optional(account.PasswordHash), Name: account.Name, Phone: account.Phone,
			BirthDate: optionalDate(account.BirthDate), Sex: string(account.Sex), Language: account.Language,
			HideName: optionalBool(account.HideName), HideAge: optionalBool(account.HideAge), UpdatedAt: now, UserID: userID,
		})
		if err != nil {
			return err
		}
		if change.Password != nil {
			if err := s.dropLinks(ctx, queries, &account); err != nil {
				return err
			}
		}
		if err := s.askToConfirm(ctx, queries, &account, change); err != nil {
			return err
		}
		if change.Password == nil {
			return nil
		}
		if err := s.notify(ctx, queries, account, PasswordChanged, account.Email, uuid.NewString(), ""); err != nil {
			return err
		}
		return s.endOthers(ctx, queries, userID, change.Password.KeptSession)
	})
	if err != nil {
		return Account{}, fmt.Errorf("update account %s: %w", userID, err)
	}
	s.changed(userID)
	return account, nil
}

// logUpdate logs which fields of an account somebody changed, never their values, and a
// new password.
func (s *Accounts) logUpdate(ctx context.Context, queries *gen.Queries, now time.Time, before, after Account, change Change) error {
	var fields []string
	for _, f := range []struct {
		name    string
		changed bool
	}{
		{"name", before.Name != after.Name},
		{"phone", before.Phone != after.Phone},
		{"birth_date", before.BirthDate != after.BirthDate},
		{"sex", before.Sex != after.Sex},
		{"language", before.Language != after.Language},
		{"hide_name", change.HideName != nil && optionalBool(before.HideName) != optionalBool(after.HideName)},
		{"hide_age", change.HideAge != nil && optionalBool(before.HideAge) != optionalBool(after.HideAge)},
		{"email_pending", change.Email != nil},
		{"login_id_pending", change.LoginID != nil},
	} {
		if f.changed {
			fields = append(fields, f.name)
		}
	}
	if len(fields) > 0 {
		changed := accountChange("account.changed", after.UserID, "")
		changed.After = map[string][]string{"fields": fields}
		if err := writeChange(ctx, queries, now, changed); err != nil {
			return err
		}
	}
	if change.Password == nil {
		return nil
	}
	if err := writeChange(ctx, queries, now, accountChange("account.password_changed", after.UserID, "")); err != nil {
		return err
	}
	if !change.Password.RevokeKeys {
		return nil
	}
	return writeChange(ctx, queries, now, accountChange(race.KeysRevoked, after.UserID, ""))
}

// UpgradeHash replaces a password's hash by one of newer parameters, unless the
// password was changed in the meantime. Sessions stay valid.
func (s *Accounts) UpgradeHash(ctx context.Context, userID, oldHash, newHash string) (upgraded bool, err error) {
	rows, err := s.queries.ReplaceHash(ctx, gen.ReplaceHashParams{
		NewHash: optional(newHash), UpdatedAt: s.now(), UserID: userID, OldHash: optional(oldHash),
	})
	if err != nil {
		return false, fmt.Errorf("upgrade the hash of account %s: %w", userID, err)
	}
	return rows == 1, nil
}

// EraseAccount removes the login, the personal data and the sessions of somebody
// who leaves. The ID, the total and the ledger stay. It returns race.ErrNotFound as
// Account does.
func (s *Accounts) EraseAccount(ctx context.Context, userID string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, now := s.queries.WithTx(tx), s.now()
		if _, err := lockUser(ctx, queries, userID); err != nil {
			return err
		}
		err := queries.EraseUser(ctx, gen.EraseUserParams{ErasedAt: moment(now), UpdatedAt: now, UserID: userID})
		if err != nil {
			return err
		}
		if err := queries.EraseCreditParts(ctx, optional(userID)); err != nil { // they hold sex and age
			return err
		}
		if err := queries.ErasePointParts(ctx, userID); err != nil {
			return err
		}
		for _, erase := range []func(context.Context, string) error{
			queries.DeleteTokens, queries.DeleteMails, queries.DeleteLinkTokens, queries.DeleteLinks, queries.DeletePasskeys,
			queries.DeleteNoticeChoices, queries.DeleteUnsubscriber, queries.DeleteNoticed,
		} {
			if err := erase(ctx, userID); err != nil {
				return err
			}
		}
		if err := queries.DeleteCeremonies(ctx, optional(userID)); err != nil {
			return err
		}
		return queries.DeleteSessions(ctx, userID)
	})
	if err != nil {
		return fmt.Errorf("erase account %s: %w", userID, err)
	}
	s.changed(userID)
	return nil
}

// EraseStandIns removes what start lists said of people whose results belonged to an
// account that is erased. Accounts that somebody logs in to are left alone.
func (s *Accounts) EraseStandIns(ctx context.Context, userIDs []string) error {
	if len(userIDs) == 0 {
		return nil
	}
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, now := s.queries.WithTx(tx), s.now()
		if err := queries.EraseStandIns(ctx, moment(now), now, userIDs); err != nil {
			return err
		}
		for _, id := range userIDs {
			if err := queries.EraseCreditParts(ctx, optional(id)); err != nil {
				return err
			}
			if err := queries.ErasePointParts(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("erase people of start lists: %w", err)
	}
	s.changed(userIDs...)
	return nil
}

// Suspend keeps somebody out of their account and ends all of their sessions, until
// Restore. It returns the account as it was before; suspending a suspended account
// changes nothing. It returns race.ErrNotFound as Account does.
func (s *Accounts) Suspend(ctx context.Context, userID, by, reason string) (Account, error) {
	var before Account
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, now := s.queries.WithTx(tx), s.now()
		row, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		if before = accountOf(row); row.SuspendedAt.Valid {
			return nil
		}
		err = queries.SuspendUser(ctx, gen.SuspendUserParams{
			SuspendedAt: moment(now), SuspendedBy: optional(by), SuspendReason: reason, TokensEndedAt: moment(now),
			UpdatedAt: now, UserID: userID,
		})
		if err != nil {
			return err
		}
		if err := s.endOthers(ctx, queries, userID, noSession); err != nil {
			return err
		}
		return writeChange(ctx, queries, now, accountChange("account.suspended", userID, reason))
	})
	if err != nil {
		return Account{}, fmt.Errorf("suspend account %s: %w", userID, err)
	}
	return before, nil
}

// Restore lets somebody log in again whose account was suspended. It returns the
// account as it was before. It returns race.ErrNotFound as Account does.
func (s *Accounts) Restore(ctx context.Context, userID, reason string) (Account, error) {
	var before Account
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, now := s.queries.WithTx(tx), s.now()
		row, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		if before = accountOf(row); !row.SuspendedAt.Valid {
			return nil
		}
		if err := queries.RestoreUser(ctx, now, userID); err != nil {
			return err
		}
		return writeChange(ctx, queries, now, accountChange("account.restored", userID, reason))
	})
	if err != nil {
		return Account{}, fmt.Errorf("restore account %s: %w", userID, err)
	}
	return before, nil
}

// accountChange is an entry of the change log about an account.
func accountChange(action, userID, reason string) race.Change {
	return race.Change{Action: action, Subject: race.Subject{Kind: "account", ID: userID}, AboutID: userID, Reason: reason}
}

// lockUser locks an account's row, which also protects its sessions: whoever
// changes any of them locks it first. It returns race.ErrNotFound as Account does.
func lockUser(ctx context.Context, queries *gen.Queries, userID string) (gen.User, error) {
	row, err := queries.LockUser(ctx, userID)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && row.ErasedAt.Valid) {
		return gen.User{}, race.ErrNotFound
	}
	return row, err
}

func (a *Account) apply(change Change) {
	if change.Name != nil {
		a.Name = *change.Name
	}
	if change.Phone != nil {
		a.Phone = *change.Phone
	}
	if change.BirthDate != nil {
		a.BirthDate = *change.BirthDate
	}
	if change.Sex != nil {
		a.Sex = *change.Sex
	}
	if change.HideName != nil {
		a.HideName = change.HideName
	}
	if change.HideAge != nil {
		a.HideAge = change.HideAge
	}
	if change.Language != nil {
		a.Language = *change.Language
	}
	if change.Password != nil {
		a.PasswordHash = change.Password.NewHash
	}
}

func accountOf(row gen.User) Account {
	a := Account{
		UserID: row.UserID, LoginID: row.LoginID.String, PasswordHash: row.PasswordHash.String,
		Type: auth.UserType(row.UserType), Name: row.Name, Phone: row.Phone, Sex: race.Sex(row.Sex),
		TotalPoint: row.TotalPoint, CreatedAt: row.CreatedAt,
		Email: row.Email.String, EmailPending: row.EmailPending.String, EmailProblem: row.EmailProblem, EmailProblemAt: row.EmailProblemAt.Time,
		Language: row.Language,
		HideName: wish(row.HideName), HideAge: wish(row.HideAge),
		Suspension: Suspension{At: row.SuspendedAt.Time, By: row.SuspendedBy.String, Reason: row.SuspendReason},
	}
	if row.BirthDate.Valid {
		a.BirthDate = race.DateOf(row.BirthDate.Time)
	}
	return a
}

func optionalDate(d race.Date) sql.NullTime {
	return sql.NullTime{Time: d.Midnight(), Valid: !d.IsZero()}
}

func optionalBool(b *bool) sql.NullBool {
	if b == nil {
		return sql.NullBool{}
	}
	return sql.NullBool{Bool: *b, Valid: true}
}

func moment(t time.Time) sql.NullTime { return sql.NullTime{Time: t, Valid: true} }
