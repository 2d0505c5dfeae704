package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// AnswerOffer accepts or declines the place that a runner is offered. Repeating it
// changes nothing. It returns race.ErrNotFound when the runner has no entry, and a
// *race.ConflictError when nothing is offered to them, or no longer.
func (s *Store) AnswerOffer(ctx context.Context, raceID, userID string, accept bool) (LineEntry, error) {
	var late error
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		late = nil
		wanted := race.OfferDeclined
		if accept {
			wanted = race.Entered
		}
		switch race.EntryStatus(e.State) {
		case wanted:
			return nil
		case race.Offered:
		case race.OfferExpired:
			return errOfferExpired
		case race.Entered, race.Waiting, race.OfferDeclined, race.Cancelled, race.RemovedEntry, race.Registered, race.NotDrawn, race.Transferred, race.Deferred:
			return &race.ConflictError{Message: "no place is offered to you: your entry is " + e.State}
		}
		if l.race.Status != race.Scheduled {
			return &race.ConflictError{Message: "the race has results: places are no longer offered"}
		}
		won, err := l.answer(ctx, e, accept)
		if err != nil || won {
			return err
		}
		// The answer came after the deadline, but before the offer was ended.
		late = errOfferExpired
		_, err = l.expire(ctx, e)
		return err
	})
	if err == nil {
		err = late
	}
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

var errOfferExpired = &race.ConflictError{Message: "the offer has expired: the place went to the next in line"}

// answer accepts or declines an offer before its deadline; won is false after it.
func (l *line) answer(ctx context.Context, e gen.Entry, accept bool) (won bool, err error) {
	now := sql.NullTime{Time: l.now, Valid: true}
	var n int64
	if accept {
		n, err = l.q.AcceptOffer(ctx, gen.AcceptOfferParams{ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seq: e.Seq, OfferNo: e.OfferNo, NowAt: now})
	} else {
		n, err = l.q.DeclineOffer(ctx, gen.DeclineOfferParams{ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seq: e.Seq, OfferNo: e.OfferNo, NowAt: now})
	}
	if err != nil {
		return false, fmt.Errorf("answer an offer of race %s: %w", l.race.ID, err)
	}
	if n == 0 {
		return false, nil
	}
	l.row.Offered--
	if !accept {
		l.log("entry.declined", e, "", map[string]any{"status": race.OfferDeclined})
		return true, l.serve(ctx)
	}
	there, err := l.participantsOf(ctx, []gen.Entry{e})
	if err != nil {
		return false, err
	}
	if _, err := l.addParticipants(ctx, []gen.Entry{e}, there); err != nil {
		return false, err
	}
	l.row.Taken++
	l.log("entry.accepted", e, "", map[string]any{"status": race.Entered})
	return true, nil
}

// expire ends an offer after its deadline and passes the place on; ended is false when
// the deadline is still to come or somebody else ended it.
func (l *line) expire(ctx context.Context, e gen.Entry) (ended bool, err error) {
	n, err := l.q.ExpireOffer(ctx, gen.ExpireOfferParams{
		ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seq: e.Seq, OfferNo: e.OfferNo, NowAt: sql.NullTime{Time: l.now, Valid: true},
	})
	if err != nil {
		return false, fmt.Errorf("end an offer of race %s: %w", l.race.ID, err)
	}
	if n == 0 {
		return false, nil
	}
	l.row.Offered--
	l.log("entry.expired", e, "", map[string]any{"status": race.OfferExpired})
	return true, l.serve(ctx)
}

// Offer is an offer of a place: the n-th to the runner with a number of a pool.
type Offer struct {
	RaceID string
	Pool   int
	Seq    int64
	No     int
}

// OfferState is what became of an offer.
type OfferState struct {
	Status race.EntryStatus // of the entry; race.Offered while the offer is open
	// Left is how long the offer still holds the place, by the database's clock.
	Left time.Duration
}

