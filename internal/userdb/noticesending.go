package userdb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// HeldError says that another step sends the mails of an event, or was killed while it did.
type HeldError struct {
	For time.Duration // until its lease ends, unless it notes something before
}

func (*HeldError) Error() string {
	return "another step sends the mails of the event, or was killed not long ago: they wait until its lease ends"
}

// NoticesToSend returns the IDs of up to limit mails of an event that wait, those with the fewest
// attempts first. From then on they are the sender's alone, until it leaves them or has
// noted nothing for as long as the lease. It returns a *HeldError when they are another's.
func (s *Ledger) NoticesToSend(ctx context.Context, position int64, kind notice.Kind, sender string, lease time.Duration, limit int) (mailIDs []string, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := s.holdNotices(ctx, q, position, kind, sender, lease); err != nil {
			return err
		}
		of, event := sql.NullInt64{Int64: position, Valid: true}, optional(string(kind))
		mailIDs, err = q.NoticesToSend(ctx, of, event, int32(limit)) //nolint:gosec // some thousands
		if err != nil || len(mailIDs) == limit {
			return err
		}
		left, err := q.NoticesLeftSending(ctx, of, event, int32(limit-len(mailIDs))) //nolint:gosec // likewise
		for _, row := range left {
			if !row.UpdatedAt.After(s.now().Add(-lease)) {
				mailIDs = append(mailIDs, row.MailID)
			}
		}
		if err == nil && len(left) > 0 && len(mailIDs) == 0 {
			return &HeldError{For: left[0].UpdatedAt.Add(lease).Sub(s.now())}
		}
		return err
	})
	return mailIDs, wrapNotices(err)
}

// holdNotices holds the mails of an event for a sender for as long as the lease. What it
// notes often is a write only every sixth of a lease.
func (s *Ledger) holdNotices(ctx context.Context, q *gen.Queries, position int64, kind notice.Kind, sender string, lease time.Duration) error {
	now := s.now()
	until := now.Add(lease)
	held, err := q.LockNoticeSender(ctx, position, string(kind))
	if errors.Is(err, sql.ErrNoRows) {
		// Of two senders that find none, the second waits here for the first.
		if err = q.OpenNotices(ctx, gen.OpenNoticesParams{Position: position, Kind: string(kind), Sender: sender, SenderUntil: until}); err == nil {
			held, err = q.LockNoticeSender(ctx, position, string(kind))
		}
	}
	switch {
	case err != nil:
		return err
	case held.Sender != sender && held.SenderUntil.After(now) && !held.SenderUntil.After(until.Add(lease)): // later was a wrong clock
		return &HeldError{For: held.SenderUntil.Sub(now)}
	case held.Sender == sender && held.SenderUntil.Sub(now) > lease-lease/6:
		return nil
	}
	return q.HoldNotices(ctx, gen.HoldNoticesParams{Sender: sender, SenderUntil: until, Position: position, Kind: string(kind)})
}

// LeaveNotices lets others send the mails of an event at once.
func (s *Ledger) LeaveNotices(ctx context.Context, position int64, kind notice.Kind, sender string) error {
	return wrapNotices(s.queries.LeaveNotices(ctx, position, string(kind), sender))
}

// ReadNotices returns mails as they are now. Those that have expired, or would not be written
// any more, have become failed, and Unsent says why; others are gone, because their reader has
// left.
func (s *Ledger) ReadNotices(ctx context.Context, mailIDs []string) (mails []Mail, err error) {
	rows, err := s.queries.MailsByID(ctx, mailIDs)
	if err == nil {
		mails, err = s.toSend(ctx, s.queries, rows)
	}
	return mails, wrapNotices(err)
}

// NoteNotices notes what became of mails of an event in one transaction, and holds the
// event's others for the sender for another lease. It returns a *HeldError, and has noted all
// the same, when they are another's meanwhile.
func (s *Ledger) NoteNotices(ctx context.Context, position int64, kind notice.Kind, sender string, lease time.Duration, done []MailOutcome) error {
	var held error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		held = s.holdNotices(ctx, q, position, kind, sender, lease)
		if _, another := errors.AsType[*HeldError](held); held != nil && !another {
			return held
		}
		var sent []MailOutcome
		for _, o := range done {
			var err error
			switch o.State {
			case "":
			case MailSent:
				sent = append(sent, o)
			case MailQueued:
				err = q.NoticeAttempted(ctx, faultText(o.Fault), now, o.MailID)
			default:
				err = errors.Join(q.NoticeAttempted(ctx, "", now, o.MailID), s.finishUnsent(ctx, q, o))
			}
			if err != nil {
				return err
			}
		}
		return noteSent(ctx, tx, sent, now)
	})
	return wrapNotices(cmp.Or(err, held))
}

// noteSent notes in one statement that mails of an event were sent. What the provider has
// reported of them in the meantime stays.
func noteSent(ctx context.Context, tx *sql.Tx, sent []MailOutcome, now time.Time) error {
	if len(sent) == 0 {
		return nil
	}
	var args, ids []any
	for _, o := range sent {
		args, ids = append(args, o.MailID, o.ProviderID), append(ids, o.MailID)
	}
	//nolint:gosec // only placeholders are added
	_, err := tx.ExecContext(ctx, `UPDATE mail SET state = IF(state IN ('bounced', 'complained', 'failed'), state, 'sent'), attempts = attempts + 1, fault = '',
    provider_id = CASE mail_id`+strings.Repeat(" WHEN ? THEN ?", len(sent))+` END, updated_at = ? WHERE mail_id IN (`+strings.Repeat(",?", len(sent))[1:]+`)`,
		slices.Concat(args, []any{now}, ids)...)
	return err
}

// DropNotices gives up the mails of an event that wait. One that a program of the version
// before began less than lease ago may have arrived.
func (s *Ledger) DropNotices(ctx context.Context, position int64, kind notice.Kind, lease time.Duration) error {
	now := s.now()
	return wrapNotices(s.queries.DropNotices(ctx, gen.DropNoticesParams{
		UpdatedAt: now, NoticePosition: sql.NullInt64{Int64: position, Valid: true}, NoticeEvent: optional(string(kind)), BegunBefore: now.Add(-lease),
	}))
}
