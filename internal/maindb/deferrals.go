package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// checkNextEdition returns a *race.ConflictError when the settings name a next edition
// that cannot be one. Places of a race are only given away by its owner and its editors.
func checkNextEdition(ctx context.Context, q *gen.Queries, old, updated race.Race) error {
	if updated.Entry == nil || updated.Entry.NextRaceID == "" || old.Entry != nil && old.Entry.NextRaceID == updated.Entry.NextRaceID {
		return nil
	}
	editor := race.ActorFrom(ctx).AccountID
	row, err := q.RaceWithRole(ctx, editor, updated.Entry.NextRaceID)
	next, err := foundRace(updated.Entry.NextRaceID, row.Race, err)
	switch {
	case errors.Is(err, race.ErrNotFound), err == nil && (next.OrganizerID != updated.OrganizerID || next.ID == updated.ID):
		return &race.ConflictError{Field: "entry.next_race_id", Message: "must be another race of the same organizer"}
	case err != nil:
		return err
	case editor != "" && !roleIn(next, editor, row.Role).Includes(race.Editor): // it would let strangers to that race fill it
		return &race.ConflictError{Field: "entry.next_race_id", Message: "must be a race that you work on as an editor"}
	case !updated.Date.Before(next.Date):
		return &race.ConflictError{Field: "entry.next_race_id", Message: "must be a race on a later day"}
	}
	return nil
}

// Deferral is an entry that its runner moved to the next edition.
type Deferral struct {
	RaceID      string
	NextRaceID  string
	NextEntryID string
	At          time.Time
}

// DeferralOf returns where the entry of a runner was moved, or race.ErrNotFound.
func (s *Store) DeferralOf(ctx context.Context, raceID, userID string) (Deferral, error) {
	row, err := s.queries.DeferralOf(ctx, raceID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return Deferral{}, race.ErrNotFound
	}
	if err != nil {
		return Deferral{}, fmt.Errorf("read a deferral from race %s: %w", raceID, err)
	}
	return Deferral{RaceID: row.RaceID, NextRaceID: row.NextRaceID, NextEntryID: row.NextEntryID, At: row.DeferredAt}, nil
}

// Defer moves the entry of a runner to the next edition of the race, in one transaction:
// the place here goes to the next in line, and the runner has one there at once, which
// counts in the capacity there like any other. nextEntryID is of the entry there.
// Repeating it changes nothing. It returns race.ErrNotFound when the runner has no entry,
// and a *race.ConflictError when one of the two races does not allow it.
func (s *Store) Defer(ctx context.Context, raceID, userID, nextEntryID string, account Account) (Deferral, error) {
	for {
		err := s.deferOnce(ctx, raceID, userID, nextEntryID, account)
		if errors.Is(err, errGone) { // the entry or the settings have changed since they were read
			continue
		}
		if err != nil {
			return Deferral{}, err
		}
		return s.DeferralOf(ctx, raceID, userID)
	}
}

func (s *Store) deferOnce(ctx context.Context, raceID, userID, nextEntryID string, account Account) error {
	seen, err := s.queries.EntryOf(ctx, userID, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return race.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("read entry in race %s: %w", raceID, err)
	}
	if seen.State == string(race.Deferred) {
		return nil
	}
	r, err := s.Race(ctx, raceID)
	if err != nil {
		return err
	}
	if r.Entry == nil || r.Entry.NextRaceID == "" {
		return errNoNextEdition
	}
	next, err := s.Race(ctx, r.Entry.NextRaceID)
	if errors.Is(err, race.ErrNotFound) {
		return errNoNextEdition
	}
	if err != nil {
		return err
	}
	if next.Entry == nil {
		return &race.ConflictError{Message: "the next edition takes no entries yet: its organizer has not set up how runners enter it"}
	}
	from, _ := r.EntryPoolWith(int(seen.Pool))
	to, err := nextPool(next, from, account)
	if err != nil {
		return err
	}
	return s.inBothLines(ctx, userID, poolOf{raceID, seen.Pool}, poolOf{next.ID, int16(to.Key)}, func(here, there *line) error { //nolint:gosec // keys are small
		e, err := here.q.EntryAt(ctx, raceID, seen.Pool, seen.Seq)
		if errors.Is(err, sql.ErrNoRows) || err == nil && e.UserID != userID || here.race.Entry.NextRaceID != next.ID {
			return errGone
		}
		if err != nil {
			return fmt.Errorf("read entry in race %s: %w", raceID, err)
		}
		if again, err := nextPool(there.race, here.pool, account); err != nil {
			return err
		} else if again.Key != to.Key {
			return errGone
		}
		return here.deferTo(ctx, there, e, nextEntryID, account)
	})
}

