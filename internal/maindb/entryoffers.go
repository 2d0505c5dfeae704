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

// errGone says that an entry is no longer where it was read.
var errGone = errors.New("the entry has moved")

// inEntry calls change with an entry under the lock on its pool. It reads the entry
// once more when its runner has joined the line again meanwhile.
func (s *Store) inEntry(ctx context.Context, raceID, userID string, change func(*line, gen.Entry) error) error {
	for {
		seen, err := s.queries.EntryOf(ctx, userID, raceID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read entry in race %s: %w", raceID, err)
		}
		err = s.inLine(ctx, raceID, int(seen.Pool), func(l *line) error {
			e, err := l.q.EntryAt(ctx, raceID, seen.Pool, seen.Seq)
			if errors.Is(err, sql.ErrNoRows) || err == nil && e.UserID != userID {
				return errGone
			}
			if err != nil {
				return fmt.Errorf("read entry in race %s: %w", raceID, err)
			}
			return change(l, e)
		})
		if !errors.Is(err, errGone) {
			return err
		}
	}
}

// leaveLine cancels an entry, whatever its state, and serves the line. Whoever is in the
// race by a start list leaves it, too.
func (s *Store) leaveLine(ctx context.Context, e gen.Entry) error {
	return s.inEntry(ctx, e.RaceID, e.UserID, func(l *line, e gen.Entry) error {
		there, err := l.participantsOf(ctx, []gen.Entry{e})
		if err != nil {
			return err
		}
		left := race.EntryStatus(e.State).Left()
		if p, ok := there[e.UserID]; ok && enteredOtherwise(&e, &p) {
			switch {
			case l.race.Status == race.Scheduled:
				if err := l.q.CancelParticipant(ctx, l.now, p.ParticipantID); err != nil {
					return fmt.Errorf("cancel entry in race %s: %w", l.race.ID, err)
				}
			case left:
				return errHasResults
			}
		}
		if left {
			return l.serve(ctx)
		}
		return l.end(ctx, e, race.Cancelled, "", "entry.cancelled")
	})
}

var errHasResults = &race.ConflictError{Message: "the race has results: ask its organizer"}

// end ends an entry that holds a place or waits, and passes its place on.
func (l *line) end(ctx context.Context, e gen.Entry, state race.EntryStatus, reason, action string) error {
	switch race.EntryStatus(e.State) {
	case race.Entered:
		if l.race.Status != race.Scheduled {
			return errHasResults
		}
		there, err := l.participantsOf(ctx, []gen.Entry{e})
		if err != nil {
			return err
		}
		if p, ok := there[e.UserID]; ok {
			if err := l.q.CancelParticipant(ctx, l.now, p.ParticipantID); err != nil {
				return fmt.Errorf("cancel entry in race %s: %w", l.race.ID, err)
			}
		}
		l.row.Taken--
	case race.Offered:
		l.row.Offered--
	case race.Waiting:
		l.row.Waiting--
		l.left = append(l.left, e.Seq)
	case race.OfferDeclined, race.OfferExpired, race.Cancelled, race.Dropped:
	}
	if err := l.setState(ctx, e, state, reason); err != nil {
		return err
	}
	l.log(action, e, reason, map[string]any{"status": state})
	return l.serve(ctx)
}

// setState writes the state of an entry. It returns errGone when the runner has joined
// another pool since it was read, which the lock on this one does not keep them from.
func (l *line) setState(ctx context.Context, e gen.Entry, state race.EntryStatus, reason string) error {
	n, err := l.q.SetEntryState(ctx, gen.SetEntryStateParams{
		State: string(state), Reason: reason, ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seq: e.Seq,
	})
	if err != nil {
		return fmt.Errorf("write an entry of race %s: %w", l.race.ID, err)
	}
	if n == 0 {
		return errGone
	}
	return nil
}

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
		case race.Entered, race.Waiting, race.OfferDeclined, race.Cancelled, race.Dropped:
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

// EntryOf returns a runner's entry in a race with its position in line, or
// race.ErrNotFound.
func (s *Store) EntryOf(ctx context.Context, raceID, userID string) (LineEntry, error) {
	e, err := s.queries.EntryOf(ctx, userID, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		p, err := s.Participant(ctx, raceID, userID)
		return LineEntry{Participant: p}, err
	}
	if err != nil {
		return LineEntry{}, fmt.Errorf("read entry in race %s: %w", raceID, err)
	}
	r, err := s.Race(ctx, raceID)
	if err != nil {
		return LineEntry{}, err
	}
	var participant *gen.Participant
	p, err := s.queries.ParticipantOf(ctx, raceID, userID)
	if err == nil {
		participant = &p
	} else if !errors.Is(err, sql.ErrNoRows) {
		return LineEntry{}, fmt.Errorf("read entry in race %s: %w", raceID, err)
	}
	if enteredOtherwise(&e, participant) {
		return LineEntry{Participant: participantOf(*participant)}, nil
	}
	found := lineEntryOf(r, e, participant)
	if found.Status == race.Waiting {
		err = s.position(ctx, raceID, &found)
		return found, err
	}
	return found, nil
}

// SetStanding says whether a runner in line takes a place without being asked. A
// runner who already has an offer still has to answer it.
func (s *Store) SetStanding(ctx context.Context, raceID, userID string, standing bool) (LineEntry, error) {
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		return l.q.SetStanding(ctx, gen.SetStandingParams{Standing: standing, RaceID: raceID, Pool: e.Pool, Seq: e.Seq})
	})
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

// ServeLines gives away the places that are free although somebody waits: those that a
// larger capacity or the end of a pause left to be given. It returns how many runners
// it served. A line that it cannot serve keeps no other waiting.
func (s *Store) ServeLines(ctx context.Context) (n int, failed error) {
	for {
		lines, err := s.queries.LinesToServe(ctx)
		if err != nil {
			return n, fmt.Errorf("look for lines with free places: %w", err)
		}
		before := n
		for _, waiting := range lines {
			err := s.inLine(ctx, waiting.RaceID, int(waiting.Pool), func(l *line) error {
				if err := l.serve(ctx); err != nil {
					return err
				}
				n += len(l.left)
				return nil
			})
			if err != nil && !errors.Is(err, race.ErrNotFound) {
				failed = errors.Join(failed, fmt.Errorf("serve a line of race %s: %w", waiting.RaceID, err))
			}
		}
		if n == before || failed != nil {
			return n, failed
		}
	}
}

// StartOffers starts the workflows of offers that are not known to have one. start must
// be safe to repeat. Offers that another process is starting are left to it.
func (s *Store) StartOffers(ctx context.Context, start func(context.Context, Offer) error) error {
	var failed error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		failed = nil
		rows, err := q.OffersToStart(ctx, served)
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
