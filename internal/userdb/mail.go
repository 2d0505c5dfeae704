package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// MailKind is what a mail is about.
type MailKind string

// The kinds of mails. The first three hold a link; the others are notices of what
// happened to an account.
const (
	ConfirmEmail    MailKind = "confirm-email"
	ChangeLogin     MailKind = "change-login"
	Recover         MailKind = "recover"
	PasswordChanged MailKind = "password-changed"
	Recovered       MailKind = "recovered"
	// RecoveredKeepingPasskeys is Recovered for an account that needs a passkey.
	RecoveredKeepingPasskeys MailKind = "recovered-keeping-passkeys"
	EmailChanged             MailKind = "email-changed" // goes to the address before
	LoginChanged             MailKind = "login-changed"
	NewDevice                MailKind = "new-device"
	PasskeyAdded             MailKind = "passkey-added"
	PasskeyRemoved           MailKind = "passkey-removed"
	PasskeysRemoved          MailKind = "passkeys-removed" // all of them, by an operator
	PasskeyRefused           MailKind = "passkey-refused"  // it may have been copied
	KeyCreated               MailKind = "key-created"      // an API key
)

// MailState is how far a mail has come.
type MailState string

// The states of a mail; the last three are final.
const (
	MailQueued  MailState = "queued"
	MailSending MailState = "sending" // an attempt was begun; whether it succeeded is not known
	MailSent    MailState = "sent"    // the provider has accepted it
	MailBounced MailState = "bounced" // the provider says that the address takes no mail
	MailFailed  MailState = "failed"  // it was not sent while it was of use
)

// What is wrong with an address, as Account.EmailProblem says it.
const (
	EmailBounced      = "bounced"            // the confirmed one takes no mail
	EmailComplained   = "complained"         // mail to the confirmed one was reported as unwanted
	PendingBounced    = "pending-bounced"    // the one that was to be confirmed took none, and was dropped
	PendingComplained = "pending-complained" // a mail to the one that was to be confirmed was reported, and it was dropped
)

// Final reports whether nothing more is done about the mail.
func (s MailState) Final() bool { return s == MailSent || s == MailBounced || s == MailFailed }

// Mail is a mail to the owner of an account.
type Mail struct {
	ID        string
	Kind      MailKind
	Language  string
	Address   string
	Detail    string // of NewDevice: the device; of KeyCreated: how the key begins; of RecoveredKeepingPasskeys: when they were added
	State     MailState
	Attempts  int
	CreatedAt time.Time
	ExpiresAt time.Time
	About     json.RawMessage // of a notice: notice.Facts; nil for mails about the account
	UserID    string
	// Token is the secret of the mail's link; empty when it has none. Each attempt to
	// send has its own, and all of them work.
	Token string
}

const (
	defaultLanguage = "en"
	// noticeLifetime is how long a notice is worth sending.
	noticeLifetime = 3 * 24 * time.Hour
)

// notify mails what happened to an account, unless it has no address. The event is
// identified by its kind and the ID of its cause.
func (s *Accounts) notify(ctx context.Context, queries *gen.Queries, account Account, kind MailKind, address, causeID, detail string) error {
	if address == "" {
		return nil
	}
	return s.queueMail(ctx, queries, account, gen.InsertMailParams{
		EventKey: string(kind) + "/" + causeID, Kind: string(kind), Address: address, Detail: detail, ExpiresAt: s.now().Add(noticeLifetime),
	})
}

// queueMail writes a mail in the transaction of what causes it. Nothing goes to an
// address that is switched off but what its owner asks for to confirm it again.
func (s *Accounts) queueMail(ctx context.Context, queries *gen.Queries, account Account, m gen.InsertMailParams) error {
	if m.Address == account.Email && account.emailOff() && m.Kind != string(ConfirmEmail) {
		return nil
	}
	m.MailID, m.UserID = uuid.Must(uuid.NewV7()).String(), account.UserID
	m.Language = cmp.Or(account.Language, defaultLanguage)
	m.CreatedAt, m.UpdatedAt = s.now(), s.now()
	return queries.InsertMail(ctx, m)
}

// emailOff reports whether nothing may be mailed to the confirmed address.
func (a Account) emailOff() bool {
	return a.EmailProblem == EmailBounced || a.EmailProblem == EmailComplained
}

// NotifyKey mails that an account has a new API key, of which prefix is the beginning.
// It returns ErrNoSession when the session that makes the key has ended, so that nothing
// is left behind by a call that was under way, and race.ErrNotFound as Account does.
func (s *Accounts) NotifyKey(ctx context.Context, userID, sessionID, keyID, prefix string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		user, err := lockUser(ctx, queries, userID)
		if err != nil {
			return err
		}
		if err := stands(ctx, queries, user, sessionID); err != nil {
			return err
		}
		account := accountOf(user)
		return s.notify(ctx, queries, account, KeyCreated, account.Email, keyID, prefix)
	})
	if err != nil {
		return fmt.Errorf("notify of a key of user %s: %w", userID, err)
	}
	return nil
}

