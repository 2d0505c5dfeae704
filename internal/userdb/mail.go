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
	"github.com/mrmrthon/mrmrthon/internal/notice"
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

// AccountMailKinds lists the kinds of mails about an account; the others are those of
// notices.
func AccountMailKinds() []MailKind {
	return []MailKind{
		ConfirmEmail, ChangeLogin, Recover, PasswordChanged, Recovered, RecoveredKeepingPasskeys, EmailChanged, LoginChanged, NewDevice,
		PasskeyAdded, PasskeyRemoved, PasskeysRemoved, PasskeyRefused, KeyCreated,
	}
}

// MailState is how far a mail has come.
type MailState string

// The states of a mail; the last four are final.
const (
	MailQueued     MailState = "queued"
	MailSending    MailState = "sending"    // an attempt was begun; whether it succeeded is not known
	MailSent       MailState = "sent"       // the provider has accepted it
	MailBounced    MailState = "bounced"    // the provider says that the address takes no mail
	MailComplained MailState = "complained" // it arrived, and its reader reported it as unwanted
	MailFailed     MailState = "failed"     // it was not sent while it was of use
)

// MailReason says why a mail that is final was not delivered; empty: it was, or the mail
// is from before reasons were kept.
type MailReason string

// The reasons.
const (
	MailExpired    MailReason = "expired"     // failed: it was of no more use
	MailAddressOff MailReason = "address-off" // failed: the address was switched off
	MailOptedOut   MailReason = "opted-out"   // failed: the reader had switched such notices off meanwhile, or paused them
	MailSuspended  MailReason = "suspended"   // failed: the account was suspended meanwhile
	MailSenderOff  MailReason = "sender-off"  // failed: MAIL_SENDER is off
	MailWithdrawn  MailReason = "withdrawn"   // failed: the post that it is about was withdrawn
	MailRejected   MailReason = "rejected"    // failed: the provider did not send what it had accepted
	MailRefused    MailReason = "refused"     // bounced: the provider refused the address at once
	MailReturned   MailReason = "returned"    // bounced: the mail came back later
	MailSuppressed MailReason = "suppressed"  // bounced: the provider's own list has the address, and nothing was sent
)

// What is wrong with an address, as Account.EmailProblem says it.
const (
	EmailBounced      = "bounced"            // the confirmed one takes no mail
	EmailComplained   = "complained"         // mail to the confirmed one was reported as unwanted
	EmailUnwanted     = "unwanted"           // a notice was that its reader may switch off: no more of those go there
	PendingBounced    = "pending-bounced"    // the one that was to be confirmed took none, and was dropped
	PendingComplained = "pending-complained" // a mail to the one that was to be confirmed was reported, and it was dropped
)

// EmailProblems lists what may be wrong with an address.
func EmailProblems() []string {
	return []string{EmailBounced, EmailComplained, EmailUnwanted, PendingBounced, PendingComplained}
}

// Final reports whether nothing more is done about the mail.
func (s MailState) Final() bool { return s != MailQueued && s != MailSending }

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
	// Unsent is why it is not sent: ErrMailExpired or ErrWithheld.
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

// queueMail writes a mail in the transaction of what causes it, unless its address is
// switched off for it.
func (s *Accounts) queueMail(ctx context.Context, queries *gen.Queries, account Account, m gen.InsertMailParams) error {
	if m.Address == account.Email && !mayMail(account.EmailProblem, MailKind(m.Kind)) {
		return nil
	}
	m.MailID, m.UserID = uuid.Must(uuid.NewV7()).String(), account.UserID
	m.Language = cmp.Or(account.Language, defaultLanguage)
	m.CreatedAt, m.UpdatedAt = s.now(), s.now()
	return queries.InsertMail(ctx, m)
}

// mayMail reports whether mails of a kind may go to a confirmed address with a problem.
// Of what is switched off, only the link goes there that its owner asks for to confirm
// the address again.
func mayMail(problem string, kind MailKind) bool {
	switch problem {
	case EmailBounced, EmailComplained:
		return kind == ConfirmEmail
	case EmailUnwanted:
		return !switchable(kind)
	}
	return true
}

