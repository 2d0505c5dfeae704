package maindb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// LineEntry is somebody's entry in a race with entry settings, or in line for it.
type LineEntry struct {
	race.Participant // ID, bib and age are those of the entry once it is entered

	Pool           string // empty in a race without entry settings
	PoolKey        int
	Seq            int64 // the order of arrival in the pool; zero without entry settings
	Position       int   // in line, from 1; zero unless waiting
	LineVersion    int64 // of the line that the position is in
	OfferNo        int
	OfferExpiresAt time.Time // zero unless offered
	DrawNumber     string    // by which the runner is drawn; empty where places are not drawn
	DrawPlace      int       // in the order of the draw, from 1; zero before it
	Standing       bool      // takes a place without an offer
	Reason         string    // of the organizer who entered or removed them
	ReceivedAt     time.Time // by the clock of the process that answered
	JoinedAt       time.Time // when they got their number, by the database's clock
	ChangedAt      time.Time
	Origin         race.EntryOrigin
	Unqualified    bool   // has or wants a place of a pool whose standard its runner does not meet; see MarkUnqualified
	NextRaceID     string // of a deferred entry: where its runner has a place instead
	PriorRaceID    string // of an entry by deferral: the edition that its runner has a place of here
}

// lineEntryOf returns an entry as callers see it; participant is nil for those who never
// were one.
func lineEntryOf(r race.Race, e gen.Entry, participant *gen.Participant) LineEntry {
	found := LineEntry{
		Participant: race.Participant{
			ID: e.EntryID, RaceID: e.RaceID, UserID: e.UserID, Sex: race.Sex(e.Sex), Age: race.UnknownAge, Field: race.Runner, Team: e.Team,
		},
		PoolKey: int(e.Pool), Seq: e.Seq, OfferNo: int(e.OfferNo), OfferExpiresAt: e.OfferExpiresAt.Time, Standing: e.Standing,
		Reason: e.Reason, ReceivedAt: e.ReceivedAt, JoinedAt: e.CreatedAt, ChangedAt: e.ChangedAt,
		Origin: race.EntryOrigin(e.Origin),
	}
	if e.OwnAge.Valid && e.OwnAgeOn.Valid {
		found.Age = int(e.OwnAge.Int16) + race.DateOf(e.OwnAgeOn.Time).YearsUntil(r.Date)
	}
	if participant != nil && e.State == string(race.Entered) {
		found.Participant = participantOf(*participant)
	}
	found.Status = race.EntryStatus(e.State)
	pool, _ := r.EntryPoolWith(int(e.Pool))
	found.Pool = pool.Name
	return found
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
	if err := withDrawNumbers(ctx, s.queries, r, &found); err != nil {
		return found, err
	}
	if found.Status == race.Waiting {
		err = s.position(ctx, raceID, &found)
		return found, err
	}
	err = s.withDeferral(ctx, &found)
	return found, err
}

// withDeferral adds the other edition to an entry that was deferred, or came by a
// deferral.
func (s *Store) withDeferral(ctx context.Context, e *LineEntry) error {
	var row gen.EntryDeferral
	var err error
	switch {
	case e.Status == race.Deferred:
		row, err = s.queries.DeferralOf(ctx, e.RaceID, e.UserID)
		e.NextRaceID = row.NextRaceID
	case e.Origin == race.EnteredByDeferral:
		row, err = s.queries.DeferralTo(ctx, e.RaceID, e.UserID, e.ID)
		e.PriorRaceID = row.RaceID
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // none is left when the other race was deleted
		return fmt.Errorf("read a deferral of race %s: %w", e.RaceID, err)
	}
	return nil
}

// LineNow returns the version of a pool's line and how many wait in it, or
// race.ErrNotFound.
func (s *Store) LineNow(ctx context.Context, raceID string, pool int) (version int64, waiting int, err error) {
	row, err := s.queries.PoolNow(ctx, raceID, int16(pool)) //nolint:gosec // keys are small
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, race.ErrNotFound
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read pool %d of race %s: %w", pool, raceID, err)
	}
	return row.Version, int(row.Waiting), nil
}

