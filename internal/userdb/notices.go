package userdb

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// Preferences returns which notices an account has chosen. It returns race.ErrNotFound
// as Account does.
func (s *Store) Preferences(ctx context.Context, userID string) (notice.Preferences, error) {
	found, err := preferences(ctx, s.queries, userID)
	if err != nil {
		return found, fmt.Errorf("read the notice preferences of account %s: %w", userID, err)
	}
	return found, nil
}

func preferences(ctx context.Context, queries *gen.Queries, userID string) (notice.Preferences, error) {
	paused, err := queries.NoticesPausedUntil(ctx, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return notice.Preferences{}, race.ErrNotFound
	}
	if err != nil {
		return notice.Preferences{}, err
	}
	rows, err := queries.NoticeChoices(ctx, userID)
	found := notice.Preferences{PausedUntil: paused.Time}
	for _, row := range rows {
		found.Chosen = append(found.Chosen, notice.Choice{Kind: notice.Kind(row.Kind), Channel: notice.Channel(row.Channel), State: notice.State(row.State)})
	}
	return found, err
}

// ChooseNotices changes which notices an account gets, and returns all that it has
// chosen. A nil pause is left as it is; the zero time ends it. It returns
// race.ErrNotFound as Account does.
func (s *Accounts) ChooseNotices(ctx context.Context, userID string, choices []notice.Choice, pause *time.Time) (is notice.Preferences, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		if _, err := lockUser(ctx, queries, userID); err != nil {
			return err
		}
		is, err = s.chooseNotices(ctx, queries, userID, choices, pause)
		return err
	})
	if err != nil {
		return is, fmt.Errorf("choose the notices of account %s: %w", userID, err)
	}
	return is, nil
}

// chooseNotices writes what differs from what the account has, whose row is locked.
func (s *Accounts) chooseNotices(ctx context.Context, queries *gen.Queries, userID string, choices []notice.Choice, pause *time.Time) (notice.Preferences, error) {
	now := s.now()
	had, err := preferences(ctx, queries, userID)
	if err != nil {
		return had, err
	}
	before, after := map[string]any{}, map[string]any{}
	for _, c := range choices {
		definition, known := notice.Of(c.Kind)
		was := had.State(definition, c.Channel)
		if !known || was == c.State {
			continue
		}
		err := queries.ChooseNotice(ctx, gen.ChooseNoticeParams{UserID: userID, Kind: string(c.Kind), Channel: string(c.Channel), State: string(c.State), ChosenAt: now})
		if err != nil {
			return had, err
		}
		what := string(c.Kind) + "/" + string(c.Channel)
		before[what], after[what] = was, c.State
	}
	if pause != nil {
		until := pause.UTC().Truncate(time.Microsecond)
		if !until.Equal(had.PausedUntil) {
			if err := queries.PauseNotices(ctx, sql.NullTime{Time: until, Valid: !until.IsZero()}, now, userID); err != nil {
				return had, err
			}
			before["paused_until"], after["paused_until"] = timeOrNil(had.PausedUntil), timeOrNil(until)
		}
	}
	if len(after) == 0 {
		return had, nil
	}
	change := accountChange("account.notices_changed", userID, "")
	change.Before, change.After = before, after
	if err := writeChange(ctx, queries, now, change); err != nil {
		return had, err
	}
	return preferences(ctx, queries, userID)
}

func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// Unsubscription returns whose link it is, and what they get of its kind of notice. It
// returns ErrLink when nobody has got such a link.
func (s *Store) Unsubscription(ctx context.Context, link notice.Unsubscription) (userID string, is notice.State, err error) {
	row, err := s.queries.UnsubscriberByLink(ctx, link.ID[:])
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !link.Verify(notice.Unsubscriber{ID: link.ID, Secret: [32]byte(row.Secret)}):
		return "", "", ErrLink
	case err != nil:
		return "", "", fmt.Errorf("read whose link it is: %w", err)
	}
	found, err := s.Preferences(ctx, row.UserID)
	if errors.Is(err, race.ErrNotFound) {
		return "", "", ErrLink
	}
	return row.UserID, found.State(link.Kind, notice.Email), err
}

// Unsubscribe switches the kind of notice off that a link is for. It returns ErrLink
// when nobody has got such a link.
func (s *Accounts) Unsubscribe(ctx context.Context, link notice.Unsubscription) error {
	userID, _, err := s.Unsubscription(ctx, link)
	if err != nil {
		return err
	}
	_, err = s.ChooseNotices(ctx, userID, []notice.Choice{{Kind: link.Kind.Kind, Channel: notice.Email, State: notice.Off}}, nil)
	if errors.Is(err, race.ErrNotFound) {
		return ErrLink
	}
	return err
}

