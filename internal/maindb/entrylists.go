package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// PoolCounts are the entries of a pool, counted by state as they are now.
type PoolCounts struct {
	race.EntryPool
	Taken   int
	Offered int
	Waiting int
	Version int64 // of the line: it grows whenever somebody leaves it
}

// PoolCounts returns the pools of a race in the order of its settings.
func (s *Store) PoolCounts(ctx context.Context, r race.Race) ([]PoolCounts, error) {
	rows, err := s.queries.PoolsOfRace(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("read the pools of race %s: %w", r.ID, err)
	}
	counts := []PoolCounts{}
	for _, p := range r.EntryPools() {
		for _, row := range rows {
			if int(row.Pool) == p.Key {
				counts = append(counts, PoolCounts{EntryPool: p, Taken: int(row.Taken), Offered: int(row.Offered), Waiting: int(row.Waiting), Version: row.Version})
			}
		}
	}
	return counts, nil
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
}

// EntryPosition is a position in the list of entries: by pool, then by number. The
// zero value is before the first.
type EntryPosition struct {
	Pool int
	Seq  int64
}

// Entries returns up to limit entries of a race with entry settings after a position.
// Positions in line are only set when the list is of one pool's line from its
// beginning.
func (s *Store) Entries(ctx context.Context, r race.Race, filter EntryFilter, after EntryPosition, limit int) ([]LineEntry, error) {
	where, args := []string{"race_id = ?", "(pool > ? OR pool = ? AND seq > ?)"}, []any{r.ID, after.Pool, after.Pool, after.Seq}
	if filter.Status != "" {
		where, args = append(where, "state = ?"), append(args, string(filter.Status))
	}
	if filter.Pool != 0 {
		where, args = append(where, "pool = ?"), append(args, filter.Pool)
	}
	//nolint:gosec // only conditions of this function are added
	rows, err := s.db.QueryContext(ctx, `SELECT race_id, pool, seq, entry_id, user_id, state, standing, offer_no, offer_expires_at, sex, own_age, own_age_on,
    team, reason, received_at, created_at, changed_at
FROM entry WHERE `+strings.Join(where, " AND ")+` ORDER BY pool, seq LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list entries of race %s: %w", r.ID, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
	var found []gen.Entry
	for rows.Next() {
		var e gen.Entry
		err := rows.Scan(&e.RaceID, &e.Pool, &e.Seq, &e.EntryID, &e.UserID, &e.State, &e.Standing, &e.OfferNo, &e.OfferExpiresAt, &e.Sex,
			&e.OwnAge, &e.OwnAgeOn, &e.Team, &e.Reason, &e.ReceivedAt, &e.CreatedAt, &e.ChangedAt)
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
	list := make([]LineEntry, len(entries))
	for i, e := range entries {
		var participant *gen.Participant
		if p, ok := participants[e.UserID]; ok {
			participant = &p
		}
		list[i] = lineEntryOf(r, e, participant)
	}
	return list, nil
}

// RemoveEntry ends the entry of a runner by the organizer's decision: it leaves the line,
// or its place goes to the next. The runner cannot join again. Removing it again changes
// nothing. It returns race.ErrNotFound.
func (s *Store) RemoveEntry(ctx context.Context, raceID, userID, reason string) (LineEntry, error) {
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		if e.State == string(race.Dropped) {
			return nil
		}
		return l.end(ctx, e, race.Dropped, reason, "entry.removed")
	})
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

// EnterByHand enters a runner who asked for a place, whatever their position, by the
// organizer's decision. Beyond the capacity it does so only when told to. It returns
// race.ErrNotFound, and a *race.ConflictError when there is no free place, or when the
// runner has cancelled: nobody is entered who does not want to.
func (s *Store) EnterByHand(ctx context.Context, raceID, userID, reason string, overCapacity bool) (LineEntry, error) {
	err := s.inEntry(ctx, raceID, userID, func(l *line, e gen.Entry) error {
		free, err := l.free(ctx)
		if err != nil {
			return err
		}
		switch race.EntryStatus(e.State) {
		case race.Entered:
			return nil
		case race.Cancelled, race.OfferDeclined:
			return &race.ConflictError{Message: "the runner has withdrawn: only they can ask for a place again"}
		case race.Offered:
			free++ // the offer's own
		case race.Waiting, race.OfferExpired, race.Dropped:
		}
		if l.race.Status != race.Scheduled {
			return &race.ConflictError{Message: "entries are closed: the race has results"}
		}
		if free <= 0 && !overCapacity {
			return l.full("over_capacity")
		}
		if err := holdAccount(ctx, l.q, userID); errors.Is(err, race.ErrLeft) {
			return &race.ConflictError{Message: "the runner's account has been deleted"}
		} else if err != nil {
			return err
		}
		return l.enterByHand(ctx, e, reason, overCapacity)
	})
	if err != nil {
		return LineEntry{}, err
	}
	return s.EntryOf(ctx, raceID, userID)
}

func (l *line) enterByHand(ctx context.Context, e gen.Entry, reason string, overCapacity bool) error {
	switch race.EntryStatus(e.State) {
	case race.Offered:
		l.row.Offered--
	case race.Waiting:
		l.row.Waiting--
		l.left = append(l.left, e.Seq)
	case race.Entered, race.Cancelled, race.OfferDeclined, race.OfferExpired, race.Dropped:
	}
	if err := l.setState(ctx, e, race.Entered, reason); err != nil {
		return err
	}
	there, err := l.participantsOf(ctx, []gen.Entry{e})
	if err != nil {
		return err
	}
	if _, err := l.addParticipants(ctx, []gen.Entry{e}, there); err != nil {
		return err
	}
	l.row.Taken++
	l.log("entry.entered_by_hand", e, reason, map[string]any{"status": race.Entered, "over_capacity": overCapacity && l.freeInPool() < 0})
	return nil
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
