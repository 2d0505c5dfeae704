package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// maxServed is how many runners one transaction takes from a line at most.
const maxServed = 256

// line is a pool of a race under its lock.
type line struct {
	*Store
	tx   *sql.Tx
	q    *gen.Queries
	race race.Race
	pool race.EntryPool
	row  gen.EntryPool // the counters; written when the change is complete
	draw *gen.Draw     // nil: the race's places are not drawn
	now  time.Time     // by the database's clock, read under the lock

	left    []int64 // numbers that are no longer in line
	changes []race.Change
}

// inLine calls change in a transaction that has locked a pool of a race, and then
// writes the counters. It returns race.ErrNotFound when there is no such race or pool.
func (s *Store) inLine(ctx context.Context, raceID string, pool int, change func(*line) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error { return s.lockLine(ctx, tx, raceID, pool, change) })
}

// lockLine is inLine in a transaction that has begun. The pool's row is always locked
// before the race's.
func (s *Store) lockLine(ctx context.Context, tx *sql.Tx, raceID string, pool int, change func(*line) error) error {
	q := s.queries.WithTx(tx)
	row, err := q.LockPool(ctx, raceID, int16(pool)) //nolint:gosec // keys are small
	if errors.Is(err, sql.ErrNoRows) {
		return race.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("lock pool %d of race %s: %w", pool, raceID, err)
	}
	r, err := lockRace(ctx, q, raceID) // the race's capacity is of all pools and the start list together
	if err != nil {
		return err
	}
	l, err := s.lineOf(ctx, tx, r, row)
	if err != nil {
		return err
	}
	if err := change(l); err != nil {
		return err
	}
	return l.write(ctx)
}

// lineOf returns a pool of a race; the transaction must have locked both.
func (s *Store) lineOf(ctx context.Context, tx *sql.Tx, r race.Race, row gen.EntryPool) (*line, error) {
	l := &line{Store: s, tx: tx, q: s.queries.WithTx(tx), race: r, row: row}
	var ok bool
	if l.pool, ok = r.EntryPoolWith(int(row.Pool)); !ok {
		return nil, race.ErrNotFound
	}
	if err := tx.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&l.now); err != nil {
		return nil, fmt.Errorf("read the database's clock: %w", err)
	}
	if r.Entry.Order == race.ByDraw {
		d, err := l.q.DrawOf(ctx, r.ID)
		if err != nil {
			return nil, fmt.Errorf("read the draw of race %s: %w", r.ID, err)
		}
		l.draw = &d
	}
	return l, nil
}

// write writes the counters, who left the line, and the change log.
func (l *line) write(ctx context.Context) error {
	if len(l.left) > 0 {
		l.row.Version++
		const into = `INSERT INTO entry_departure (race_id, pool, version, seq) VALUES `
		err := insertRows(ctx, l.tx, into, l.left, func(args []any, seq int64) []any {
			return append(args, l.race.ID, l.row.Pool, l.row.Version, seq)
		})
		if err != nil {
			return err
		}
	}
	err := l.q.SetPool(ctx, gen.SetPoolParams{
		Taken: l.row.Taken, Offered: l.row.Offered, Waiting: l.row.Waiting, Registered: l.row.Registered, NextSeq: l.row.NextSeq, NextBib: l.row.NextBib,
		Version: l.row.Version, RaceID: l.race.ID, Pool: l.row.Pool,
	})
	if err != nil {
		return fmt.Errorf("write the counters of pool %d of race %s: %w", l.row.Pool, l.race.ID, err)
	}
	return writeChanges(ctx, l.tx, l.now, l.changes...)
}

// freeInPool returns how many places of the pool are neither taken nor offered;
// negative after the capacity was lowered.
func (l *line) freeInPool() int64 {
	if l.pool.Capacity == 0 {
		return 1 << 40
	}
	return int64(l.pool.Capacity) - int64(l.row.Taken) - int64(l.row.Offered)
}