// Unsubscribers returns what signs the links of accounts, by user ID, and makes it for
// those that had none.
func (s *Ledger) Unsubscribers(ctx context.Context, userIDs []string) (map[string]notice.Unsubscriber, error) {
	found := make(map[string]notice.Unsubscriber, len(userIDs))
	read := func() error {
		rows, err := s.queries.Unsubscribers(ctx, userIDs)
		for _, row := range rows {
			found[row.UserID] = notice.Unsubscriber{ID: [16]byte(row.LinkID), Secret: [32]byte(row.Secret)}
		}
		return err
	}
	if len(userIDs) == 0 {
		return found, nil
	}
	if err := read(); err != nil {
		return nil, fmt.Errorf("read what signs links: %w", err)
	}
	if len(found) == len(userIDs) {
		return found, nil
	}
	var fresh []any
	for _, id := range slices.Sorted(slices.Values(userIDs)) { // two that make those of the same accounts would deadlock
		if _, has := found[id]; has {
			continue
		}
		random := make([]byte, 16+32)
		_, _ = rand.Read(random) // it never fails
		fresh = append(fresh, id, random[:16], random[16:])
	}
	//nolint:gosec // only placeholders are added
	_, err := s.db.ExecContext(ctx, "INSERT IGNORE INTO unsubscriber (user_id, link_id, secret) VALUES "+strings.Repeat(",(?,?,?)", len(fresh)/3)[1:], fresh...)
	if err != nil {
		return nil, fmt.Errorf("make what signs the links of %d accounts: %w", len(fresh)/3, err)
	}
	if err := read(); err != nil { // another process may have been faster
		return nil, fmt.Errorf("read what signs links: %w", err)
	}
	return found, nil
}

// Recipient is an account that has an address.
type Recipient struct {
	Address     string
	Language    string
	Preferences notice.Preferences
	Off         MailReason // why nothing may be mailed to the account; empty: something may
}

// Withhold returns why a notice is not mailed to the account at a time; empty: it is. The same
// holds when notices are written and again when they are sent.
func (r Recipient) Withhold(d notice.Definition, now time.Time) MailReason {
	switch {
	case r.Off != "":
		return r.Off
	case r.Address == "":
		return MailAddressOff
	case r.Preferences.Wants(d, notice.Email, now):
		return ""
	case r.Preferences.Stopped:
		return MailAddressOff
	}
	return MailOptedOut
}

// Reachable returns those of the accounts that notices may be mailed to.
func (s *Ledger) Reachable(ctx context.Context, userIDs []string) (map[string]Recipient, error) {
	found, err := recipients(ctx, s.queries, userIDs)
	maps.DeleteFunc(found, func(_ string, r Recipient) bool { return r.Off != "" })
	return found, wrapNotices(err)
}

// recipients returns those of the accounts that have an address.
func recipients(ctx context.Context, queries *gen.Queries, userIDs []string) (map[string]Recipient, error) {
	found := map[string]Recipient{}
	if len(userIDs) == 0 {
		return found, nil
	}
	rows, err := queries.Recipients(ctx, userIDs)
	for _, row := range rows {
		r, known := found[row.UserID]
		if !known {
			r = Recipient{Address: row.Email.String, Language: row.Language, Preferences: notice.Preferences{
				PausedUntil: row.NoticesPausedUntil.Time, Stopped: row.EmailProblem == EmailUnwanted,
			}}
			switch {
			case row.SuspendedAt.Valid:
				r.Off = MailSuspended
			case row.EmailProblem == EmailBounced, row.EmailProblem == EmailComplained:
				r.Off = MailAddressOff
			}
		}
		if row.Kind.Valid {
			r.Preferences.Chosen = append(r.Preferences.Chosen, notice.Choice{
				Kind: notice.Kind(row.Kind.String), Channel: notice.Channel(row.Channel.String), State: notice.State(row.State.String),
			})
		}
		found[row.UserID] = r
	}
	return found, err
}

func wrapNotices(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("notices: %w", err)
}

// Noticed is up to what an account has been told about a thing.
type Noticed struct {
	UserID, Thing string
	State         int64
	Was           int64 // what WriteNotices replaces, if anything
	Known         bool  // there is something
}

// ErrNoticed says that another event told an account about the same thing meanwhile: what
// there is to tell must be found again.
var ErrNoticed = errors.New("another event told the same account meanwhile")

// Noticed returns up to what accounts have been told, by thing and account.
func (s *Ledger) Noticed(ctx context.Context, userIDs []string) (map[[2]string]int64, error) {
	found := map[[2]string]int64{}
	if len(userIDs) == 0 {
		return found, nil
	}
	rows, err := s.queries.Noticed(ctx, userIDs)
	for _, row := range rows {
		found[[2]string{row.Thing, row.UserID}] = row.State
	}
	return found, wrapNotices(err)
}

// NewNotice is a notice to be mailed to an account.
type NewNotice struct {
	UserID    string
	Recipient Recipient
	Kind      notice.Kind
	About     notice.Facts
	ExpiresAt time.Time
}

