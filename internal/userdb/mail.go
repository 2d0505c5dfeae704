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
}

const (
	defaultLanguage = "en"
	// linkLifetime is how long a link can be used, by purpose. A link that sets a
	// password is the most dangerous one.
	linkLifetime     = 24 * time.Hour
	recoveryLifetime = time.Hour
	// noticeLifetime is how long a notice is worth sending.
	noticeLifetime = 3 * 24 * time.Hour
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

// mailsAtOnce is how many requests or mails are taken in one go.
const mailsAtOnce = 100

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

// MailEventKind is what a provider reports about a mail after it has accepted it.
type MailEventKind string

// The kinds of events. Only a permanent bounce, a complaint and a rejection have
// consequences.
const (
	PermanentBounce MailEventKind = "bounce"
	TransientBounce MailEventKind = "transient-bounce" // the mailbox is full, its owner is away, …
	Complaint       MailEventKind = "complaint"        // the mail was reported as unwanted
	Rejection       MailEventKind = "rejection"        // the provider did not send what it had accepted
	Delivery        MailEventKind = "delivery"
	OtherMailEvent  MailEventKind = "other"
)

// MailEventKinds lists the kinds of events.
func MailEventKinds() []MailEventKind {
	return []MailEventKind{PermanentBounce, TransientBounce, Complaint, Rejection, Delivery, OtherMailEvent}
}

// MailEvent is an event of a provider.
type MailEvent struct {
	Kind      MailEventKind
	MailID    string    // empty: the provider does not say
	Addresses []string  // that it is about; they count when the mail is not known any more
	SentAt    time.Time // when the provider accepted the mail
	At        time.Time // when it happened
}

// asOf returns the time that decides whether the event is about the address as it was
// confirmed last. A complaint is about mail from us as such. A bounce is about the
// moment of its mail: whoever followed a link since then has got a later one.
func (e MailEvent) asOf() time.Time {
	if e.Kind == Complaint {
		return e.At
	}
	return e.SentAt
}

// NoteMailEvent does what follows from an event: after a permanent bounce or a
// complaint the address is switched off until its owner confirms one again. Events may
// come twice and in any order: one from before the address was confirmed changes
// nothing.
func (s *Ledger) NoteMailEvent(ctx context.Context, e MailEvent) error {
	if e.Kind != PermanentBounce && e.Kind != Complaint && e.Kind != Rejection {
		return nil
	}
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		row, err := queries.LockMail(ctx, e.MailID)
		if errors.Is(err, sql.ErrNoRows) {
			for _, address := range e.Addresses {
				if err := s.switchOff(ctx, queries, nil, address, e); err != nil {
					return err
				}
			}
			return nil
		}
		if err != nil {
			return err
		}
		state := map[MailEventKind]MailState{PermanentBounce: MailBounced, Rejection: MailFailed}[e.Kind]
		if state != "" && state != MailState(row.State) {
			err := queries.MailDone(ctx, gen.MailDoneParams{State: string(state), ProviderID: row.ProviderID, UpdatedAt: s.now(), MailID: row.MailID})
			if err != nil {
				return err
			}
		}
		return s.switchOff(ctx, queries, &row, row.Address, e)
	})
	if err != nil {
		return fmt.Errorf("note a %s of mail %q: %w", e.Kind, e.MailID, err)
	}
	return nil
}

// switchOff switches an address off, and drops it where it waits to be confirmed by the
// link of mail m, which is nil when it is not known.
func (s *Ledger) switchOff(ctx context.Context, queries *gen.Queries, m *gen.Mail, address string, e MailEvent) error {
	if e.Kind == Rejection {
		return nil // it is about what the mail says
	}
	problem, ofPending := EmailBounced, PendingBounced
	if e.Kind == Complaint {
		problem, ofPending = EmailComplained, PendingComplained
	}
	since := moment(e.At)
	if now := s.now(); e.At.After(now) {
		since = moment(now)
	}
	err := queries.SwitchAddressOff(ctx, gen.SwitchAddressOffParams{
		EmailProblemAt: since, EmailProblem: problem, Email: optional(address), AsOf: moment(e.asOf()),
	})
	if err != nil || m == nil {
		return err
	}
	return queries.DropPendingEmail(ctx, gen.DropPendingEmailParams{
		EmailProblemAt: since, EmailProblem: ofPending, UserID: m.UserID, EmailPending: optional(address), AsOf: moment(m.CreatedAt),
	})
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
