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

// Entry is a runner's request to take part in a race.
type Entry struct {
	ID        string // of the future participant
	RaceID    string
	UserID    string
	Sex       race.Sex  // of the account
	BirthDate race.Date // of the account; zero when it has none
	Team      string    // empty: none

	// The rest is for races with entry settings.
	Pool       string // by name; empty: the first that fits
	Standing   bool   // enters as soon as a place comes free, without an offer
	ReceivedAt time.Time
	LoginHash  string // of the account; only where the pool demands a qualifying time
}

// Enter makes a runner a participant of a race without entry settings; Entering calls it
// for those. When an earlier call with the same entry did
// so, it returns that participant. Entries close with the first result. It returns
// race.ErrNotFound when there is no such race, and a *race.ConflictError when
// entries are closed, the race is full, or the runner has entered under another ID.
// A cancelled entry is renewed under the new ID.
func (s *Store) Enter(ctx context.Context, e Entry) (entered race.Participant, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := holdAccount(ctx, q, e.UserID); err != nil {
			return err
		}
		r, err := lockRace(ctx, q, e.RaceID)
		if err != nil {
			return err
		}
		if r.Entry != nil { // it has got them since Entering read the race
			return &race.ConflictError{Message: "the race has just changed how runners enter: ask again"}
		}
		old, err := q.ParticipantOf(ctx, e.RaceID, e.UserID)
		known := err == nil
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("look for an entry: %w", err)
		case known && old.ParticipantID == e.ID:
			entered = participantOf(old)
			return nil
		case known && old.Status == string(race.Entered):
			return &race.ConflictError{Message: "you have already entered this race"}
		}
		if err := takesEntries(ctx, q, r); err != nil {
			return err
		}
		entered = race.Participant{
			ID: e.ID, RaceID: e.RaceID, UserID: e.UserID, Sex: e.Sex, Age: e.BirthDate.AgeOn(r.Date),
			Field: race.Runner, Team: e.Team, Status: race.Entered,
		}
		if known {
			err = s.enterAgain(ctx, q, old.ParticipantID, entered, nullDate(r.Date))
		} else {
			err = s.enterFirst(ctx, q, entered, nullDate(r.Date))
		}
		if err != nil {
			return err
		}
		return s.logEntry(ctx, tx, "entry.entered", entered, race.EntryStatus(old.Status))
	})
	return entered, err
}

// takesEntries returns an error when the race accepts no more entries. It must be
// called under the lock on the race, so that only one of several runners gets the
// last place.
func takesEntries(ctx context.Context, q *gen.Queries, r race.Race) error {
	if r.Status != race.Scheduled {
		return &race.ConflictError{Message: "entries are closed: the race has results"}
	}
	if r.Capacity == 0 {
		return nil
	}
	entered, err := q.CountEntered(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("count entries of race %s: %w", r.ID, err)
	}
	if entered >= int64(r.Capacity) {
		return &race.ConflictError{Message: fmt.Sprintf("the race is full: its capacity is %d", r.Capacity)}
	}
	return nil
}

func (s *Store) enterFirst(ctx context.Context, q *gen.Queries, p race.Participant, ageOn sql.NullTime) error {
	now := s.now()
	err := q.InsertParticipant(ctx, gen.InsertParticipantParams{
		ParticipantID: p.ID, RaceID: p.RaceID, UserID: p.UserID, Sex: string(p.Sex), Age: nullAge(p.Age),
		OwnAge: nullAge(p.Age), OwnAgeOn: ageOn, Field: string(p.Field), Team: p.Team, Status: string(p.Status), CreatedAt: now, UpdatedAt: now,
	})
	if err != nil {
		return fmt.Errorf("enter race %s: %w", p.RaceID, err)
	}
	return nil
}

func (s *Store) enterAgain(ctx context.Context, q *gen.Queries, cancelledID string, p race.Participant, ageOn sql.NullTime) error {
	err := q.EnterAgain(ctx, gen.EnterAgainParams{
		NewID: p.ID, Sex: string(p.Sex), Age: nullAge(p.Age), OwnAge: nullAge(p.Age), OwnAgeOn: ageOn,
		Field: string(p.Field), Team: p.Team, UpdatedAt: s.now(), OldID: cancelledID,
	})
	if err != nil {
		return fmt.Errorf("enter race %s again: %w", p.RaceID, err)
	}
	return nil
}

// Participant returns the entry of a runner in a race, including a cancelled one,
// or race.ErrNotFound.
func (s *Store) Participant(ctx context.Context, raceID, userID string) (race.Participant, error) {
	row, err := s.queries.ParticipantOf(ctx, raceID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return race.Participant{}, race.ErrNotFound
	}
	if err != nil {
		return race.Participant{}, fmt.Errorf("read entry in race %s: %w", raceID, err)
	}
	return participantOf(row), nil
}

// CancelEntry cancels a runner's entry and frees the place and the bib. Cancelling
// again changes nothing. It returns race.ErrNotFound when there is no entry, and a
// *race.ConflictError once the race has results, because the points of the bib then
// belong to the runner. In a race with entry settings it is also how a runner leaves
// the line or declines an offer; the place goes to the next in line.
func (s *Store) CancelEntry(ctx context.Context, raceID, userID string) error {
	e, err := s.queries.EntryOf(ctx, userID, raceID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s.cancelParticipant(ctx, raceID, userID)
	case err != nil:
		return fmt.Errorf("read entry in race %s: %w", raceID, err)
	}
	return s.leaveLine(ctx, e)
}