// ExpireOffer ends an offer if its deadline has passed and nobody has answered it, and
// passes the place on to the next in line. It returns race.ErrNotFound when there is
// no such offer.
func (s *Outcomes) ExpireOffer(ctx context.Context, o Offer) (state OfferState, err error) {
	err = s.inLine(ctx, o.RaceID, o.Pool, func(l *line) error {
		e, err := l.q.EntryAt(ctx, o.RaceID, int16(o.Pool), o.Seq) //nolint:gosec // keys are small
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read an offer of race %s: %w", o.RaceID, err)
		}
		state = OfferState{Status: race.EntryStatus(e.State)}
		if int(e.OfferNo) != o.No || state.Status != race.Offered {
			return nil
		}
		ended, err := l.expire(ctx, e)
		switch {
		case err != nil:
			return err
		case ended:
			state.Status = race.OfferExpired
		default:
			state.Left = e.OfferExpiresAt.Time.Sub(l.now)
		}
		return nil
	})
	return state, err
}

// StartOffers starts the workflows of offers that are not known to have one. start must
// be safe to repeat. Offers that another process is starting are left to it.
func (s *Store) StartOffers(ctx context.Context, start func(context.Context, Offer) error) error {
	var failed error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		failed = nil
		rows, err := q.OffersToStart(ctx, maxServed)
		if err != nil {
			return fmt.Errorf("read offers whose workflow is to be started: %w", err)
		}
		for _, row := range rows {
			o := Offer{RaceID: row.RaceID, Pool: int(row.Pool), Seq: row.Seq, No: int(row.OfferNo)}
			if err := start(ctx, o); err != nil {
				failed = fmt.Errorf("start the workflow of an offer of race %s: %w", o.RaceID, err)
				return nil // keeps what was started before it
			}
			err := q.OfferStarted(ctx, gen.OfferStartedParams{RaceID: row.RaceID, Pool: row.Pool, Seq: row.Seq, OfferNo: row.OfferNo})
			if err != nil {
				return fmt.Errorf("note the start of an offer of race %s: %w", o.RaceID, err)
			}
		}
		return nil
	})
	return errors.Join(err, failed)
}

// wake has the workflow of an offer look at it again, because the offer has ended without
// the runner's answer or its deadline has moved. Without that the workflow would find out
// at the deadline that it knows.
func (l *line) wake(ctx context.Context, e gen.Entry) error {
	err := l.q.WakeOffer(ctx, gen.WakeOfferParams{RaceID: l.race.ID, Pool: l.row.Pool, Seq: e.Seq, OfferNo: e.OfferNo, CreatedAt: l.now})
	if err != nil {
		return fmt.Errorf("wake the workflow of an offer of race %s: %w", l.race.ID, err)
	}
	return nil
}

// WakeOffers tells workflows of offers to look at them again, as wake asked. tell must be
// safe to repeat: several processes may tell the same workflow.
func (s *Store) WakeOffers(ctx context.Context, tell func(context.Context, Offer) error) error {
	rows, err := s.queries.OffersToWake(ctx, maxServed)
	if err != nil {
		return fmt.Errorf("read offers whose workflow is to be woken: %w", err)
	}
	for _, row := range rows {
		o := Offer{RaceID: row.RaceID, Pool: int(row.Pool), Seq: row.Seq, No: int(row.OfferNo)}
		if err := tell(ctx, o); err != nil {
			return fmt.Errorf("wake the workflow of an offer of race %s: %w", o.RaceID, err)
		}
		// A row that was written again meanwhile has another time and stays.
		if err := s.queries.OfferWoken(ctx, gen.OfferWokenParams(row)); err != nil {
			return fmt.Errorf("note that an offer of race %s was woken: %w", o.RaceID, err)
		}
	}
	return nil
}

// shorten brings the deadlines of open offers down to what an offer made now would get,
// after a change of the race under which offers hold for less: race day is nearer, or
// the organizer holds places for less. Nothing ever lengthens them.
func (l *line) shorten(ctx context.Context, old race.Race) error {
	if l.row.Offered <= 0 || old.Entry == nil {
		return nil
	}
	until, offers := l.race.Entry.Hold(l.now, l.race.Date)
	if !offers {
		until = l.now.Add(race.LastHold)
	}
	if before, offered := old.Entry.Hold(l.now, old.Date); !offered || !until.Before(before) {
		return nil
	}
	open, err := l.q.OpenOffersOfPool(ctx, l.race.ID, l.row.Pool)
	if err != nil {
		return fmt.Errorf("read the offers of race %s: %w", l.race.ID, err)
	}
	until = until.UTC().Truncate(time.Microsecond)
	for _, e := range open {
		if !e.OfferExpiresAt.Time.After(until) {
			continue
		}
		if err := l.wake(ctx, e); err != nil {
			return err
		}
		l.log("entry.offer_shortened", e, "", map[string]any{"status": race.Offered, "until": until})
	}
	if err := l.q.ShortenOffers(ctx, gen.ShortenOffersParams{
		Deadline: sql.NullTime{Time: until, Valid: true}, RaceID: l.race.ID, Pool: l.row.Pool,
	}); err != nil {
		return fmt.Errorf("shorten the offers of race %s: %w", l.race.ID, err)
	}
	return nil
}

