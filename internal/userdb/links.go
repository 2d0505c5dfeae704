package userdb

import (
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

const (
	// linkLifetime is how long a link can be used, by purpose. A link that sets a
	// password is the most dangerous one.
	linkLifetime     = 24 * time.Hour
	recoveryLifetime = time.Hour
	// maxLinks is how many links for one purpose an account is sent within an hour, so
	// that nobody can flood a mailbox. Each purpose counts for itself: anybody can ask
	// for a recovery, which must not keep the owner from changing the address or login.
	maxLinks = 5
)

// ErrLink says that a token is unknown, has expired, was used, or is for something
// else.
var ErrLink = errors.New("the link is not valid")

// askToConfirm sends the links by which a new address and a new login take effect.
func (s *Accounts) askToConfirm(ctx context.Context, queries *gen.Queries, account *Account, change Change) error {
	if change.Email != nil {
		if err := s.askToConfirmEmail(ctx, queries, account, *change.Email); err != nil {
			return err
		}
	}
	if change.LoginID == nil {
		return nil
	}
	if err := queries.DropLinks(ctx, moment(s.now()), account.UserID, string(ChangeLogin)); err != nil {
		return err
	}
	return s.sendLink(ctx, queries, *account, ChangeLogin, *change.LoginID, account.Email)
}

// askToConfirmEmail sends the link by which an address takes effect; an empty one is
// removed at once.
func (s *Accounts) askToConfirmEmail(ctx context.Context, queries *gen.Queries, account *Account, email string) error {
	account.EmailPending = email
	if err := s.setEmailPending(ctx, queries, account.UserID, email); err != nil {
		return err
	}
	if err := queries.DropLinks(ctx, moment(s.now()), account.UserID, string(ConfirmEmail)); err != nil || email == "" {
		return err
	}
	return s.sendLink(ctx, queries, *account, ConfirmEmail, email, email)
}

func (s *Accounts) setEmailPending(ctx context.Context, queries *gen.Queries, userID, email string) error {
	now := s.now()
	return queries.SetEmailPending(ctx, gen.SetEmailPendingParams{EmailPending: optional(email), EmailPendingAt: moment(now), UpdatedAt: now, UserID: userID})
}

// sendLink mails a link for purpose to an address. It returns a *race.ConflictError
// when the account has asked for too many of them.
func (s *Accounts) sendLink(ctx context.Context, queries *gen.Queries, account Account, purpose MailKind, value, address string) error {
	now := s.now()
	sent, err := queries.CountLinks(ctx, account.UserID, string(purpose), now.Add(-time.Hour))
	if err != nil {
		return err
	}
	if sent >= maxLinks {
		return &race.ConflictError{Message: "too many links were mailed within an hour: wait before the next one"}
	}
	lifetime := linkLifetime
	if purpose == Recover {
		lifetime = recoveryLifetime
	}
	linkID := uuid.Must(uuid.NewV7()).String()
	err = queries.InsertLink(ctx, gen.InsertLinkParams{
		LinkID: linkID, UserID: account.UserID, Purpose: string(purpose), Value: value, CreatedAt: now, ExpiresAt: now.Add(lifetime),
	})
	if err != nil {
		return err
	}
	return s.queueMail(ctx, queries, account, gen.InsertMailParams{
		EventKey: string(purpose) + "/" + linkID, Kind: string(purpose), Address: address, LinkID: optional(linkID), ExpiresAt: now.Add(lifetime),
	})
}

// Link is what a token that was mailed allows.
type Link struct {
	Purpose MailKind
	Value   string // the new address or login
	Account Account
}

// Link returns the link of a token, ErrLink when it is not valid.
func (s *Accounts) Link(ctx context.Context, token auth.RefreshTokenHash) (Link, error) {
	row, err := s.queries.LinkByToken(ctx, token[:])
	if errors.Is(err, sql.ErrNoRows) || (err == nil && !s.usable(row)) {
		return Link{}, ErrLink
	}
	if err != nil {
		return Link{}, fmt.Errorf("read a link: %w", err)
	}
	account, err := s.Account(ctx, row.UserID)
	if errors.Is(err, race.ErrNotFound) {
		return Link{}, ErrLink
	}
	return Link{Purpose: MailKind(row.Purpose), Value: row.Value, Account: account}, err
}

func (s *Accounts) usable(row gen.AccountLink) bool {
	return !row.UsedAt.Valid && row.ExpiresAt.After(s.now())
}

// UseLink does what the link of a token allows, once. passwordHash is the new
// password's; only a link that recovers an account has one. Such a link removes the
// passkeys of the account, unless it keeps them. It returns ErrLink when
// the token is not valid, also for a suspended account, and a *race.ConflictError
// when the new login is taken.
func (s *Accounts) UseLink(ctx context.Context, token auth.RefreshTokenHash, passwordHash string, keepPasskeys bool) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		row, err := queries.LinkByToken(ctx, token[:])
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLink
		}
		if err != nil {
			return err
		}
		user, err := lockUser(ctx, queries, row.UserID)
		if errors.Is(err, race.ErrNotFound) || (err == nil && user.SuspendedAt.Valid) {
			return ErrLink
		}
		if err != nil {
			return err
		}
		if !s.usable(row) || (row.Purpose == string(Recover)) != (passwordHash != "") {
			return ErrLink
		}
		used, err := queries.UseLink(ctx, moment(s.now()), row.LinkID)
		if err != nil {
			return err
		}
		if used == 0 { // by another call, since it was read
			return ErrLink
		}
		return s.applyLink(ctx, queries, accountOf(user), row, passwordHash, keepPasskeys)
	})
	if err != nil {
		return fmt.Errorf("use a link: %w", err)
	}
	return nil
}

