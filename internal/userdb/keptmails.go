package userdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// MailList names the mails that have come to the same, for operators. Each mail that was
// not just sent is on one of the lists.
type MailList string

// The lists.
const (
	WaitingList    MailList = "waiting"    // neither sent nor given up
	FailedList     MailList = "failed"     // given up, or rejected by the provider
	BouncedList    MailList = "bounced"    // the address takes no mail
	ComplainedList MailList = "complained" // the reader reported the mail as unwanted
	SuppressedList MailList = "suppressed" // not sent because of the address, the account or its owner's choice
)

// MailLists lists the lists.
func MailLists() []MailList {
	return []MailList{WaitingList, FailedList, BouncedList, ComplainedList, SuppressedList}
}

// conditions select the mails of each list. All of them begin with the columns of
// mail_by_outcome.
var conditions = map[MailList]string{
	WaitingList:    "state IN ('queued', 'sending')",
	FailedList:     "state = 'failed' AND reason NOT IN ('address-off', 'opted-out', 'suspended')",
	BouncedList:    "state = 'bounced' AND reason <> 'suppressed'",
	ComplainedList: "state = 'complained'",
	SuppressedList: "state IN ('failed', 'bounced') AND reason IN ('address-off', 'opted-out', 'suspended', 'suppressed')",
}

// listOf returns the list of a mail; empty: it was sent.
func listOf(state MailState, reason MailReason) MailList {
	switch {
	case !state.Final():
		return WaitingList
	case reason == MailAddressOff, reason == MailOptedOut, reason == MailSuspended, reason == MailSuppressed:
		return SuppressedList
	case state == MailFailed:
		return FailedList
	case state == MailBounced:
		return BouncedList
	case state == MailComplained:
		return ComplainedList
	}
	return ""
}

// KeptMail is what became of a mail. It has neither its address nor what it says.
type KeptMail struct {
	ID, UserID string
	Kind       MailKind
	RaceID     string // of a notice; empty for mails about the account
	State      MailState
	Reason     MailReason
	Fault      string // of the last attempt, if that failed
	Attempts   int
	Resends    int // how often an operator has had it sent again
	CreatedAt  time.Time
	ResentAt   time.Time
	ExpiresAt  time.Time
	UpdatedAt  time.Time
	// Of which event of the change log it tells; 0 and empty for mails about the account.
	NoticePosition int64
	NoticeKind     notice.Kind
}

// MailFilter selects mails of a list.
type MailFilter struct {
	List      MailList
	Kind      MailKind
	RaceID    string
	UserID    string
	OlderThan time.Duration // written, or last sent again, at least so long ago
}