// cancelParticipant cancels the entry of somebody who holds no place of a pool.
func (s *Store) cancelParticipant(ctx context.Context, raceID, userID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		row, err := q.ParticipantOf(ctx, raceID, userID)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return race.ErrNotFound
		case err != nil:
			return fmt.Errorf("read entry in race %s: %w", raceID, err)
		case row.Status == string(race.Cancelled):
			return nil
		case status != race.Scheduled:
			return &race.ConflictError{Message: "the race has results: ask its organizer"}
		}
		if err := q.CancelParticipant(ctx, s.now(), row.ParticipantID); err != nil {
			return fmt.Errorf("cancel entry in race %s: %w", raceID, err)
		}
		cancelled := participantOf(row)
		cancelled.Status = race.Cancelled
		return s.logEntry(ctx, tx, "entry.cancelled", cancelled, race.EntryStatus(row.Status))
	})
}

// logEntry logs what became of an entry in a race without entry settings. before is empty
// when there was none.
func (s *Store) logEntry(ctx context.Context, tx *sql.Tx, action string, p race.Participant, before race.EntryStatus) error {
	change := race.Change{
		Action: action, RaceID: p.RaceID, Subject: race.Subject{Kind: "entry", ID: p.ID}, AboutID: p.UserID, After: map[string]any{"status": p.Status},
	}
	if before != "" {
		change.Before = map[string]any{"status": before}
	}
	return writeChanges(ctx, tx, s.now(), change)
}

// GiveUpListed gives an entry that only a start list has attached to an account back to
// the stand-in of its bib, with its points, and returns how many records it revised.
// Start lists could do that before results were claimed, without the consent of the
// runner, who has the result until they give it up, somebody else claims it with the
// code of the bib, or an operator separates them. It returns race.ErrNotFound when the
// account has no such entry, which is the rule.
func (s *Store) GiveUpListed(ctx context.Context, raceID, userID string, standIn StandIn) (revised int, err error) {
	if row, err := s.queries.ParticipantOf(ctx, raceID, userID); errors.Is(err, sql.ErrNoRows) || err == nil && !row.Listed {
		return 0, race.ErrNotFound
	}
	return s.underRace(ctx, raceID, standIn, func(c *claiming) error {
		entry, err := c.q.ParticipantOf(ctx, raceID, userID)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (!entry.Listed || !entry.BibKey.Valid) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read entry in race %s: %w", raceID, err)
		}
		to, err := c.personBefore(ctx, gen.Claim{BibKey: entry.BibKey.String}, entry)
		if err != nil {
			return err
		}
		return c.give(ctx, entry, to, true, "given up by the runner")
	})
}

// OwnEntry is an entry of a runner.
type OwnEntry struct {
	race.Participant
	Race race.Race // only ID, name, city, date, distance and status
}

// EntriesOf returns the last limit races that a runner has entered, the newest first.
func (s *Store) EntriesOf(ctx context.Context, userID string, limit int) ([]OwnEntry, error) {
	rows, err := s.queries.EntriesOfUser(ctx, userID, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the entries of user %s: %w", userID, err)
	}
	entries := make([]OwnEntry, len(rows))
	for i, row := range rows {
		entries[i] = OwnEntry{participantOf(row.Participant), race.Race{
			ID: row.Participant.RaceID, Name: row.Name, City: row.City, Date: race.DateOf(row.RaceDate), Distance: race.Distance(row.DistanceMm),
			Status: race.Status(row.RaceStatus),
		}}
	}
	return entries, nil
}

// ListParticipants returns up to limit entries of a race after the participant with
// the ID afterID, in the order of their IDs; an empty afterID starts with the
// first.
func (s *Store) ListParticipants(ctx context.Context, raceID, afterID string, limit int) ([]race.Participant, error) {
	rows, err := s.queries.ParticipantsAfter(ctx, raceID, afterID, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list entries of race %s: %w", raceID, err)
	}
	list := make([]race.Participant, len(rows))
	for i, row := range rows {
		list[i] = participantOf(row)
	}
	return list, nil
}

// TeamsOfRace returns the teams of those who are entered in a race, by user ID.
func (s *Store) TeamsOfRace(ctx context.Context, raceID string) (map[string]string, error) {
	rows, err := s.queries.TeamsOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the teams of race %s: %w", raceID, err)
	}
	teams := make(map[string]string, len(rows))
	for _, row := range rows {
		teams[row.UserID] = row.Team
	}
	return teams, nil
}

func participantOf(row gen.Participant) race.Participant {
	p := race.Participant{
		ID: row.ParticipantID, RaceID: row.RaceID, UserID: row.UserID, Bib: row.Bib.String,
		Sex: race.Sex(row.Sex), Age: race.UnknownAge, Field: race.Field(row.Field), Team: row.Team, Status: race.EntryStatus(row.Status),
	}
	if row.Age.Valid {
		p.Age = int(row.Age.Int16)
	}
	return p
}

// nullDate is NULL for the zero date.
func nullDate(d race.Date) sql.NullTime { return sql.NullTime{Time: d.Midnight(), Valid: !d.IsZero()} }

// nullAge is NULL for an age that is unknown or impossible.
func nullAge(age int) sql.NullInt16 {
	if age < 0 || age > race.MaxAge {
		return sql.NullInt16{}
	}
	return sql.NullInt16{Int16: int16(age), Valid: true}
}

// EntrantWithBib returns who is entered with a bib, nil when nobody is.
func (s *Store) EntrantWithBib(ctx context.Context, raceID, bib string) (*race.Participant, error) {
	row, err := s.queries.ParticipantWithBib(ctx, raceID, nullString(race.BibKey(bib)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // such a bib has no entrant
	}
	if err != nil {
		return nil, fmt.Errorf("read who is entered with a bib in race %s: %w", raceID, err)
	}
	found := participantOf(row)
	return &found, nil
}
