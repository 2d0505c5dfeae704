package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
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
		existing, err := l.participantsOf(ctx, []gen.Entry{e})
		if err != nil {
			return err
		}
		left := race.EntryStatus(e.State).Left()
		if p, ok := existing[e.UserID]; ok && enteredOtherwise(&e, &p) {
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
		existing, err := l.participantsOf(ctx, []gen.Entry{e})
		if err != nil {
			return err
		}
		if p, ok := existing[e.UserID]; ok {
			if err := l.q.CancelParticipant(ctx, l.now, p.ParticipantID); err != nil {
				return fmt.Errorf("cancel entry in race %s: %w", l.race.ID, err)
			}
		}
		l.row.Taken--
		if err := l.endTransfers(ctx, e.UserID, race.TransferEnded); err != nil {
			return err
		}
	case race.Offered, race.Waiting, race.Registered:
		if err := l.stopWaiting(ctx, e); err != nil {
			return err
		}
	case race.OfferDeclined, race.OfferExpired, race.Cancelled, race.RemovedEntry, race.NotDrawn, race.Transferred, race.Deferred:
	}
	if err := l.setState(ctx, e, state, reason); err != nil {
		return err
	}
	l.log(action, e, reason, map[string]any{"status": state})
	return l.serve(ctx)
}

// stopWaiting takes an entry without a place out of the pool's counts.
func (l *line) stopWaiting(ctx context.Context, e gen.Entry) error {
	switch race.EntryStatus(e.State) {
	case race.Offered:
		l.row.Offered--
		return l.wake(ctx, e)
	case race.Waiting:
		l.row.Waiting--
		l.left = append(l.left, e.Seq)
	case race.Registered:
		l.row.Registered--
	case race.Entered, race.Cancelled, race.OfferDeclined, race.OfferExpired, race.RemovedEntry, race.NotDrawn, race.Transferred, race.Deferred:
	}
	return nil
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

// SetStanding says whether a runner in line takes a place without being asked. A
// runner who already has an offer still has to answer it.
func (s *Store) SetStanding(ctx context.Context, raceID, userID string, standing bool) (LineEntry, error) {
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		if e.Standing == standing {
			return nil
		}
		l.log("entry.standing_changed", e, "", map[string]any{"status": e.State, "standing_acceptance": standing})
		return l.q.SetStanding(ctx, gen.SetStandingParams{Standing: standing, RaceID: raceID, Pool: e.Pool, Seq: e.Seq})
	})
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

// RemoveEntry ends the entry of a runner by the organizer's decision: it leaves the line,
// or its place goes to the next. The runner cannot join again. Removing it again changes
// nothing. It returns race.ErrNotFound, and a *race.ConflictError when the runner has
// deferred: then there is nothing to remove.
func (s *Store) RemoveEntry(ctx context.Context, raceID, userID, reason string) (LineEntry, error) {
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		switch race.EntryStatus(e.State) {
		case race.RemovedEntry:
			return nil
		case race.Deferred: // they cannot come back anyhow
			return errTheyDeferred
		case race.Entered, race.Waiting, race.Offered, race.Registered, race.Cancelled, race.OfferDeclined, race.OfferExpired, race.NotDrawn, race.Transferred:
		}
		return l.end(ctx, e, race.RemovedEntry, reason, "entry.removed")
	})
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

// EnterByHand enters a runner who asked for a place, whatever their position, by the
// organizer's decision. Beyond the capacity, or without the result that the pool demands,
// it does so only when told to. It returns race.ErrNotFound, and a *race.ConflictError
// when there is no free place, when the runner does not qualify, or when they have
// cancelled: nobody is entered who does not want to.
func (s *Store) EnterByHand(ctx context.Context, raceID, userID, reason string, override Override) (LineEntry, error) {
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		free, err := l.free(ctx)
		if err != nil {
			return err
		}
		switch race.EntryStatus(e.State) {
		case race.Entered:
			return nil
		case race.Cancelled, race.OfferDeclined, race.Transferred:
			return &race.ConflictError{Message: "the runner has withdrawn: only they can ask for a place again"}
		case race.Deferred:
			return errTheyDeferred
		case race.Offered:
			free++ // the offer's own
		case race.Waiting, race.OfferExpired, race.RemovedEntry, race.Registered, race.NotDrawn:
		}
		if l.race.Status != race.Scheduled {
			return &race.ConflictError{Message: "entries are closed: the race has results"}
		}
		if free <= 0 && !override.Capacity {
			return l.full("over_capacity")
		}
		if err := l.mayEnterByHand(ctx, e, override); err != nil {
			return err
		}
		if err := holdAccount(ctx, l.q, userID); errors.Is(err, race.ErrLeft) {
			return &race.ConflictError{Message: "the runner's account has been deleted"}
		} else if err != nil {
			return err
		}
		return l.enterByHand(ctx, e, reason, override)
	})
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

// Override is what an organizer who enters a runner by hand says does not matter.
type Override struct {
	Capacity bool // all places are taken
	Standard bool // the runner does not meet the pool's standard
}

// mayEnterByHand returns why a runner who does not meet the pool's standard is not
// entered. Admissions do not count here: the organizer decides at this moment.
func (l *line) mayEnterByHand(ctx context.Context, e gen.Entry, override Override) error {
	if override.Standard || e.Origin != string(race.EnteredByRequest) {
		return nil
	}
	_, ok, err := l.qualify(ctx, e.UserID, Account{Sex: race.Sex(e.Sex)})
	if err == nil && !ok {
		err = &race.ConflictError{Field: "unqualified", Message: "the runner has no result that meets the standard of the pool"}
	}
	return err
}

func (l *line) enterByHand(ctx context.Context, e gen.Entry, reason string, override Override) error {
	if err := l.stopWaiting(ctx, e); err != nil {
		return err
	}
	if err := l.setState(ctx, e, race.Entered, reason); err != nil {
		return err
	}
	if err := l.q.SetEntryOrigin(ctx, gen.SetEntryOriginParams{Origin: string(race.EnteredByHand), RaceID: l.race.ID, Pool: l.row.Pool, Seq: e.Seq}); err != nil {
		return fmt.Errorf("write an entry of race %s: %w", l.race.ID, err)
	}
	existing, err := l.participantsOf(ctx, []gen.Entry{e})
	if err != nil {
		return err
	}
	if _, err := l.addParticipants(ctx, []gen.Entry{e}, existing); err != nil {
		return err
	}
	l.row.Taken++
	l.log("entry.entered_by_hand", e, reason, map[string]any{"status": race.Entered, "over_capacity": override.Capacity && l.freeInPool() < 0, "unqualified": override.Standard && !l.pool.Standard.IsZero()})
	return nil
}