// mailsAtOnce is how many requests or mails are taken in one go.
const mailsAtOnce = 100

// mailLost is how long after the start of its workflow a mail that is not final is
// started again, in case Temporal has lost the workflow. One that still runs is not
// started twice.
const mailLost = 10 * time.Minute

// StartMails calls start for each mail whose workflow has not been started, the
// oldest first. Of several processes that do so at once, each may start the same
// workflows, which must do no harm.
func (s *Accounts) StartMails(ctx context.Context, start func(ctx context.Context, mailID string) error) error {
	ids, err := s.queries.UnstartedMails(ctx, moment(s.now().Add(-mailLost)), mailsAtOnce)
	if err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	for _, id := range ids {
		if err := start(ctx, id); err != nil {
			return fmt.Errorf("start mail %s: %w", id, err)
		}
		if err := s.queries.MailStarted(ctx, moment(s.now()), id); err != nil {
			return fmt.Errorf("note that mail %s was started: %w", id, err)
		}
	}
	return nil
}

// BeginMail notes that an attempt to send a mail begins, makes the token of its
// link and returns it. A mail whose state is final is not to be sent. One that has
// expired, or whose address was switched off since it was written, becomes failed;
// the errors are ErrMailExpired and ErrAddressOff. It returns race.ErrNotFound when
// there is none, as when its owner has left.
func (s *Ledger) BeginMail(ctx context.Context, mailID string) (Mail, error) {
	var m Mail
	var unsent error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, now := s.queries.WithTx(tx), s.now()
		unsent = nil
		row, err := queries.LockMail(ctx, mailID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return err
		}
		m = mailOf(row)
		if m.State.Final() {
			return nil
		}
		if !m.ExpiresAt.After(now) {
			unsent = ErrMailExpired
		} else if off, err := queries.AddressOff(ctx, row.UserID, optional(row.Address)); err != nil {
			return err
		} else if off && m.Kind != ConfirmEmail {
			unsent = ErrAddressOff
		}
		if unsent != nil {
			m.State = MailFailed
			return queries.MailDone(ctx, gen.MailDoneParams{State: string(MailFailed), UpdatedAt: now, MailID: mailID})
		}
		m.State, m.Attempts = MailSending, m.Attempts+1
		if err := queries.MailSending(ctx, now, mailID); err != nil || !row.LinkID.Valid {
			return err
		}
		token, hash := auth.NewRefreshToken()
		m.Token = token
		return queries.InsertLinkToken(ctx, hash[:], row.LinkID.String)
	})
	if err != nil {
		return Mail{}, fmt.Errorf("begin mail %s: %w", mailID, err)
	}
	return m, unsent
}

// Why a mail is not sent.
var (
	ErrMailExpired = errors.New("the mail is of no more use")
	ErrAddressOff  = errors.New("the address is switched off until its owner confirms one again")
)

// FinishMail notes the outcome of a mail, with the provider's ID for it. If it bounced,
// its address is switched off, until its owner confirms one again. What the provider
// has reported in the meantime stays.
func (s *Ledger) FinishMail(ctx context.Context, mailID string, state MailState, providerID string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		row, err := queries.LockMail(ctx, mailID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // its owner has left
		}
		if err != nil {
			return err
		}
		final := state
		if was := MailState(row.State); was == MailBounced || was == MailFailed {
			final = was
		}
		err = queries.MailDone(ctx, gen.MailDoneParams{State: string(final), ProviderID: providerID, UpdatedAt: s.now(), MailID: mailID})
		if err != nil || state != MailBounced {
			return err
		}
		// The attempt began when the row was last updated.
		return s.switchOff(ctx, queries, &row, row.Address, MailEvent{Kind: PermanentBounce, At: s.now(), SentAt: row.UpdatedAt})
	})
	if err != nil {
		return fmt.Errorf("finish mail %s: %w", mailID, err)
	}
	return nil
}

// WaitingMails returns for how long the oldest mail has waited that is neither sent nor
// given up; 0 when there is none.
func (s *Store) WaitingMails(ctx context.Context) (time.Duration, error) {
	oldest, err := s.queries.OldestWaitingMail(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the oldest mail that waits: %w", err)
	}
	return max(s.now().Sub(oldest), 0), nil
}

// CountMails returns how many mails wait and how many were given up or bounced, of
// those that are kept.
func (s *Store) CountMails(ctx context.Context) (waiting, unsent int, err error) {
	rows, err := s.queries.CountMails(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("count mails: %w", err)
	}
	for _, row := range rows {
		switch MailState(row.State) {
		case MailBounced, MailFailed:
			unsent += int(row.Mails)
		default:
			waiting += int(row.Mails)
		}
	}
	return waiting, unsent, nil
}

func mailOf(row gen.Mail) Mail {
	return Mail{
		ID: row.MailID, Kind: MailKind(row.Kind), Language: row.Language, Address: row.Address, Detail: row.Detail,
		State: MailState(row.State), Attempts: int(row.Attempts), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
		About: json.RawMessage(row.About.String), UserID: row.UserID,
	}
}