func (s *Accounts) applyLink(ctx context.Context, queries *gen.Queries, account Account, link gen.AccountLink, passwordHash string, keepPasskeys bool) error {
	now, userID := s.now(), account.UserID
	var action string
	switch MailKind(link.Purpose) {
	case ConfirmEmail:
		if account.EmailPending != link.Value {
			return ErrLink // the owner has asked for another address since
		}
		if err := queries.ConfirmEmail(ctx, gen.ConfirmEmailParams{Email: optional(link.Value), EmailConfirmedAt: moment(now), UpdatedAt: now, UserID: userID}); err != nil {
			return err
		}
		if account.Email != link.Value {
			if err := s.notify(ctx, queries, account, EmailChanged, account.Email, link.LinkID, ""); err != nil {
				return err
			}
		}
		// A link in the old mailbox must not open the account any more.
		if err := queries.DropLinks(ctx, moment(now), userID, string(Recover)); err != nil {
			return err
		}
		action = "account.email_confirmed"
	case ChangeLogin:
		err := queries.SetLogin(ctx, optional(link.Value), now, userID)
		if mysql.IsDuplicate(err) {
			return &race.ConflictError{Message: "the login is taken"}
		}
		if err != nil {
			return err
		}
		if err := s.notify(ctx, queries, account, LoginChanged, account.Email, link.LinkID, ""); err != nil {
			return err
		}
		action = "account.login_changed"
	case Recover:
		if err := s.recover(ctx, queries, account, link.LinkID, passwordHash, keepPasskeys); err != nil {
			return err
		}
		action = "account.recovered"
	default:
		return ErrLink
	}
	return writeChange(ctx, queries, now, accountChange(action, userID, ""))
}

// recover gives an account back to its owner: nothing that somebody else may have left in
// it lets them in again. The notice says when those
// passkeys were added that stay.
func (s *Accounts) recover(ctx context.Context, queries *gen.Queries, account Account, causeID, passwordHash string, keepPasskeys bool) error {
	now, userID := s.now(), account.UserID
	if err := queries.SetPassword(ctx, optional(passwordHash), now, userID); err != nil {
		return err
	}
	if err := s.dropLinks(ctx, queries, &account); err != nil {
		return err
	}
	if err := s.endOthers(ctx, queries, userID, noSession); err != nil {
		return err
	}
	has, err := queries.Passkeys(ctx, userID)
	if err != nil {
		return err
	}
	var added []string // dates alone: whoever names a passkey could write a message into the mail
	for _, p := range has[:min(len(has), 15)] {
		added = append(added, p.CreatedAt.UTC().Format(time.DateOnly))
	}
	notice := RecoveredKeepingPasskeys
	if !keepPasskeys || len(has) == 0 {
		notice, added = Recovered, nil
		if err := queries.DeletePasskeys(ctx, userID); err != nil {
			return err
		}
	}
	if err := s.notify(ctx, queries, account, notice, account.Email, causeID, strings.Join(added, ", ")); err != nil {
		return err
	}
	return writeChange(ctx, queries, now, accountChange(race.KeysRevoked, userID, ""))
}

// dropLinks makes the links of an account unusable that have not been used, and forgets
// the address that waits to be confirmed. Whoever knew the former password may have
// asked for them: a new password must end what they began.
func (s *Accounts) dropLinks(ctx context.Context, queries *gen.Queries, account *Account) error {
	for _, purpose := range []MailKind{Recover, ConfirmEmail, ChangeLogin} {
		if err := queries.DropLinks(ctx, moment(s.now()), account.UserID, string(purpose)); err != nil {
			return err
		}
	}
	account.EmailPending = ""
	return s.setEmailPending(ctx, queries, account.UserID, "")
}

// AskRecovery notes that somebody wants to recover the account of a login or an
// address, whether there is one or not.
func (s *Accounts) AskRecovery(ctx context.Context, login string) error {
	if err := s.queries.InsertRecovery(ctx, uuid.Must(uuid.NewV7()).String(), login, s.now()); err != nil {
		return fmt.Errorf("ask for a recovery: %w", err)
	}
	return nil
}

// AnswerRecoveries mails a link to the owner of each account that somebody wants to
// recover. Of several processes that do so at once, one answers each request.
func (s *Accounts) AnswerRecoveries(ctx context.Context) error {
	requests, err := s.queries.Recoveries(ctx, mailsAtOnce)
	if err != nil {
		return fmt.Errorf("list recoveries: %w", err)
	}
	for _, request := range requests {
		if err := s.answerRecovery(ctx, request); err != nil {
			return fmt.Errorf("answer recovery %s: %w", request.RequestID, err)
		}
	}
	return nil
}

func (s *Accounts) answerRecovery(ctx context.Context, request gen.RecoveryRequest) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		if taken, err := queries.DeleteRecovery(ctx, request.RequestID); err != nil || taken == 0 {
			return err
		}
		accounts, err := queries.Recoverable(ctx, optional(request.Login), optional(request.Login))
		if err != nil {
			return err
		}
		for _, userID := range accounts {
			row, err := lockUser(ctx, queries, userID)
			if errors.Is(err, race.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			account := accountOf(row)
			err = s.sendLink(ctx, queries, account, Recover, "", account.Email)
			var tooMany *race.ConflictError
			if err != nil && !errors.As(err, &tooMany) {
				return err
			}
		}
		return nil
	})
}
