package maindb

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// nextState returns how the next one enters, of whom free have a place at once; empty:
// not at all.
func (l *line) nextState(free *int64) race.EntryStatus {
	switch {
	case l.drawing():
		return race.Registered
	case *free > 0 && l.row.Waiting == 0:
		*free--
		return race.Entered
	case l.race.Entry.WaitingList:
		return race.Waiting
	default:
		return ""
	}
}

// enter enters those who are not known yet, or puts them in line. One answer never
// depends on whether another is a refusal.
func (l *line) enter(ctx context.Context, entries []Entry, known map[string]knownEntrant) ([]answer, error) {
	if err := l.readKnown(ctx, known); err != nil {
		return nil, err
	}
	origins, err := l.qualified(ctx, entries)
	if err != nil {
		return nil, err
	}
	free, err := l.free(ctx)
	if err != nil {
		return nil, err
	}
	answers, refusal := make([]answer, len(entries)), l.refusal()
	var added, again, entering []gen.Entry // rows to insert, to move to the end, and those of both who enter
	var enteringAt []int
	for i, e := range entries {
		k := known[e.UserID]
		var done bool
		if answers[i], done = k.answer(l.race, refusal); done {
			continue
		}
		origin, qualified := origins[e.UserID]
		if origins != nil && !qualified {
			answers[i].err = l.pool.Standard.Refusal(l.pool.Name, e.Sex)
			continue
		}
		state := l.nextState(&free)
		if state == "" {
			answers[i].err = l.full("")
			continue
		}
		row := l.newEntry(e)
		row.State, row.Origin = string(state), string(origin)
		l.row.NextSeq++
		if k.entry == nil {
			added = append(added, row)
		} else {
			again = append(again, row)
		}
		answers[i].entrant = lineEntryOf(l.race, row, nil)
		switch state {
		case race.Registered:
			l.row.Registered++
		case race.Waiting:
			l.row.Waiting++
			answers[i].entrant.Position, answers[i].entrant.LineVersion = int(l.row.Waiting), l.row.Version
		default:
			l.row.Taken++
			entering, enteringAt = append(entering, row), append(enteringAt, i)
		}
	}
	if err := l.writeEntries(ctx, added, again); err != nil {
		return nil, err
	}
	participants, err := l.addParticipants(ctx, entering, participantsOf(entering, known))
	if err != nil {
		return nil, err
	}
	for i, p := range participants {
		answers[enteringAt[i]].entrant.Participant = p
	}
	return answers, l.addDrawNumbers(ctx, answers)
}

func (l *line) addDrawNumbers(ctx context.Context, answers []answer) error {
	entrants := make([]*LineEntry, len(answers))
	for i := range answers {
		entrants[i] = &answers[i].entrant
	}
	return withDrawNumbers(ctx, l.q, l.race, entrants...)
}

// writeEntries inserts the rows of who enters for the first time, and moves those who
// enter again to the end.
func (l *line) writeEntries(ctx context.Context, added, again []gen.Entry) error {
	if err := insertEntries(ctx, l.tx, added); err != nil {
		return err
	}
	for _, row := range again {
		if err := l.rejoin(ctx, row); err != nil {
			return err
		}
	}
	if !l.drawing() {
		return nil
	}
	return l.dealDrawNumbers(ctx, slices.Concat(added, again))
}

// participantsOf returns those who enter and are participants already, by their accounts.
func participantsOf(entering []gen.Entry, known map[string]knownEntrant) map[string]gen.Participant {
	existing := make(map[string]gen.Participant)
	for _, row := range entering {
		if p := known[row.UserID].participant; p != nil {
			existing[row.UserID] = *p
		}
	}
	return existing
}

// knownEntrant is what the database has about somebody who asks to enter.
type knownEntrant struct {
	left        bool // their account is deleted
	entry       *gen.Entry
	participant *gen.Participant
}

// answer returns the answer to somebody who is known, or who is refused; done is false
// for those who are to be entered.
func (k knownEntrant) answer(r race.Race, refusal error) (a answer, done bool) {
	switch {
	case k.left:
		a.err = race.ErrLeft
	case enteredOtherwise(k.entry, k.participant):
		a.entrant = LineEntry{Participant: participantOf(*k.participant)}
	case k.entry != nil && k.entry.State == string(race.RemovedEntry):
		a.err = &race.ConflictError{Message: "the organizer has removed your entry"}
	case k.entry != nil && k.entry.State == string(race.Deferred):
		a.err = errHasDeferred
	case k.entry != nil && !race.EntryStatus(k.entry.State).Left():
		a.entrant = lineEntryOf(r, *k.entry, k.participant)
	case refusal != nil:
		a.err = refusal
	default:
		return a, false
	}
	return a, true
}