// KeptMails returns up to limit mails of a list, the newest first, from before the
// one with an ID; an empty ID means from the newest.
func (s *Store) KeptMails(ctx context.Context, f MailFilter, before string, limit int) ([]KeptMail, error) {
	where, args := []string{conditions[f.List]}, []any{}
	and := func(condition string, value any) {
		where, args = append(where, condition), append(args, value)
	}
	if before != "" {
		and("mail_id < ?", before)
	}
	if f.Kind != "" {
		and("kind = ?", string(f.Kind))
	}
	if f.RaceID != "" {
		and("race_id = ?", f.RaceID)
	}
	if f.UserID != "" {
		and("user_id = ?", f.UserID)
	}
	if f.OlderThan > 0 {
		and("COALESCE(resent_at, created_at) <= ?", s.now().Add(-f.OlderThan))
	}
	//nolint:gosec // of the conditions above alone
	rows, err := s.db.QueryContext(ctx, `SELECT mail_id, user_id, kind, race_id, state, reason, fault, attempts, resends, created_at, resent_at, expires_at, updated_at,
    notice_position, notice_event
FROM mail WHERE `+strings.Join(where, " AND ")+` ORDER BY mail_id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var found []KeptMail
	for rows.Next() {
		var m KeptMail
		var raceID, event sql.NullString
		var resent sql.NullTime
		var position sql.NullInt64
		err := rows.Scan(&m.ID, &m.UserID, &m.Kind, &raceID, &m.State, &m.Reason, &m.Fault, &m.Attempts, &m.Resends, &m.CreatedAt, &resent, &m.ExpiresAt, &m.UpdatedAt,
			&position, &event)
		if err != nil {
			return nil, fmt.Errorf("list mails: %w", err)
		}
		m.RaceID, m.ResentAt, m.NoticePosition, m.NoticeKind = raceID.String, resent.Time, position.Int64, notice.Kind(event.String)
		found = append(found, m)
	}
	return found, rows.Err()
}

// CountMails returns how many mails are on each list, of those that are kept.
func (s *Store) CountMails(ctx context.Context) (map[MailList]int, error) {
	rows, err := s.queries.CountMails(ctx)
	if err != nil {
		return nil, fmt.Errorf("count mails: %w", err)
	}
	counts := map[MailList]int{}
	for _, row := range rows {
		counts[listOf(MailState(row.State), MailReason(row.Reason))] += int(row.Mails)
	}
	return counts, nil
}

// CountAddressesOff returns of how many accounts the address has a problem, by
// Account.EmailProblem.
func (s *Store) CountAddressesOff(ctx context.Context) (map[string]int, error) {
	rows, err := s.queries.CountAddressesOff(ctx)
	if err != nil {
		return nil, fmt.Errorf("count addresses that are switched off: %w", err)
	}
	counts := map[string]int{}
	for _, row := range rows {
		counts[row.EmailProblem] = int(row.Addresses)
	}
	return counts, nil
}

// AddressOff is an account whose address has a problem.
type AddressOff struct {
	UserID  string
	Problem string    // as Account.EmailProblem
	Since   time.Time // zero: not known
}

// AddressesOff returns up to limit accounts whose address has a problem, the newest
// account first, from before the one with an ID; an empty problem means any.
func (s *Store) AddressesOff(ctx context.Context, problem, before string, limit int) ([]AddressOff, error) {
	where, args := "email_problem > ''", []any{}
	if problem != "" {
		where, args = "email_problem = ?", append(args, problem)
	}
	if before != "" {
		where, args = where+" AND user_id < ?", append(args, before)
	}
	//nolint:gosec // of the conditions above alone
	rows, err := s.db.QueryContext(ctx, `SELECT user_id, email_problem, email_problem_at FROM user WHERE `+where+` AND erased_at IS NULL ORDER BY user_id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list addresses that are switched off: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var found []AddressOff
	for rows.Next() {
		var a AddressOff
		var since sql.NullTime
		if err := rows.Scan(&a.UserID, &a.Problem, &since); err != nil {
			return nil, fmt.Errorf("list addresses that are switched off: %w", err)
		}
		a.Since = since.Time
		found = append(found, a)
	}
	return found, rows.Err()
}

// KeptMail returns what became of a mail. It returns race.ErrNotFound when there is
// none, as when its owner has left.
func (s *Store) KeptMail(ctx context.Context, mailID string) (KeptMail, error) {
	row, err := s.queries.Mail(ctx, mailID)
	if errors.Is(err, sql.ErrNoRows) {
		return KeptMail{}, race.ErrNotFound
	}
	if err != nil {
		return KeptMail{}, fmt.Errorf("read mail %s: %w", mailID, err)
	}
	return keptMailOf(row), nil
}

func keptMailOf(row gen.Mail) KeptMail {
	return KeptMail{
		ID: row.MailID, UserID: row.UserID, Kind: MailKind(row.Kind), RaceID: row.RaceID.String, State: MailState(row.State), Reason: MailReason(row.Reason),
		Fault: row.Fault, Attempts: int(row.Attempts), Resends: int(row.Resends), CreatedAt: row.CreatedAt, ResentAt: row.ResentAt.Time,
		ExpiresAt: row.ExpiresAt, UpdatedAt: row.UpdatedAt, NoticePosition: row.NoticePosition.Int64, NoticeKind: notice.Kind(row.NoticeEvent.String),
	}
}

// ResendMail has a mail sent again that was not delivered: the same mail, under the same
// ID, to the same address. It returns race.ErrNotFound as KeptMail does, and a
// *race.ConflictError that says why the mail is not sent again: it may have arrived, is
// no longer useful, or its address takes none.
func (s *Accounts) ResendMail(ctx context.Context, mailID string) (KeptMail, error) {
	var m KeptMail
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		read, err := queries.Mail(ctx, mailID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return err
		}
		// The account first, as everything does that writes both.
		user, err := lockUser(ctx, queries, read.UserID)
		if err != nil {
			return err
		}
		rows, err := queries.LockMails(ctx, []string{mailID})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return race.ErrNotFound
		}
		if err := s.resendable(ctx, queries, accountOf(user), rows[0]); err != nil {
			return err
		}
		if err := queries.ResendMail(ctx, moment(s.now()), s.now(), mailID); err != nil {
			return err
		}
		row, err := queries.Mail(ctx, mailID)
		m = keptMailOf(row)
		return err
	})
	if err != nil {
		return KeptMail{}, fmt.Errorf("send mail %s again: %w", mailID, err)
	}
	return m, nil
}

