package maindb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// prepareDraw makes the seed of a race's draw when the race gets one, and removes it
// when nobody is to be drawn any more. Only the seed's hash is part of the settings.
// Somebody who reads main_db can find the seed before the draw; race.DrawOrder says why
// it does not suffice.
func (s *Store) prepareDraw(ctx context.Context, q *gen.Queries, old *race.EntrySettings, r *race.Race) error {
	if old != nil && r.Entry != nil && old.DrawCommitment != "" && r.Entry.Order == old.Order {
		return nil
	}
	if old != nil && old.Order == race.ByDraw {
		if err := q.DeleteDrawOfRace(ctx, r.ID); err != nil {
			return fmt.Errorf("remove the draw of race %s: %w", r.ID, err)
		}
		if r.Entry != nil {
			r.Entry.DrawCommitment = ""
		}
	}
	if r.Entry == nil || r.Entry.Order != race.ByDraw {
		return nil
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	seed := hex.EncodeToString(secret)
	r.Entry.DrawCommitment = race.DrawCommitment(seed)
	if err := q.InsertDraw(ctx, r.ID, seed, s.now()); err != nil {
		return fmt.Errorf("keep the seed of the draw of race %s: %w", r.ID, err)
	}
	return nil
}

// changeDraw checks that a change of settings leaves a draw fair, and has the draw's
// workflow look at the settings again. The transaction has locked the pools.
func (s *Store) changeDraw(ctx context.Context, q *gen.Queries, old, updated race.Race) error {
	if old.Entry != nil && old.Entry.Order != updated.Entry.Order {
		rows, err := q.PoolsOfRace(ctx, updated.ID)
		if err != nil {
			return fmt.Errorf("read the pools of race %s: %w", updated.ID, err)
		}
		if slices.ContainsFunc(rows, func(p gen.EntryPool) bool { return p.NextSeq > 1 }) {
			return &race.ConflictError{Field: "entry.order", Message: "runners have entered already: how places are given can no longer change"}
		}
	}
	if updated.Entry.Order != race.ByDraw {
		return nil
	}
	d, err := q.DrawOf(ctx, updated.ID)
	if err != nil {
		return fmt.Errorf("read the draw of race %s: %w", updated.ID, err)
	}
	if d.DrawnAt.Valid {
		if !old.Entry.DrawAt.Equal(updated.Entry.DrawAt) {
			return &race.ConflictError{Field: "entry.draw_at", Message: "the places have been drawn"}
		}
		return nil
	}
	if err := q.QueueDraw(ctx, updated.ID, s.now()); err != nil {
		return fmt.Errorf("queue the draw of race %s: %w", updated.ID, err)
	}
	return nil
}

// drawing reports whether those who enter are registered for a draw.
func (l *line) drawing() bool { return l.draw != nil && !l.draw.DrawnAt.Valid }

// dealDrawNumbers gives those who register the number by which they are drawn, unless
// they had one before. The numbers are random, so that nobody can choose one by when
// they register.
func (l *line) dealDrawNumbers(ctx context.Context, entries []gen.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	known, err := drawNumbersOf(ctx, l.q, l.race.ID, entries)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e gen.Entry) bool { return known[e.UserID].Number != "" })
	const into = `INSERT INTO draw_number (race_id, number, user_id, created_at) VALUES `
	return insertRows(ctx, l.tx, into, entries, func(args []any, e gen.Entry) []any {
		return append(args, l.race.ID, rand.Text()[:drawNumberLength], e.UserID, l.now)
	})
}

// drawNumberLength is how many characters a number has, of 5 random bits each: two of
// 100,000 numbers are equal once in 200 million draws, and then one is dealt again.
const drawNumberLength = 12

func drawNumbersOf(ctx context.Context, q *gen.Queries, raceID string, entries []gen.Entry) (map[string]gen.DrawNumbersOfUsersRow, error) {
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = e.UserID
	}
	found := make(map[string]gen.DrawNumbersOfUsersRow, len(users))
	for part := range slices.Chunk(users, chunk) {
		rows, err := q.DrawNumbersOfUsers(ctx, raceID, part)
		if err != nil {
			return nil, fmt.Errorf("read the numbers of the draw of race %s: %w", raceID, err)
		}
		for _, row := range rows {
			found[row.UserID] = row
		}
	}
	return found, nil
}