// switchable reports whether a mail is a notice that its reader may switch off.
func switchable(kind MailKind) bool {
	definition, aNotice := notice.Of(notice.Kind(kind))
	return aNotice && definition.Class != notice.Transactional
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
// workflows, which must do no harm. resends is how often an operator has had the mail
// sent again: each time has a workflow of its own.
func (s *Accounts) StartMails(ctx context.Context, start func(ctx context.Context, mailID string, resends int) error) error {
	mails, err := s.queries.UnstartedMails(ctx, moment(s.now().Add(-mailLost)), mailsAtOnce)
	if err != nil {
		return fmt.Errorf("list mails: %w", err)
	}
	for _, m := range mails {
		if err := start(ctx, m.MailID, int(m.Resends)); err != nil {
			return fmt.Errorf("start mail %s: %w", m.MailID, err)
		}
		if err := s.queries.MailStarted(ctx, moment(s.now()), m.MailID); err != nil {
			return fmt.Errorf("note that mail %s was started: %w", m.MailID, err)
		}
	}
	return nil
}

// BeginMail notes that an attempt to send a mail begins, makes the token of its
// link and returns it. A mail whose state is final is not to be sent. One that has
// expired, or that would not be written any more, becomes failed; the errors are
// ErrMailExpired and ErrWithheld. It returns race.ErrNotFound when there is none, as
// when its owner has left.
func (s *Ledger) BeginMail(ctx context.Context, mailID string) (m Mail, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		rows, err := queries.LockMails(ctx, []string{mailID})
		if err == nil && len(rows) == 0 {
			err = race.ErrNotFound
		}
		if err != nil {
			return err
		}
		mails, err := s.toSend(ctx, queries, rows)
		if err != nil {
			return err
		}
		if m = mails[0]; m.State.Final() {
			return nil
		}
		m.State, m.Attempts = MailSending, m.Attempts+1
		if rows[0].LinkID.Valid {
			token, hash := auth.NewRefreshToken()
			m.Token = token
			if err := queries.InsertLinkToken(ctx, hash[:], rows[0].LinkID.String); err != nil {
				return err
			}
		}
		return queries.MailSending(ctx, s.now(), mailID)
	})
	if err != nil {
		return Mail{}, fmt.Errorf("begin mail %s: %w", mailID, err)
	}
	return m, m.Unsent
}

// toSend returns mails as they are to be sent: notices to the address that their reader has
// by now. Those that are not sent, because they have expired or would not be written any
// more, become failed.
func (s *Ledger) toSend(ctx context.Context, queries *gen.Queries, rows []gen.Mail) (mails []Mail, err error) {
	now, failed := s.now(), map[MailReason][]string{}
	reasons, addresses, err := withheld(ctx, queries, rows, now)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		m, reason := mailOf(row), reasons[row.MailID]
		switch {
		case m.State.Final():
		case !m.ExpiresAt.After(now):
			m.State, m.Unsent = MailFailed, ErrMailExpired
			failed[MailExpired] = append(failed[MailExpired], m.ID)
		case reason != "":
			m.State, m.Unsent = MailFailed, ErrWithheld
			failed[reason] = append(failed[reason], m.ID)
		case addresses[m.ID] != "" && addresses[m.ID] != m.Address:
			m.Address = addresses[m.ID]
			if err := queries.MailMoved(ctx, m.Address, now, m.ID); err != nil {
				return nil, err
			}
		}
		mails = append(mails, m)
	}
	for reason, ids := range failed {
		if err := queries.MailsGivenUp(ctx, string(reason), now, ids); err != nil {
			return nil, err
		}
	}
	return mails, nil
}

// withheld returns why mails are not sent, by mail: what allowed them may have changed since
// they were written. It also returns where those of them go that are notices.
func withheld(ctx context.Context, queries *gen.Queries, rows []gen.Mail, now time.Time) (reasons map[string]MailReason, addresses map[string]string, err error) {
	var readers, owners []string // of notices, and of mails about an account
	for _, row := range rows {
		if _, aNotice := notice.Of(notice.Kind(row.Kind)); aNotice {
			readers = append(readers, row.UserID)
		} else {
			owners = append(owners, row.UserID)
		}
	}
	reached, err := recipients(ctx, queries, readers)
	if err != nil {
		return nil, nil, err
	}
	problems, err := addressProblems(ctx, queries, owners)
	if err != nil {
		return nil, nil, err
	}
	reasons, addresses = make(map[string]MailReason, len(rows)), make(map[string]string, len(rows))
	for _, row := range rows {
		if definition, aNotice := notice.Of(notice.Kind(row.Kind)); aNotice {
			reasons[row.MailID], addresses[row.MailID] = reached[row.UserID].Withhold(definition, now), reached[row.UserID].Address
		} else if !mayMail(problems[[2]string{row.UserID, row.Address}], MailKind(row.Kind)) {
			reasons[row.MailID] = MailAddressOff
		}
	}
	return reasons, addresses, nil
}

