package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
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
	// Unsent is why it is not sent: ErrMailExpired or ErrAddressOff.
	Unsent error
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
	begun, err := s.TurnMails(ctx, nil, []string{mailID}, 0)
	if err == nil && len(begun) == 0 {
		err = race.ErrNotFound
	}
	if err != nil {
		return Mail{}, fmt.Errorf("begin mail %s: %w", mailID, err)
	}
	return begun[0], begun[0].Unsent
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
	if _, err := s.TurnMails(ctx, []MailOutcome{{MailID: mailID, State: state, ProviderID: providerID}}, nil, 0); err != nil {
		return fmt.Errorf("finish mail %s: %w", mailID, err)
	}
	return nil
}

// MailOutcome is what became of an attempt to send a mail. MailQueued means that it failed
// and that the next may begin at once; without a state, nothing is to be noted.
type MailOutcome struct {
	MailID     string
	State      MailState
	ProviderID string
}

// TurnMails does in one transaction what FinishMail does for the outcomes and BeginMail for
// the mails that are next, which it returns except those that have been deleted. A mail
// that another attempt began less than lease ago is left out too: it may be under way.
func (s *Ledger) TurnMails(ctx context.Context, done []MailOutcome, next []string, lease time.Duration) (begun []Mail, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		if err := s.finishMails(ctx, tx, done); err != nil {
			return err
		}
		begun, err = s.beginMails(ctx, s.queries.WithTx(tx), next, lease)
		return err
	})
	return begun, err
}

func (s *Ledger) beginMails(ctx context.Context, queries *gen.Queries, next []string, lease time.Duration) (begun []Mail, err error) {
	if len(next) == 0 {
		return nil, nil
	}
	rows, err := queries.LockMails(ctx, next)
	if err != nil {
		return nil, err
	}
	users := make([]string, len(rows))
	for i, row := range rows {
		users[i] = row.UserID
	}
	off, err := addressesOff(ctx, queries, users)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var sending, failed []string
	for _, row := range rows {
		m := mailOf(row)
		switch {
		case m.State.Final():
		case m.State == MailSending && row.UpdatedAt.After(now.Add(-lease)):
			continue
		case !m.ExpiresAt.After(now):
			m.State, m.Unsent = MailFailed, ErrMailExpired
			failed = append(failed, m.ID)
		case off[[2]string{row.UserID, row.Address}] && m.Kind != ConfirmEmail:
			m.State, m.Unsent = MailFailed, ErrAddressOff
			failed = append(failed, m.ID)
		default:
			m.State, m.Attempts = MailSending, m.Attempts+1
			sending = append(sending, m.ID)
			if row.LinkID.Valid {
				token, hash := auth.NewRefreshToken()
				m.Token = token
				if err := queries.InsertLinkToken(ctx, hash[:], row.LinkID.String); err != nil {
					return nil, err
				}
			}
		}
		begun = append(begun, m)
	}
	if len(failed) > 0 {
		if err := queries.MailsGivenUp(ctx, now, failed); err != nil {
			return nil, err
		}
	}
	if len(sending) > 0 {
		err = queries.MailsSending(ctx, now, sending)
	}
	return begun, err
}

// addressesOff returns the addresses of accounts that are switched off, by account and
// address.
func addressesOff(ctx context.Context, queries *gen.Queries, userIDs []string) (map[[2]string]bool, error) {
	off := map[[2]string]bool{}
	if len(userIDs) == 0 {
		return off, nil
	}
	rows, err := queries.AddressesOff(ctx, userIDs)
	for _, row := range rows {
		off[[2]string{row.UserID, row.Email.String}] = true
	}
	return off, err
}

// finishMails notes outcomes: of mails that were sent in one statement.
func (s *Ledger) finishMails(ctx context.Context, tx *sql.Tx, done []MailOutcome) error {
	queries, now := s.queries.WithTx(tx), s.now()
	var sent []MailOutcome
	var queued []string
	for _, o := range done {
		switch o.State {
		case MailSent:
			sent = append(sent, o)
		case MailQueued:
			queued = append(queued, o.MailID)
		case "":
		default:
			if err := s.finishUnsent(ctx, queries, o); err != nil {
				return err
			}
		}
	}
	if len(queued) > 0 {
		if err := queries.MailsWaitAgain(ctx, now, queued); err != nil {
			return err
		}
	}
	if len(sent) == 0 {
		return nil
	}
	var args []any
	for _, o := range sent {
		args = append(args, o.MailID, o.ProviderID)
	}
	args = append(args, now)
	for _, o := range sent {
		args = append(args, o.MailID)
	}
	//nolint:gosec // only placeholders are added
	_, err := tx.ExecContext(ctx, `UPDATE mail SET state = IF(state IN ('bounced', 'failed'), state, 'sent'), provider_id = CASE mail_id`+
		strings.Repeat(" WHEN ? THEN ?", len(sent))+` END, updated_at = ? WHERE mail_id IN (`+strings.Repeat(",?", len(sent))[1:]+`)`, args...)
	return err
}

// finishUnsent notes that a mail bounced or was given up.
func (s *Ledger) finishUnsent(ctx context.Context, queries *gen.Queries, o MailOutcome) error {
	rows, err := queries.LockMails(ctx, []string{o.MailID})
	if err != nil || len(rows) == 0 {
		return err // without a row, its owner has left
	}
	row, final := rows[0], o.State
	if was := MailState(row.State); was == MailBounced || was == MailFailed {
		final = was
	}
	err = queries.MailDone(ctx, gen.MailDoneParams{State: string(final), ProviderID: o.ProviderID, UpdatedAt: s.now(), MailID: o.MailID})
	if err != nil || o.State != MailBounced {
		return err
	}
	// The attempt began when the row was last updated.
	return s.switchOff(ctx, queries, &row, row.Address, MailEvent{Kind: PermanentBounce, At: s.now(), SentAt: row.UpdatedAt})
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