// free returns how many places there are to give. The race's own capacity bounds all its
// participants: those of other pools, and those of start lists, who hold no place of a
// pool. They are counted only while the pool has places.
func (l *line) free(ctx context.Context) (int64, error) {
	free := l.freeInPool()
	if free <= 0 || l.race.Capacity == 0 {
		return free, nil
	}
	elsewhere, err := l.q.PlacesElsewhere(ctx, l.race.ID, l.race.ID, l.row.Pool)
	if err != nil {
		return 0, fmt.Errorf("count the places of race %s: %w", l.race.ID, err)
	}
	return min(free, int64(l.race.Capacity)-elsewhere-int64(l.row.Offered)), nil
}

// full says which capacity is reached.
func (l *line) full(field string) error {
	if l.freeInPool() <= 0 {
		return &race.ConflictError{Field: field, Message: fmt.Sprintf("the race is full: its capacity is %d", l.pool.Capacity)}
	}
	return &race.ConflictError{Field: field, Message: fmt.Sprintf("the race is full: its capacity is %d, with start lists and all pools", l.race.Capacity)}
}

// log notes a change of an entry that somebody made, or that followed from one.
func (l *line) log(action string, e gen.Entry, reason string, after map[string]any) {
	l.changes = append(l.changes, race.Change{
		Action: action, RaceID: l.race.ID, Subject: race.Subject{Kind: "entry", ID: e.EntryID}, AboutID: e.UserID, Reason: reason,
		Before: map[string]any{"status": e.State}, After: after,
	})
}

// serve gives free places to those who wait, in the order of their numbers: those with
// a standing acceptance enter, the others are offered a place. It serves a bounded
// number; ServeLines goes on.
func (l *line) serve(ctx context.Context) error {
	until, offers := l.race.Entry.Hold(l.now, l.race.Date)
	if l.row.Waiting <= 0 || l.race.Entry.Paused || l.race.Status != race.Scheduled || !offers {
		return nil
	}
	free, err := l.free(ctx)
	n := min(free, int64(l.row.Waiting), maxServed)
	if err != nil || n <= 0 {
		return err
	}
	next, err := l.q.FirstInLine(ctx, l.race.ID, l.row.Pool, int32(n))
	if err != nil {
		return fmt.Errorf("read the line of race %s: %w", l.race.ID, err)
	}
	existing, err := l.participantsOf(ctx, next)
	if err != nil {
		return err
	}
	var enters, offered, in []gen.Entry
	for _, e := range next {
		l.left = append(l.left, e.Seq)
		switch {
		case existing[e.UserID].Status == string(race.Entered):
			in = append(in, e)
		case e.Standing:
			enters = append(enters, e)
		default:
			offered = append(offered, e)
		}
	}
	l.row.Waiting -= int32(len(next)) //nolint:gosec // likewise
	if err := l.leaveWaiting(ctx, in); err != nil {
		return err
	}
	if err := l.enterWaiting(ctx, enters, existing); err != nil {
		return err
	}
	return l.offer(ctx, offered, until)
}

// leaveWaiting takes those out of the line who have come into the race by a start list:
// they need no place.
func (l *line) leaveWaiting(ctx context.Context, entries []gen.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	err := l.q.LeaveWaiting(ctx, gen.LeaveWaitingParams{ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seqs: seqsOf(entries)})
	if err != nil {
		return fmt.Errorf("take %d runners out of a line: %w", len(entries), err)
	}
	for _, e := range entries {
		l.log("entry.cancelled", e, "entered by a start list", map[string]any{"status": race.Cancelled})
	}
	return nil
}

func (l *line) enterWaiting(ctx context.Context, entries []gen.Entry, existing map[string]gen.Participant) error {
	if len(entries) == 0 {
		return nil
	}
	err := l.q.EnterWaiting(ctx, gen.EnterWaitingParams{ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seqs: seqsOf(entries)})
	if err != nil {
		return fmt.Errorf("enter %d runners who waited: %w", len(entries), err)
	}
	if _, err := l.addParticipants(ctx, entries, existing); err != nil {
		return err
	}
	l.row.Taken += int32(len(entries)) //nolint:gosec // at most maxServed
	for _, e := range entries {
		l.log("entry.entered", e, "", map[string]any{"status": race.Entered})
	}
	return nil
}

