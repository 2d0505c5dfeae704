package userdb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

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
		rows, err := queries.LockMails(ctx, []string{e.MailID})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			for _, address := range e.Addresses {
				if err := s.switchOff(ctx, queries, nil, address, e); err != nil {
					return err
				}
			}
			return nil
		}
		row := rows[0]
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