// Why a mail is not sent.
var (
	ErrMailExpired = errors.New("the mail is no longer useful")
	ErrWithheld    = errors.New("the address is switched off, the account is suspended, or its owner wants no such notices")
)

// FinishMail notes the outcome of a mail, with the provider's ID for it. If it bounced,
// its address is switched off, until its owner confirms one again. What the provider
// has reported in the meantime stays.
func (s *Ledger) FinishMail(ctx context.Context, mailID string, state MailState, providerID string) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries, o := s.queries.WithTx(tx), MailOutcome{MailID: mailID, State: state, ProviderID: providerID}
		if state == MailSent {
			return queries.MailSent(ctx, o.ProviderID, s.now(), o.MailID)
		}
		return s.finishUnsent(ctx, queries, o)
	})
	if err != nil {
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
	Fault      string // of an attempt that failed: its error, without addresses
}

// addressProblems returns what is wrong with the addresses of accounts, by account and
// address.
func addressProblems(ctx context.Context, queries *gen.Queries, userIDs []string) (map[[2]string]string, error) {
	problems := map[[2]string]string{}
	if len(userIDs) == 0 {
		return problems, nil
	}
	rows, err := queries.AddressProblems(ctx, userIDs)
	for _, row := range rows {
		problems[[2]string{row.UserID, row.Email.String}] = row.EmailProblem
	}
	return problems, err
}

// finishUnsent notes that a mail bounced or was given up.
func (s *Ledger) finishUnsent(ctx context.Context, queries *gen.Queries, o MailOutcome) error {
	rows, err := queries.LockMails(ctx, []string{o.MailID})
	if err != nil || len(rows) == 0 {
		return err // without a row, its owner has left
	}
	row, final, reason := rows[0], o.State, map[MailState]MailReason{MailBounced: MailRefused, MailFailed: MailSenderOff}[o.State]
	if was := MailState(row.State); was == MailBounced || was == MailComplained || was == MailFailed {
		final, reason = was, MailReason(row.Reason)
	}
	err = queries.MailDone(ctx, gen.MailDoneParams{State: string(final), Reason: string(reason), ProviderID: o.ProviderID, UpdatedAt: s.now(), MailID: o.MailID})
	if err != nil || o.State != MailBounced {
		return err
	}
	// The attempt began when the row was last updated.
	return s.switchOff(ctx, queries, &row, row.Address, MailEvent{Kind: PermanentBounce, At: s.now(), SentAt: row.UpdatedAt})
}

// NoteMailFault keeps the error of an attempt that failed, which must hold no address;
// the mail is tried again.
func (s *Ledger) NoteMailFault(ctx context.Context, mailID, fault string) error {
	if err := s.queries.MailFault(ctx, faultText(fault), mailID); err != nil {
		return fmt.Errorf("note why mail %s was not sent: %w", mailID, err)
	}
	return nil
}

// faultText makes of an error what the column holds. A server may quote itself in another
// encoding than UTF-8, which the database refuses together with all that is noted beside it.
func faultText(fault string) string {
	const most = 300 // characters
	fault = strings.ToValidUTF8(fault, "\uFFFD")
	if characters := []rune(fault); len(characters) > most {
		return string(characters[:most])
	}
	return fault
}

// WaitingMails returns for how long the oldest mail has waited that is neither sent nor
// given up, since it was written or last sent again; 0 when there is none.
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

func mailOf(row gen.Mail) Mail {
	return Mail{
		ID: row.MailID, Kind: MailKind(row.Kind), Language: row.Language, Address: row.Address, Detail: row.Detail,
		State: MailState(row.State), Attempts: int(row.Attempts), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
		About: json.RawMessage(row.About.String), UserID: row.UserID,
	}
}