// offer holds a place for each of the entries. The rows of the outbox have a workflow
// started for each offer, which ends it in time.
func (l *line) offer(ctx context.Context, entries []gen.Entry, until time.Time) error {
	if len(entries) == 0 {
		return nil
	}
	err := l.q.OfferPlaces(ctx, gen.OfferPlacesParams{
		OfferExpiresAt: sql.NullTime{Time: until.UTC(), Valid: true}, ChangedAt: l.now, RaceID: l.race.ID, Pool: l.row.Pool, Seqs: seqsOf(entries),
	})
	if err != nil {
		return fmt.Errorf("offer %d places: %w", len(entries), err)
	}
	const into = `INSERT INTO offer_outbox (race_id, pool, seq, offer_no, created_at) VALUES `
	err = insertRows(ctx, l.tx, into, entries, func(args []any, e gen.Entry) []any {
		return append(args, l.race.ID, l.row.Pool, e.Seq, e.OfferNo+1, l.now)
	})
	if err != nil {
		return err
	}
	l.row.Offered += int32(len(entries)) //nolint:gosec // at most maxServed
	for _, e := range entries {
		l.log("entry.offered", e, "", map[string]any{"status": race.Offered, "until": until.UTC()})
	}
	return nil
}

func seqsOf(entries []gen.Entry) []int64 {
	seqs := make([]int64, len(entries))
	for i, e := range entries {
		seqs[i] = e.Seq
	}
	return seqs
}

// addParticipants adds those who have entered to the race's participants, with a bib
// of the pool's range, and returns them in the same order. existing are those of them
// who are participants already, maybe cancelled ones.
func (l *line) addParticipants(ctx context.Context, entries []gen.Entry, existing map[string]gen.Participant) ([]race.Participant, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	bibs, err := l.dealBibs(ctx, len(entries))
	if err != nil {
		return nil, err
	}
	return l.addWithBibs(ctx, entries, bibs, existing)
}

// addWithBibs is addParticipants with bibs that are chosen already; empty ones are none.
func (l *line) addWithBibs(ctx context.Context, entries []gen.Entry, bibs []string, existing map[string]gen.Participant) ([]race.Participant, error) {
	added := make([]race.Participant, len(entries))
	var fresh []int
	for i, e := range entries {
		bib := bibs[i] //nolint:gosec // there are as many
		added[i] = race.Participant{
			ID: e.EntryID, RaceID: l.race.ID, UserID: e.UserID, Bib: bib, Sex: race.Sex(e.Sex), Age: l.ageOf(e),
			Field: race.Runner, Team: e.Team, Status: race.Entered,
		}
		old, known := existing[e.UserID]
		switch {
		case !known:
			fresh = append(fresh, i)
		case old.Status == string(race.Entered): // a start list or a claim has brought them in meanwhile
			added[i] = participantOf(old)
		default:
			err := l.q.RenewParticipant(ctx, gen.RenewParticipantParams{
				NewID: e.EntryID, Bib: nullString(bib), BibKey: nullString(race.BibKey(bib)), Sex: e.Sex, Age: nullAge(added[i].Age),
				OwnAge: e.OwnAge, OwnAgeOn: e.OwnAgeOn, Team: e.Team, UpdatedAt: l.now, RaceID: l.race.ID, UserID: e.UserID,
			})
			if err != nil {
				return nil, fmt.Errorf("enter a runner of race %s again: %w", l.race.ID, err)
			}
		}
	}
	const into = `INSERT INTO participant
    (participant_id, race_id, user_id, bib, bib_key, sex, age, own_age, own_age_on, field, team, status, created_at, updated_at) VALUES `
	return added, insertRows(ctx, l.tx, into, fresh, func(args []any, i int) []any {
		p, e := added[i], entries[i]
		return append(args, p.ID, p.RaceID, p.UserID, nullString(p.Bib), nullString(race.BibKey(p.Bib)), string(p.Sex), nullAge(p.Age),
			e.OwnAge, e.OwnAgeOn, string(p.Field), p.Team, string(p.Status), l.now, l.now)
	})
}