// withDrawNumbers adds the numbers of a draw to entries of its race.
func withDrawNumbers(ctx context.Context, q *gen.Queries, r race.Race, entries ...*LineEntry) error {
	if r.Entry == nil || r.Entry.Order != race.ByDraw {
		return nil
	}
	users := make([]gen.Entry, 0, len(entries))
	for _, e := range entries {
		if e.UserID != "" {
			users = append(users, gen.Entry{UserID: e.UserID})
		}
	}
	numbers, err := drawNumbersOf(ctx, q, r.ID, users)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.DrawNumber, e.DrawPlace = numbers[e.UserID].Number, int(numbers[e.UserID].Place.Int32)
	}
	return nil
}

// DrawOutcome is how a draw stands.
type DrawOutcome struct {
	Drawn  bool
	Over   bool          // the race has results: nothing is drawn any more
	Paused bool          // the organizer has paused entry, and with it the draw
	Left   time.Duration // until the draw, by the database's clock

	// What the draw gave to those who were registered, counted by their state.
	Entered, Waiting, NotDrawn int
}

// DrawPlaces draws the places of a race if it is time to, by the database's clock. It
// does so once, in one transaction, whoever calls it how often. It returns
// race.ErrNotFound when the race has no draw.
func (s *Outcomes) DrawPlaces(ctx context.Context, raceID string) (outcome DrawOutcome, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		outcome = DrawOutcome{}
		q := s.queries.WithTx(tx)
		rows, err := q.LockPools(ctx, raceID)
		if err != nil {
			return fmt.Errorf("lock the pools of race %s: %w", raceID, err)
		}
		r, err := lockRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		if r.Entry == nil || r.Entry.Order != race.ByDraw {
			return race.ErrNotFound
		}
		lines := make(map[int16]*line, len(rows))
		for _, row := range rows {
			if lines[row.Pool], err = s.lineOf(ctx, tx, r, row); err != nil {
				return err
			}
		}
		first := lines[rows[0].Pool]
		switch left := r.Entry.DrawsAt().Sub(first.now); {
		case !first.drawing():
			outcome.Drawn = true
			return nil
		case r.Status != race.Scheduled:
			outcome.Over = true
			return dropRegistered(ctx, lines)
		case left > 0:
			outcome.Left = left
			return nil
		case r.Entry.Paused:
			outcome.Paused = true
			return nil
		}
		outcome, err = first.drawPlaces(ctx, lines)
		return err
	})
	return outcome, err
}