// WriteNotices adds mails of an event, and notes up to what accounts have been told, in
// one transaction: nobody is told twice, whatever crashes. A mail that the event has for
// the account already stays as it is, and an account that was erased meanwhile gets none.
// It returns ErrNoticed when what an account has been
// told is no longer what it was when the mails were composed.
func (s *Ledger) WriteNotices(ctx context.Context, e notice.Event, mails []NewNotice, noticed []Noticed) (written int, err error) {
	now := s.now()
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		written = 0
		mails, noticed, err := s.ofPresent(ctx, tx, mails, noticed)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(noticed, noticesAtOnce) {
			if err := s.writeNoticed(ctx, tx, part, now); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(mails, noticesAtOnce) {
			args, rows := []any{}, make([]string, len(part))
			for i, m := range part {
				about, err := json.Marshal(m.About)
				if err != nil {
					return err
				}
				rows[i] = "(?,?,?,?,?,?,'','queued',0,'',?,?,?,?,?,?,?,?)"
				// started_at keeps programs of the version before, which know mails with a
				// workflow of their own alone, away from it for a while.
				args = append(args, uuid.Must(uuid.NewV7()).String(), fmt.Sprintf("notice/%d/%s/%s/email", e.Position, e.Kind, m.UserID), m.UserID,
					string(m.Kind), cmp.Or(m.Recipient.Language, defaultLanguage), m.Recipient.Address, now, m.ExpiresAt, now, now, e.Position, string(e.Kind), string(about), m.About.RaceID)
			}
			//nolint:gosec // only placeholders are added
			result, err := tx.ExecContext(ctx, `INSERT IGNORE INTO mail (mail_id, event_key, user_id, kind, language, address, detail, state, attempts, provider_id,
    created_at, expires_at, started_at, updated_at, notice_position, notice_event, about, race_id) VALUES `+strings.Join(rows, ","), args...)
			if err != nil {
				return err
			}
			n, _ := result.RowsAffected()
			written += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("write the notices of event %d: %w", e.Position, err)
	}
	return written, nil
}

// ofPresent leaves out what is for accounts that are erased, and keeps the others from
// being erased until the transaction ends.
func (s *Ledger) ofPresent(ctx context.Context, tx *sql.Tx, mails []NewNotice, noticed []Noticed) ([]NewNotice, []Noticed, error) {
	concerned := map[string]bool{}
	for _, m := range mails {
		concerned[m.UserID] = true
	}
	for _, n := range noticed {
		concerned[n.UserID] = true
	}
	present := make(map[string]bool, len(concerned))
	for part := range slices.Chunk(slices.Sorted(maps.Keys(concerned)), noticesAtOnce) {
		held, err := s.queries.WithTx(tx).HoldUsers(ctx, part)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range held {
			present[id] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(mails), func(m NewNotice) bool { return !present[m.UserID] }),
		slices.DeleteFunc(slices.Clone(noticed), func(n Noticed) bool { return !present[n.UserID] }), nil
}

// writeNoticed notes up to what accounts have been told, if nobody else did meanwhile.
func (s *Ledger) writeNoticed(ctx context.Context, tx *sql.Tx, noticed []Noticed, now time.Time) error {
	type key [2]string
	was := map[key]int64{}
	var users, things []string
	var known, fresh []any
	for _, n := range noticed {
		if !n.Known {
			fresh = append(fresh, n.UserID, n.Thing, n.State, now)
			continue
		}
		was[key{n.UserID, n.Thing}] = n.Was
		users, things = append(users, n.UserID), append(things, n.Thing)
		known = append(known, n.UserID, n.Thing, n.State, now)
	}
	if len(fresh) > 0 {
		//nolint:gosec // only placeholders are added
		result, err := tx.ExecContext(ctx, "INSERT IGNORE INTO noticed (user_id, thing, state, noticed_at) VALUES "+strings.Repeat(",(?,?,?,?)", len(fresh)/4)[1:], fresh...)
		if err != nil {
			return err
		}
		if n, _ := result.RowsAffected(); int(n) != len(fresh)/4 {
			return ErrNoticed
		}
	}
	if len(known) == 0 {
		return nil
	}
	rows, err := s.queries.WithTx(tx).NoticedForUpdate(ctx, users, things)
	if err != nil {
		return err
	}
	for _, row := range rows {
		k := key{row.UserID, row.Thing}
		if state, ok := was[k]; ok && state != row.State {
			return ErrNoticed
		}
		delete(was, k)
	}
	if len(was) > 0 {
		return ErrNoticed // their account was erased
	}
	//nolint:gosec // likewise
	_, err = tx.ExecContext(ctx, "INSERT INTO noticed (user_id, thing, state, noticed_at) VALUES "+strings.Repeat(",(?,?,?,?)", len(known)/4)[1:]+
		" ON DUPLICATE KEY UPDATE state = VALUES(state), noticed_at = VALUES(noticed_at)", known...)
	return err
}

const noticesAtOnce = 500