// ageOf returns the age of an entrant on race day, which may have moved since they
// joined.
func (l *line) ageOf(e gen.Entry) int {
	if !e.OwnAge.Valid || !e.OwnAgeOn.Valid {
		return race.UnknownAge
	}
	return int(e.OwnAge.Int16) + race.DateOf(e.OwnAgeOn.Time).YearsUntil(l.race.Date)
}

// participantsOf returns the participants that entrants already are, by user ID.
func (l *line) participantsOf(ctx context.Context, entries []gen.Entry) (map[string]gen.Participant, error) {
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.UserID
	}
	rows, err := l.q.ParticipantsOfUsers(ctx, l.race.ID, users)
	if err != nil {
		return nil, fmt.Errorf("read participants of race %s: %w", l.race.ID, err)
	}
	found := make(map[string]gen.Participant, len(rows))
	for _, row := range rows {
		found[row.UserID] = row
	}
	return found, nil
}

// dealBibs returns n bibs of the pool's range that nobody in the race has, or empty
// ones when it has no range or no more bibs. They are dealt upwards; those that were
// given back are dealt once the range is through.
func (l *line) dealBibs(ctx context.Context, n int) ([]string, error) {
	bibs := make([]string, n)
	if l.pool.BibFrom == 0 {
		return bibs, nil
	}
	from := max(int(l.row.NextBib), l.pool.BibFrom)
	candidates := make([]sql.NullString, 0, n)
	for bib := from; bib <= l.pool.BibTo && len(candidates) < n; bib++ {
		candidates = append(candidates, nullString(strconv.Itoa(bib)))
	}
	if len(candidates) == n {
		taken, err := l.q.BibsTaken(ctx, l.race.ID, candidates)
		if err != nil {
			return nil, fmt.Errorf("read bibs of race %s: %w", l.race.ID, err)
		}
		if len(taken) == 0 {
			for i, bib := range candidates {
				bibs[i] = bib.String
			}
			l.row.NextBib = int32(from + n) //nolint:gosec // bibs are below a million
			return bibs, nil
		}
	}
	rows, err := l.q.BibsOfRace(ctx, l.race.ID)
	if err != nil {
		return nil, fmt.Errorf("read bibs of race %s: %w", l.race.ID, err)
	}
	taken := make(map[string]bool, len(rows))
	for _, row := range rows {
		taken[row.String] = true
	}
	dealt, next := 0, 0
	for _, start := range []int{from, l.pool.BibFrom} {
		for bib := start; bib <= l.pool.BibTo && dealt < n; bib++ {
			if text := strconv.Itoa(bib); !taken[text] {
				bibs[dealt], taken[text] = text, true
				dealt++
				next = bib + 1
			}
		}
	}
	if dealt > 0 {
		l.row.NextBib = int32(next)
	}
	return bibs, nil
}

func insertEntries(ctx context.Context, tx *sql.Tx, entries []gen.Entry) error {
	const into = `INSERT INTO entry (race_id, pool, seq, entry_id, user_id, state, standing, sex, own_age, own_age_on, team,
    origin, received_at, created_at, changed_at) VALUES `
	return insertRows(ctx, tx, into, entries, func(args []any, e gen.Entry) []any {
		return append(args, e.RaceID, e.Pool, e.Seq, e.EntryID, e.UserID, e.State, e.Standing, e.Sex, e.OwnAge, e.OwnAgeOn, e.Team,
			e.Origin, e.ReceivedAt, e.CreatedAt, e.ChangedAt)
	})
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