var (
	errNoNextEdition = &race.ConflictError{Message: "entries of this race cannot be deferred: it names no next edition"}
	errTheyDeferred  = &race.ConflictError{Message: "the runner has deferred their entry to the next edition"}
	errHasDeferred   = &race.ConflictError{Message: "you have deferred your entry to the next edition: you cannot enter this one again"}
)

// nextPool chooses the pool of the next edition for somebody from a pool of this one: the
// one of the same name, else the first that is for them.
func nextPool(next race.Race, from race.EntryPool, account Account) (race.EntryPool, error) {
	age := account.BirthDate.AgeOn(next.Date)
	if to, err := next.ChooseEntryPool(from.Name, account.Sex, age); err == nil {
		return to, nil
	}
	to, err := next.ChooseEntryPool("", account.Sex, age)
	if err != nil {
		return to, &race.ConflictError{Message: "no pool of the next edition is for your sex and your age on its race day"}
	}
	return to, nil
}

// poolOf names a pool of a race.
type poolOf struct {
	raceID string
	pool   int16
}

// inBothLines is inLine for a pool of each of two races and a runner, whose account it
// marks first, as entering does. It locks the pools in the order of the races' IDs, and
// then the races in the same order, so that two moves between the same races cannot wait
// for each other. It returns errGone when one of them is no more, and race.ErrLeft.
func (s *Store) inBothLines(ctx context.Context, userID string, first, second poolOf, change func(first, second *line) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := holdAccount(ctx, q, userID); err != nil {
			return err
		}
		order := []poolOf{first, second}
		if second.raceID < first.raceID {
			slices.Reverse(order)
		}
		rows, races := map[string]gen.EntryPool{}, map[string]race.Race{}
		for _, p := range order {
			row, err := q.LockPool(ctx, p.raceID, p.pool)
			if errors.Is(err, sql.ErrNoRows) {
				return errGone
			}
			if err != nil {
				return fmt.Errorf("lock pool %d of race %s: %w", p.pool, p.raceID, err)
			}
			rows[p.raceID] = row
		}
		for _, p := range order {
			r, err := lockRace(ctx, q, p.raceID)
			if err != nil {
				return err
			}
			races[p.raceID] = r
		}
		lines := make([]*line, 2)
		for i, p := range []poolOf{first, second} {
			var err error
			if lines[i], err = s.lineOf(ctx, tx, races[p.raceID], rows[p.raceID]); err != nil {
				return err
			}
		}
		if err := change(lines[0], lines[1]); err != nil {
			return err
		}
		if err := lines[0].write(ctx); err != nil {
			return err
		}
		return lines[1].write(ctx)
	})
}

// deferTo moves an entry to a pool of the next edition.
func (l *line) deferTo(ctx context.Context, next *line, e gen.Entry, nextEntryID string, account Account) error {
	if e.State == string(race.Deferred) {
		return nil
	}
	if err := l.mayDefer(e); err != nil {
		return err
	}
	if err := next.takesDeferred(ctx, l.race); err != nil {
		return err
	}
	known, participant, err := next.knownThere(ctx, e.UserID)
	if err != nil {
		return err
	}
	if l.pool.Standard.IsZero() { // whoever qualified here need not do so again
		if _, ok, err := next.qualify(ctx, e.UserID, account); err != nil {
			return err
		} else if !ok {
			return next.pool.Standard.Refusal(next.pool.Name, account.Sex)
		}
	}
	to := next.newEntry(Entry{ID: nextEntryID, RaceID: next.race.ID, UserID: e.UserID, Sex: account.Sex, BirthDate: account.BirthDate, Team: e.Team, ReceivedAt: l.now})
	to.Origin = string(race.EnteredByDeferral)
	if err := next.take(ctx, to, known, participant); err != nil {
		return err
	}
	err = l.q.InsertDeferral(ctx, gen.InsertDeferralParams{
		RaceID: l.race.ID, UserID: e.UserID, EntryID: e.EntryID, NextRaceID: next.race.ID, NextEntryID: to.EntryID, DeferredAt: l.now,
	})
	if err != nil {
		return fmt.Errorf("write a deferral from race %s: %w", l.race.ID, err)
	}
	return l.end(ctx, e, race.Deferred, "", "entry.deferred")
}

