package userdb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// MailEventKind is what a provider reports about a mail after it has accepted it.
type MailEventKind string

// The kinds of events. Only a permanent bounce, a suppression, a complaint and a
// rejection have consequences.
const (
	PermanentBounce MailEventKind = "bounce"
	Suppression     MailEventKind = "suppression"      // nothing was sent: the provider's own list has the address, after a bounce or a complaint
	TransientBounce MailEventKind = "transient-bounce" // the mailbox is full, its owner is away, …
	Complaint       MailEventKind = "complaint"        // the mail was reported as unwanted
	Rejection       MailEventKind = "rejection"        // the provider did not send what it had accepted
	Delivery        MailEventKind = "delivery"
	OtherMailEvent  MailEventKind = "other"
)

// MailEventKinds lists the kinds of events.
func MailEventKinds() []MailEventKind {
	return []MailEventKind{PermanentBounce, Suppression, TransientBounce, Complaint, Rejection, Delivery, OtherMailEvent}
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

// NoteMailEvent does what follows from an event: after a permanent bounce, a
// suppression or a complaint the address is switched off until its owner confirms one
// again; after a complaint about a notice that its reader may switch off, for those
// notices alone. Events may come twice and in any order: one from before the address was
// confirmed changes nothing.
func (s *Ledger) NoteMailEvent(ctx context.Context, e MailEvent) error {
	if !slices.Contains([]MailEventKind{PermanentBounce, Suppression, Complaint, Rejection}, e.Kind) {
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
		if state, reason := became(e.Kind); state != MailState(row.State) && !ofEarlierSend(row, e) {
			err := queries.MailDone(ctx, gen.MailDoneParams{State: string(state), Reason: string(reason), ProviderID: row.ProviderID, UpdatedAt: s.now(), MailID: row.MailID})
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

// became returns the state of the mail that an event is about, and why.
func became(kind MailEventKind) (MailState, MailReason) {
	switch kind {
	case Complaint:
		return MailComplained, ""
	case Rejection:
		return MailFailed, MailRejected
	case Suppression:
		return MailBounced, MailSuppressed
	default:
		return MailBounced, MailReturned
	}
}

// ofEarlierSend reports whether an event is about the mail as it was sent before an
// operator had it sent again: it says nothing about the later sending.
func ofEarlierSend(m gen.Mail, e MailEvent) bool {
	return m.ResentAt.Valid && e.SentAt.Before(m.ResentAt.Time)
}

// switchOff switches an address off, and drops it where it waits to be confirmed by the
// link of mail m, which is nil when it is not known.
func (s *Ledger) switchOff(ctx context.Context, queries *gen.Queries, m *gen.Mail, address string, e MailEvent) error {
	if e.Kind == Rejection {
		return nil // it is about what the mail says
	}
	problem, ofPending := EmailBounced, PendingBounced
	switch {
	case e.Kind == Complaint && m != nil && switchable(MailKind(m.Kind)):
		// Its reader does without such notices, but must still hear of an offer that ends
		// or of a stranger in their account.
		problem, ofPending = EmailUnwanted, PendingComplained
	case e.Kind == Complaint:
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