// EntryFilter selects entries of a race. The zero value selects all.
type EntryFilter struct {
	Status race.EntryStatus
	Pool   int
	// Unqualified selects those whose runners do not meet the standard of their pool.
	Unqualified bool
}

// EntryCursor is a position in the list of entries: by pool, then by number. The
// zero value is before the first.
type EntryCursor struct {
	Pool int
	Seq  int64
}

// Entries returns up to limit entries of a race with entry settings after a position.
// Positions in line are only set when the list is of one pool's line from its
// beginning.
func (s *Store) Entries(ctx context.Context, r race.Race, filter EntryFilter, after EntryCursor, limit int) ([]LineEntry, error) {
	if !filter.Unqualified {
		found, err := s.entries(ctx, r, filter, after, limit)
		if err != nil {
			return nil, err
		}
		return found, s.MarkUnqualified(ctx, r, found)
	}
	if !slices.ContainsFunc(r.EntryPools(), func(p race.EntryPool) bool { return !p.Standard.IsZero() }) {
		return nil, nil
	}
	var list []LineEntry
	for len(list) < limit {
		found, err := s.entries(ctx, r, filter, after, chunk)
		if err != nil {
			return nil, err
		}
		if err := s.MarkUnqualified(ctx, r, found); err != nil {
			return nil, err
		}
		for _, e := range found {
			if e.Unqualified && len(list) < limit {
				list = append(list, e)
			}
		}
		if len(found) < chunk {
			break
		}
		after = EntryCursor{Pool: found[len(found)-1].PoolKey, Seq: found[len(found)-1].Seq}
	}
	return list, nil
}