// resendable returns a *race.ConflictError when a mail is not sent again. Mails of an
// account whose row is locked are read.
func (s *Accounts) resendable(ctx context.Context, queries *gen.Queries, account Account, m gen.Mail) error {
	kind := MailKind(m.Kind)
	switch MailState(m.State) {
	case MailQueued, MailSending:
		return &race.ConflictError{Message: "the mail is still being sent: its next attempt follows by itself within five minutes"}
	case MailSent:
		return &race.ConflictError{Message: "the provider has accepted the mail: it is not sent twice"}
	case MailComplained:
		return &race.ConflictError{Message: "the mail arrived, and its reader reported it as unwanted: it is not sent again"}
	case MailBounced, MailFailed:
	}
	switch {
	case m.Reason == string(MailWithdrawn):
		return &race.ConflictError{Message: "what the mail is about was withdrawn"}
	case !m.ExpiresAt.After(s.now()):
		return &race.ConflictError{Message: "the mail is no longer useful: its link or offer has ended, or what it says is days old"}
	case !account.Suspension.At.IsZero():
		return &race.ConflictError{Message: "the account is suspended: nothing is mailed to it"}
	}
	if m.LinkID.Valid {
		link, err := queries.LinkOfMail(ctx, m.LinkID.String)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil || !s.usable(link) {
			return &race.ConflictError{Message: "the link of the mail was used, or replaced by a later one: its owner asks for a new one"}
		}
	}
	if definition, aNotice := notice.Of(notice.Kind(kind)); aNotice {
		wants, err := preferences(ctx, queries, account.UserID)
		if err != nil {
			return err
		}
		if !wants.Wants(definition, notice.Email, s.now()) {
			return &race.ConflictError{Message: "the owner of the account has switched such notices off, or paused them"}
		}
	}
	return addressTakes(account, kind, m.Address, MailState(m.State))
}

// addressTakes returns a *race.ConflictError when a mail may not go to its address as
// the account is now.
func addressTakes(account Account, kind MailKind, address string, state MailState) error {
	switch {
	case kind == ConfirmEmail && address != account.EmailPending:
		return &race.ConflictError{Message: "the address of the mail does not wait to be confirmed any more: its owner enters it again"}
	case kind == ConfirmEmail:
		return nil
	case address == account.Email && !mayMail(account.EmailProblem, kind):
		return &race.ConflictError{Message: "the address is switched off: its owner confirms it, or another one, under Settings › E-mail"}
	case address != account.Email && (kind != EmailChanged || state == MailBounced): // the notice of a change goes to the address before
		return &race.ConflictError{Message: "the account has another address by now, or none"}
	}
	return nil
}