// enteredOtherwise reports whether somebody is in the race without a place of a pool, as
// by a start list, whatever became of their place in line.
func enteredOtherwise(e *gen.Entry, p *gen.Participant) bool {
	return p != nil && p.Status == string(race.Entered) && (e == nil || e.State != string(race.Entered))
}

func (l *line) newEntry(e Entry) gen.Entry {
	return gen.Entry{
		RaceID: l.race.ID, Pool: l.row.Pool, Seq: l.row.NextSeq, EntryID: e.ID, UserID: e.UserID, Standing: e.Standing,
		Sex: string(e.Sex), OwnAge: nullAge(e.BirthDate.AgeOn(l.race.Date)), OwnAgeOn: nullDate(l.race.Date), Team: e.Team,
		ReceivedAt: e.ReceivedAt.UTC().Truncate(time.Microsecond), CreatedAt: l.now, ChangedAt: l.now,
	}
}

func (l *line) rejoin(ctx context.Context, row gen.Entry) error {
	err := l.q.Rejoin(ctx, gen.RejoinParams{
		Pool: row.Pool, Seq: row.Seq, EntryID: row.EntryID, State: row.State, Standing: row.Standing, Sex: row.Sex, OwnAge: row.OwnAge,
		OwnAgeOn: row.OwnAgeOn, Team: row.Team, Origin: row.Origin, ReceivedAt: row.ReceivedAt, ChangedAt: l.now, UserID: row.UserID, RaceID: row.RaceID,
	})
	if err != nil {
		return fmt.Errorf("join the line of race %s again: %w", row.RaceID, err)
	}
	return nil
}

// refusal returns why nobody may enter now, by the database's clock.
func (l *line) refusal() error {
	settings := l.race.Entry
	opens := settings.OpenFrom(l.pool)
	switch {
	case l.race.Status != race.Scheduled:
		return &race.ConflictError{Message: "entries are closed: the race has results"}
	case !opens.IsZero() && l.now.Before(opens):
		return &race.ConflictError{Field: "opens_at", Message: "entry opens at " + settings.In(opens).Format(time.RFC3339)}
	case !settings.ClosesAt.IsZero() && !l.now.Before(settings.ClosesAt):
		return &race.ConflictError{Field: "closes_at", Message: "entry closed at " + settings.In(settings.ClosesAt).Format(time.RFC3339)}
	case settings.Paused:
		return &race.ConflictError{Message: "entry is paused by the organizer"}
	}
	return nil
}

// knownEntrants marks the accounts, like holdAccount, and returns those of which anything
// is known in the race. All batches mark accounts in the same order, so that two cannot
// wait for each other.
func (s *Store) knownEntrants(ctx context.Context, tx *sql.Tx, raceID string, entries []Entry) (map[string]knownEntrant, error) {
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.UserID
	}
	slices.Sort(users)
	args := make([]any, len(users))
	for i, id := range users {
		args[i] = id
	}
	//nolint:gosec // only placeholders are added
	marks := "INSERT INTO account_mark (user_id) VALUES " + strings.Repeat(",(?)", len(args))[1:] + " ON DUPLICATE KEY UPDATE user_id = user_id"
	if _, err := tx.ExecContext(ctx, marks, args...); err != nil {
		return nil, fmt.Errorf("hold %d accounts: %w", len(args), err)
	}
	rows, err := s.queries.WithTx(tx).KnownEntrants(ctx, raceID, raceID, users)
	if err != nil {
		return nil, fmt.Errorf("look for entries in race %s: %w", raceID, err)
	}
	known := make(map[string]knownEntrant, len(rows))
	for _, row := range rows {
		known[row.UserID] = knownEntrant{left: row.LeftAt.Valid}
	}
	return known, nil
}

// readKnown reads the entries of those who are known as they are under the lock.
func (l *line) readKnown(ctx context.Context, known map[string]knownEntrant) error {
	if len(known) == 0 {
		return nil
	}
	users := slices.Collect(maps.Keys(known))
	found, err := l.q.EntriesOfUsers(ctx, l.race.ID, users)
	if err != nil {
		return fmt.Errorf("read entries in race %s: %w", l.race.ID, err)
	}
	for _, e := range found {
		k := known[e.UserID]
		k.entry = &e
		known[e.UserID] = k
	}
	participants, err := l.q.ParticipantsOfUsers(ctx, l.race.ID, users)
	if err != nil {
		return fmt.Errorf("read participants of race %s: %w", l.race.ID, err)
	}
	for _, row := range participants {
		k := known[row.UserID]
		k.participant = &row
		known[row.UserID] = k
	}
	return nil
}