// entries returns the entries with the state and the pool of a filter.
func (s *Store) entries(ctx context.Context, r race.Race, filter EntryFilter, after EntryCursor, limit int) ([]LineEntry, error) {
	where, args := []string{"race_id = ?", "(pool > ? OR pool = ? AND seq > ?)"}, []any{r.ID, after.Pool, after.Pool, after.Seq}
	if filter.Status != "" {
		where, args = append(where, "state = ?"), append(args, string(filter.Status))
	}
	if filter.Pool != 0 {
		where, args = append(where, "pool = ?"), append(args, filter.Pool)
	}
	//nolint:gosec // only conditions of this function are added
	rows, err := s.db.QueryContext(ctx, `SELECT race_id, pool, seq, entry_id, user_id, state, standing, offer_no, offer_expires_at, sex, own_age, own_age_on,
    team, reason, origin, received_at, created_at, changed_at
FROM entry WHERE `+strings.Join(where, " AND ")+` ORDER BY pool, seq LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list entries of race %s: %w", r.ID, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
	var found []gen.Entry
	for rows.Next() {
		var e gen.Entry
		err := rows.Scan(&e.RaceID, &e.Pool, &e.Seq, &e.EntryID, &e.UserID, &e.State, &e.Standing, &e.OfferNo, &e.OfferExpiresAt, &e.Sex,
			&e.OwnAge, &e.OwnAgeOn, &e.Team, &e.Reason, &e.Origin, &e.ReceivedAt, &e.CreatedAt, &e.ChangedAt)
		if err != nil {
			return nil, fmt.Errorf("read an entry of race %s: %w", r.ID, err)
		}
		found = append(found, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list entries of race %s: %w", r.ID, err)
	}
	return s.withParticipants(ctx, r, found)
}

func (s *Store) withParticipants(ctx context.Context, r race.Race, entries []gen.Entry) ([]LineEntry, error) {
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.UserID
	}
	participants := map[string]gen.Participant{}
	if len(users) > 0 {
		rows, err := s.queries.ParticipantsOfUsers(ctx, r.ID, users)
		if err != nil {
			return nil, fmt.Errorf("read participants of race %s: %w", r.ID, err)
		}
		for _, p := range rows {
			participants[p.UserID] = p
		}
	}
	list, all := make([]LineEntry, len(entries)), make([]*LineEntry, len(entries))
	for i, e := range entries {
		var participant *gen.Participant
		if p, ok := participants[e.UserID]; ok {
			participant = &p
		}
		list[i] = lineEntryOf(r, e, participant)
		all[i] = &list[i]
	}
	return list, withDrawNumbers(ctx, s.queries, r, all...)
}

// Departures are the numbers that left a pool's line, by the version with which they did.
type Departures struct {
	Version int64
	Seqs    []int64
}

// maxDepartures is how many departures one call returns at most.
const maxDepartures = 20_000

// DeparturesSince returns who left the line of a pool after a version, in order. If
// there are too many, it returns only the first; the next call has the rest.
func (s *Store) DeparturesSince(ctx context.Context, raceID string, pool int, version int64) ([]Departures, error) {
	rows, err := s.queries.DeparturesSince(ctx, gen.DeparturesSinceParams{
		RaceID: raceID, Pool: int16(pool), Version: version, Limit: maxDepartures, //nolint:gosec // keys are small
	})
	if err != nil {
		return nil, fmt.Errorf("read who left a line of race %s: %w", raceID, err)
	}
	if n := len(rows); n == maxDepartures { // the last version may be incomplete
		for last := rows[n-1].Version; n > 0 && rows[n-1].Version == last; n-- {
			rows = rows[:n-1]
		}
	}
	var found []Departures
	for _, row := range rows {
		if n := len(found); n == 0 || found[n-1].Version != row.Version {
			found = append(found, Departures{Version: row.Version})
		}
		last := &found[len(found)-1]
		last.Seqs = append(last.Seqs, row.Seq)
	}
	return found, nil
}

// positions adds the positions of those who were in line before.
func (s *Store) positions(ctx context.Context, raceID string, pool int, answers []answer) error {
	var missing, alone []*LineEntry
	for i := range answers {
		e := &answers[i].entrant
		switch {
		case e.Status != race.Waiting || e.Position != 0:
		case e.PoolKey == pool:
			missing = append(missing, e)
		default: // they wait in another pool than they ask for now
			alone = append(alone, e)
		}
	}
	if len(missing) <= fewPositions {
		missing, alone = nil, append(alone, missing...)
	}
	for _, e := range alone {
		if err := s.position(ctx, raceID, e); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	waiting, err := s.queries.WaitingSeqs(ctx, raceID, int16(pool)) //nolint:gosec // keys are small
	if err != nil {
		return fmt.Errorf("read the line of race %s: %w", raceID, err)
	}
	if len(waiting) == 0 { // all of them have been served meanwhile
		return nil
	}
	for _, e := range missing {
		before, _ := slices.BinarySearchFunc(waiting, e.Seq, func(w gen.WaitingSeqsRow, seq int64) int { return cmp.Compare(w.Seq, seq) })
		e.Position = before + 1
		e.LineVersion = waiting[0].Version
	}
	return nil
}

func (s *Store) position(ctx context.Context, raceID string, e *LineEntry) error {
	row, err := s.queries.EntryPosition(ctx, e.Seq, raceID, int16(e.PoolKey)) //nolint:gosec // keys are small
	if err != nil {
		return fmt.Errorf("count who waits in race %s: %w", raceID, err)
	}
	e.Position, e.LineVersion = int(row.InFront)+1, row.Version
	return nil
}

// OwnLineEntry is a runner's place in line, or an offer to them.
type OwnLineEntry struct {
	LineEntry
	Race race.Race
}

// InLine returns the races in which a runner waits for a place or is offered one, the
// next race first.
func (s *Store) InLine(ctx context.Context, userID string) ([]OwnLineEntry, error) {
	ids, err := s.queries.LiveEntriesOf(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list the entries of user %s: %w", userID, err)
	}
	var found []OwnLineEntry
	for _, id := range ids {
		entry, err := s.EntryOf(ctx, id, userID)
		if errors.Is(err, race.ErrNotFound) || err == nil && entry.Status != race.Waiting && entry.Status != race.Offered {
			continue // it changed meanwhile, or they have a place
		}
		if err != nil {
			return nil, err
		}
		r, err := s.Race(ctx, id)
		if err != nil {
			return nil, err
		}
		found = append(found, OwnLineEntry{entry, r})
	}
	slices.SortFunc(found, func(a, b OwnLineEntry) int {
		return cmp.Or(a.Race.Date.Midnight().Compare(b.Race.Date.Midnight()), cmp.Compare(a.Race.ID, b.Race.ID))
	})
	return found, nil
}

// fewPositions is up to how many positions are counted one by one.
const fewPositions = 8