// dropRegistered ends the entries that are registered for a draw that does not take place.
func dropRegistered(ctx context.Context, lines map[int16]*line) error {
	for _, l := range lines {
		n, err := l.q.DropRegistered(ctx, l.now, l.race.ID, l.row.Pool)
		if err != nil {
			return fmt.Errorf("end the registrations for race %s: %w", l.race.ID, err)
		}
		if l.row.Registered = 0; n > 0 {
			dropped := ofRace(l.race.ID, "entry.draw_cancelled")
			dropped.After = map[string]any{"pool": l.pool.Name, "not_drawn": n}
			l.changes = append(l.changes, dropped)
		}
		if err := l.write(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drawPlaces gives the places of all pools to the registered, in the order of the draw.
// The line's pool is any of them.
func (l *line) drawPlaces(ctx context.Context, lines map[int16]*line) (outcome DrawOutcome, err error) {
	outcome.Drawn = true
	numbers, entries, err := l.registered(ctx)
	if err != nil {
		return outcome, err
	}
	free, err := l.freeInRace(ctx, lines)
	if err != nil {
		return outcome, err
	}
	all := make([]string, len(numbers))
	byNumber := make(map[string]*gen.DrawNumber, len(numbers))
	for i, n := range numbers {
		all[i], byNumber[n.Number] = n.Number, &numbers[i]
	}
	order, listHash := race.DrawOrder(l.draw.Seed, all)
	entering := map[int16][]gen.Entry{} // in the order of the draw
	for i, number := range order {
		n := byNumber[number]
		e, ok := entries[n.UserID]
		n.Place = sql.NullInt32{Int32: int32(i + 1), Valid: true}
		if !ok {
			continue
		}
		of := lines[e.Pool]
		n.Pool, n.Result = sql.NullInt16{Int16: e.Pool, Valid: true}, nullString(e.State)
		if e.State != string(race.Registered) {
			continue
		}
		switch {
		case free > 0 && of.freeInPool() > 0:
			free--
			of.row.Taken++
			outcome.Entered++
			n.Result.String = string(race.Entered)
			entering[e.Pool] = append(entering[e.Pool], e)
		case l.race.Entry.WaitingList:
			of.row.Waiting++
			outcome.Waiting++
			n.Result.String = string(race.Waiting)
		default:
			outcome.NotDrawn++
			n.Result.String = string(race.NotDrawn)
		}
	}
	if err := l.keepDraw(ctx, numbers, listHash); err != nil {
		return outcome, err
	}
	log := ofRace(l.race.ID, "entry.drawn")
	log.After = map[string]any{
		"numbers": len(numbers), "entered": outcome.Entered, "waiting": outcome.Waiting, "not_drawn": outcome.NotDrawn,
		"seed": l.draw.Seed, "list_hash": listHash,
	}
	l.changes = append(l.changes, log)
	for pool, of := range lines {
		if err := of.applyDraw(ctx, entering[pool], len(numbers)); err != nil {
			return outcome, err
		}
	}
	return outcome, nil
}

// registered returns all numbers of the draw, and by user ID the entries of their
// runners. Who has come in by a start list meanwhile needs no place: their entry is
// cancelled.
func (l *line) registered(ctx context.Context) ([]gen.DrawNumber, map[string]gen.Entry, error) {
	numbers, err := l.q.DrawNumbers(ctx, l.race.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("read the numbers of the draw of race %s: %w", l.race.ID, err)
	}
	rows, err := l.q.EntriesInDraw(ctx, l.race.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("read who is registered for race %s: %w", l.race.ID, err)
	}
	entries := make(map[string]gen.Entry, len(rows))
	for part := range slices.Chunk(rows, chunk) {
		existing, err := l.participantsOf(ctx, part)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range part {
			if e.State == string(race.Registered) && existing[e.UserID].Status == string(race.Entered) {
				e.State = string(race.Cancelled)
			}
			entries[e.UserID] = e
		}
	}
	return numbers, entries, nil
}

// freeInRace returns how many places the race's own capacity leaves for all pools.
func (l *line) freeInRace(ctx context.Context, lines map[int16]*line) (int64, error) {
	if l.race.Capacity == 0 {
		return 1 << 40, nil
	}
	elsewhere, err := l.q.PlacesElsewhere(ctx, l.race.ID, l.race.ID, l.row.Pool)
	if err != nil {
		return 0, fmt.Errorf("count the places of race %s: %w", l.race.ID, err)
	}
	return int64(l.race.Capacity) - elsewhere - int64(lines[l.row.Pool].row.Offered), nil
}

const drawnNumbers = `UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    race_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.race_id', number CHAR(12) CHARACTER SET ascii COLLATE ascii_bin PATH '$.number',
    pool SMALLINT PATH '$.pool', place INT PATH '$.place', result VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$.result')) AS drawn
STRAIGHT_JOIN draw_number FORCE INDEX (PRIMARY)
ON draw_number.race_id = drawn.race_id AND draw_number.number = drawn.number
SET draw_number.pool = drawn.pool, draw_number.place = drawn.place, draw_number.result = drawn.result`

// keepDraw writes what the draw gave to each number, and that it is done.
func (l *line) keepDraw(ctx context.Context, numbers []gen.DrawNumber, listHash string) error {
	type row struct {
		RaceID string  `json:"race_id"`
		Number string  `json:"number"`
		Pool   *int16  `json:"pool"`
		Place  int32   `json:"place"`
		Result *string `json:"result"`
	}
	rows := make([]row, len(numbers))
	for i, n := range numbers {
		rows[i] = row{RaceID: n.RaceID, Number: n.Number, Place: n.Place.Int32}
		if n.Result.Valid {
			rows[i].Pool, rows[i].Result = &n.Pool.Int16, &n.Result.String
		}
	}
	for part := range slices.Chunk(rows, chunk) {
		if err := execFor(ctx, l.tx, drawnNumbers, part); err != nil {
			return fmt.Errorf("keep the draw of race %s: %w", l.race.ID, err)
		}
	}
	if err := l.q.EndDraw(ctx, sql.NullTime{Time: l.now, Valid: true}, nullString(listHash), l.race.ID); err != nil {
		return fmt.Errorf("end the draw of race %s: %w", l.race.ID, err)
	}
	return nil
}

// applyDraw gives the registered of a pool their state and their number in line, and
// those who have a place their bibs. It leaves as many numbers out as there are, so
// that the numbers are in the order of the draw.
func (l *line) applyDraw(ctx context.Context, entering []gen.Entry, numbers int) error {
	_, err := l.q.ApplyDraw(ctx, gen.ApplyDrawParams{
		BeforeFirst: sql.NullInt32{Int32: int32(l.row.NextSeq - 1), Valid: true}, //nolint:gosec // far below
		ChangedAt:   l.now, RaceID: l.race.ID, Pool: l.row.Pool,
	})
	if err != nil {
		return fmt.Errorf("give the places of pool %d of race %s: %w", l.row.Pool, l.race.ID, err)
	}
	l.row.NextSeq += int64(numbers)
	l.row.Registered = 0
	for part := range slices.Chunk(entering, chunk) {
		existing, err := l.participantsOf(ctx, part)
		if err != nil {
			return err
		}
		if _, err := l.addParticipants(ctx, part, existing); err != nil {
			return err
		}
	}
	return l.write(ctx)
}

// Draw is what everybody may know of the draw of a race.
type Draw struct {
	Commitment string
	At         time.Time // when it is or was to be drawn
	DrawnAt    time.Time // zero: not yet
	Seed       string    // empty before the draw
	ListHash   string    // likewise
}

// DrawOf returns the draw of a race, or race.ErrNotFound.
func (s *Store) DrawOf(ctx context.Context, r race.Race) (Draw, error) {
	if r.Entry == nil || r.Entry.Order != race.ByDraw {
		return Draw{}, race.ErrNotFound
	}
	row, err := s.queries.DrawOf(ctx, r.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return Draw{}, race.ErrNotFound
	}
	if err != nil {
		return Draw{}, fmt.Errorf("read the draw of race %s: %w", r.ID, err)
	}
	d := Draw{Commitment: r.Entry.DrawCommitment, At: r.Entry.DrawsAt()}
	if row.DrawnAt.Valid {
		d.DrawnAt, d.Seed, d.ListHash = row.DrawnAt.Time, row.Seed, row.ListHash.String
	}
	return d, nil
}

// DrawnNumber is what the draw gave to a number.
type DrawnNumber struct {
	Number string
	Pool   string // empty when its runner has no entry any more
	Place  int
	Result race.EntryStatus // of the entry after the draw
}

// DrawnNumbers returns up to limit numbers of a race's draw after one, in their own
// order; none before the draw.
func (s *Store) DrawnNumbers(ctx context.Context, r race.Race, after string, limit int) ([]DrawnNumber, error) {
	rows, err := s.queries.DrawNumbersAfter(ctx, r.ID, after, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("read the numbers of the draw of race %s: %w", r.ID, err)
	}
	var found []DrawnNumber
	for _, row := range rows {
		if !row.Place.Valid {
			break // those before the draw have no place, all of them
		}
		pool, _ := r.EntryPoolWith(int(row.Pool.Int16))
		found = append(found, DrawnNumber{Number: row.Number, Pool: pool.Name, Place: int(row.Place.Int32), Result: race.EntryStatus(row.Result.String)})
	}
	return found, nil
}

// StartDraws has the workflows of draws started, or woken, whose settings have changed
// since. start must be safe to repeat.
func (s *Store) StartDraws(ctx context.Context, start func(ctx context.Context, raceID string) error) error {
	var failed error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		failed = nil
		races, err := q.DrawsToStart(ctx, maxServed)
		if err != nil {
			return fmt.Errorf("read draws whose workflow is to be started: %w", err)
		}
		for _, raceID := range races {
			if err := start(ctx, raceID); err != nil {
				failed = fmt.Errorf("start the workflow of the draw of race %s: %w", raceID, err)
				return nil // keeps what was started before it
			}
			if err := q.DrawStarted(ctx, raceID); err != nil {
				return fmt.Errorf("note the start of the draw of race %s: %w", raceID, err)
			}
		}
		return nil
	})
	return errors.Join(err, failed)
}

// OpenDraws returns the races, up to limit, whose places are still to be drawn and whose
// workflow is not about to be started.
func (s *Outcomes) OpenDraws(ctx context.Context, madeBefore time.Duration, limit int) ([]string, error) {
	races, err := s.queries.OpenDraws(ctx, s.now().Add(-madeBefore), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list open draws: %w", err)
	}
	return races, nil
}

// RequeueDraw has the workflow of a draw started again.
func (s *Outcomes) RequeueDraw(ctx context.Context, raceID string) error {
	if err := s.queries.QueueDraw(ctx, raceID, s.now()); err != nil {
		return fmt.Errorf("queue the draw of race %s again: %w", raceID, err)
	}
	return nil
}