// mayDefer returns why an entry cannot be deferred now.
func (l *line) mayDefer(e gen.Entry) error {
	settings := l.race.Entry
	switch {
	case e.State != string(race.Entered):
		return &race.ConflictError{Message: "only a runner who has a place can defer it: the entry is " + e.State}
	case l.race.Status != race.Scheduled:
		return errHasResults
	case settings.DeferUntil.IsZero():
		return &race.ConflictError{Field: "defer_until", Message: "entries of this race cannot be deferred"}
	case !l.now.Before(settings.DeferUntil):
		return &race.ConflictError{Field: "defer_until", Message: "entries could be deferred until " + settings.In(settings.DeferUntil).Format(time.RFC3339)}
	}
	return nil
}

// takesDeferred returns why the next edition of a race takes nobody now. That its entry
// has not opened yet does not matter.
func (l *line) takesDeferred(ctx context.Context, from race.Race) error {
	settings := l.race.Entry
	_, ahead := settings.Hold(l.now, l.race.Date)
	switch {
	case l.race.OrganizerID != from.OrganizerID: // one of the races was handed over
		return &race.ConflictError{Message: "the next edition has another organizer now: ask the organizer of this one"}
	case l.race.Status != race.Scheduled || !ahead:
		return &race.ConflictError{Message: "the next edition is over"}
	case !settings.ClosesAt.IsZero() && !l.now.Before(settings.ClosesAt):
		return &race.ConflictError{Message: "entry to the next edition has closed"}
	case settings.Paused:
		return &race.ConflictError{Message: "entry to the next edition is paused by its organizer"}
	case l.row.Waiting > 0:
		return &race.ConflictError{Message: "the next edition is full, and others wait in its line"}
	}
	free, err := l.free(ctx)
	if err == nil && free <= 0 {
		err = &race.ConflictError{Message: "the next edition is full"}
	}
	return err
}

// knownThere returns the entry and the participation that a runner has had in the race of
// the line, or why they cannot have another.
func (l *line) knownThere(ctx context.Context, userID string) (known *gen.Entry, participant *gen.Participant, err error) {
	if known, participant, err = l.knownRunner(ctx, userID); err != nil {
		return nil, nil, err
	}
	switch {
	case participant != nil && participant.Status == string(race.Entered), known != nil && known.State == string(race.Entered):
		return nil, nil, &race.ConflictError{Message: "you have already entered the next edition"}
	case known != nil && known.State == string(race.RemovedEntry):
		return nil, nil, &race.ConflictError{Message: "the organizer has removed your entry from the next edition"}
	case known != nil && known.State == string(race.Deferred):
		return nil, nil, &race.ConflictError{Message: "you have deferred your entry in the next edition already"}
	case known != nil && !race.EntryStatus(known.State).Left():
		return nil, nil, &race.ConflictError{Message: "you are in line for the next edition: leave its line first"}
	}
	return known, participant, nil
}

// take gives a free place of the pool to somebody who has been moved there.
func (l *line) take(ctx context.Context, to gen.Entry, known *gen.Entry, participant *gen.Participant) error {
	l.row.NextSeq++
	l.row.Taken++
	to.State = string(race.Entered)
	existing := map[string]gen.Participant{}
	if participant != nil {
		existing[to.UserID] = *participant
	}
	var err error
	if known != nil {
		err = l.rejoin(ctx, to)
	} else {
		err = insertEntries(ctx, l.tx, []gen.Entry{to})
	}
	if err != nil {
		return err
	}
	if _, err := l.addParticipants(ctx, []gen.Entry{to}, existing); err != nil {
		return err
	}
	to.State = ""
	l.log("entry.carried_over", to, "", map[string]any{"status": race.Entered})
	return nil
}