// OpenOffer is an offer that nobody has answered.
type OpenOffer struct {
	Offer
	Overdue bool // its deadline has passed
}

// OpenOffers returns up to limit offers that have been open for a time and whose
// workflow is not about to be started, the one that ends first in front.
func (s *Outcomes) OpenOffers(ctx context.Context, heldBefore time.Duration, limit int) ([]OpenOffer, error) {
	var now time.Time
	if err := s.db.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
		return nil, fmt.Errorf("read the database's clock: %w", err)
	}
	rows, err := s.queries.OpenOffers(ctx, now.Add(-heldBefore), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list open offers: %w", err)
	}
	offers := make([]OpenOffer, len(rows))
	for i, row := range rows {
		offers[i] = OpenOffer{
			Offer:   Offer{RaceID: row.RaceID, Pool: int(row.Pool), Seq: row.Seq, No: int(row.OfferNo)},
			Overdue: row.OfferExpiresAt.Valid && now.Sub(row.OfferExpiresAt.Time) > heldBefore,
		}
	}
	return offers, nil
}

// HeldOffer is an open offer as operators see it: without its runner.
type HeldOffer struct {
	Offer
	RaceName  string
	OfferedAt time.Time
	ExpiresAt time.Time
	Age       time.Duration
	Overdue   bool // its deadline has passed: its workflow should have ended it
	Queued    bool // its workflow is still to be started
}

// HeldOffers returns up to limit open offers of all races after one of them, the one that
// ends first in front: that is where those that are overdue are. The zero value of after
// begins the list.
func (s *Store) HeldOffers(ctx context.Context, after HeldOffer, limit int) ([]HeldOffer, error) {
	now, err := s.databaseTime(ctx)
	if err != nil {
		return nil, err
	}
	if after.ExpiresAt.IsZero() {
		after.ExpiresAt = time.Unix(0, 0).UTC()
	}
	rows, err := s.queries.HeldOffers(ctx, gen.HeldOffersParams{
		ExpiresAt: sql.NullTime{Time: after.ExpiresAt, Valid: true}, RaceID: after.RaceID, Pool: int16(after.Pool), Seq: after.Seq, Limit: count32(limit), //nolint:gosec // keys are small
	})
	if err != nil {
		return nil, fmt.Errorf("list open offers: %w", err)
	}
	offers := make([]HeldOffer, len(rows))
	for i, row := range rows {
		offers[i] = HeldOffer{
			Offer:    Offer{RaceID: row.RaceID, Pool: int(row.Pool), Seq: row.Seq, No: int(row.OfferNo)},
			RaceName: row.Name, OfferedAt: row.ChangedAt, ExpiresAt: row.OfferExpiresAt.Time, Age: now.Sub(row.ChangedAt),
			Overdue: !now.Before(row.OfferExpiresAt.Time), Queued: row.Queued,
		}
	}
	return offers, nil
}

// RequeueOffer has the workflow of an offer started again.
func (s *Outcomes) RequeueOffer(ctx context.Context, o Offer) error {
	err := s.queries.RequeueOffer(ctx, gen.RequeueOfferParams{
		RaceID: o.RaceID, Pool: int16(o.Pool), Seq: o.Seq, OfferNo: int32(o.No), CreatedAt: s.now(), //nolint:gosec // keys and counts are small
	})
	if err != nil && !mysql.IsDuplicate(err) {
		return fmt.Errorf("queue an offer of race %s again: %w", o.RaceID, err)
	}
	return nil
}
