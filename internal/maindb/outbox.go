package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

// OutboxRow is a record revision that is not on the queue yet.
type OutboxRow struct {
	ID       int64
	RaceID   string
	RecordID string
	Revision int
	// The trace that made the revision, in W3C's form; empty when there is none. At
	// most one of the two is set: a trace that made many rows at once is kept as a
	// link, since nobody can read a trace of 30,000 credits.
	TraceParent, TraceLink string
	// How people refer to the record, for messages and the workflow's summary.
	Bib, RaceName string
}

// traceOf returns the context's trace as stored in the outbox.
func traceOf(ctx context.Context) sql.NullString { return nullString(tracecontext.TraceParent(ctx)) }

const deleteOutbox = `DELETE o
FROM JSON_TABLE(?, '$[*]' COLUMNS (outbox_id BIGINT PATH '$')) AS sent
STRAIGHT_JOIN outbox AS o FORCE INDEX (PRIMARY) ON o.outbox_id = sent.outbox_id`

// outboxRaces is how many races one transaction sends rows of. The others get their
// turn in the next transaction.
const outboxRaces = 50

// waitingRace is a race with rows in the outbox.
type waitingRace struct {
	id, name string
	taken    int64 // the last row taken
}

// A race that is new to the outbox goes first until it has sent headStartRows: with turns
// alone, a race of 300 records would take as long beside a large one as 600 records. The
// other races keep an eighth of what is sent.
const (
	headStartRows = 512
	// headStartPause is how long a race sends nothing before it counts as new again.
	headStartPause = 10 * time.Second
)

// headStart is what a race has sent since it was new.
type headStart struct {
	sent int
	last time.Time
}

// newcomers returns those of the races that have their head start.
func (s *Store) newcomers(races []*waitingRace) []*waitingRace {
	s.outboxTurn.Lock()
	defer s.outboxTurn.Unlock()
	var found []*waitingRace
	for _, r := range races {
		start := s.outboxTurn.starts[r.id]
		if start.sent < headStartRows || s.now().Sub(start.last) > headStartPause {
			found = append(found, r)
		}
	}
	return found
}

// noteSent counts rows towards the head start of their races.
func (s *Store) noteSent(rows []OutboxRow) {
	s.outboxTurn.Lock()
	defer s.outboxTurn.Unlock()
	now := s.now()
	if s.outboxTurn.starts == nil {
		s.outboxTurn.starts = map[string]headStart{}
	}
	maps.DeleteFunc(s.outboxTurn.starts, func(_ string, start headStart) bool { return now.Sub(start.last) > headStartPause })
	for _, row := range rows {
		start := s.outboxTurn.starts[row.RaceID]
		s.outboxTurn.starts[row.RaceID] = headStart{sent: start.sent + 1, last: now}
	}
}

// nextRaces returns the races whose turn it is: those after the last one served,
// then from the beginning.
func (s *Store) nextRaces(ctx context.Context, most int) ([]waitingRace, error) {
	s.outboxTurn.Lock()
	defer s.outboxTurn.Unlock()
	served := s.outboxTurn.served
	races, err := s.racesAfter(ctx, served, "", most)
	if err == nil && served != "" {
		var first []waitingRace
		first, err = s.racesAfter(ctx, "", served, most-len(races))
		races = append(races, first...)
	}
	if err != nil {
		return nil, err
	}
	if len(races) > 0 {
		s.outboxTurn.served = races[len(races)-1].id
	}
	return races, nil
}

// racesAfter lists up to most races with rows, in order of their ID from the one after
// a given one, up to and including last unless that is empty. Each race costs one index
// lookup, however many rows it has. No single statement achieves that on both servers:
// DISTINCT, MIN and recursion read all rows, depending on the server and the age of its
// statistics.
func (s *Store) racesAfter(ctx context.Context, after, last string, most int) ([]waitingRace, error) {
	var races []waitingRace
	for len(races) < most && (last == "" || after < last) {
		row, err := s.queries.RaceInOutboxAfter(ctx, after)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list the races in the outbox: %w", err)
		}
		if last != "" && row.RaceID > last {
			break
		}
		races = append(races, waitingRace{id: row.RaceID, name: row.Name.String})
		after = row.RaceID
	}
	return races, nil
}

// SendOutbox takes up to limit rows that nobody else is sending, calls send with
// them, deletes those that send returns and reports how many they were. send may
// return rows and an error; SendOutbox then returns both too. A crash between send
// and commit makes the rows be sent again, so delivery is at least once.
//
// Races take turns: each may send the same number of its oldest rows, and only the
// rest of limit goes to races that have more, so that a race with thousands of rows
// does not delay one with a few. A race that is new to the outbox has a head start.
func (s *Store) SendOutbox(ctx context.Context, limit int, send func(context.Context, []OutboxRow) (sent []OutboxRow, err error)) (n int, err error) {
	races, err := s.nextRaces(ctx, min(limit, outboxRaces))
	if err != nil || len(races) == 0 {
		return 0, err
	}
	var sendErr error
	var done []OutboxRow
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		n, sendErr, done = 0, nil, nil
		waiting := make([]*waitingRace, len(races))
		for i, r := range races { // a repetition of the transaction starts over
			waiting[i] = &r
		}
		var taken []OutboxRow
		var err error
		if first := s.newcomers(waiting); len(first) < len(waiting) {
			if taken, err = takeOutbox(ctx, tx, first, limit-limit/8); err != nil {
				return fmt.Errorf("lock outbox rows: %w", err)
			}
		}
		rest, err := takeOutbox(ctx, tx, waiting, limit-len(taken))
		if err != nil {
			return fmt.Errorf("lock outbox rows: %w", err)
		}
		taken = append(taken, rest...)
		if len(taken) == 0 {
			return nil
		}
		var sent []OutboxRow
		if sent, sendErr = send(ctx, taken); len(sent) == 0 {
			return nil
		}
		ids := make([]int64, len(sent))
		for i, row := range sent {
			ids[i] = row.ID
		}
		if err := execFor(ctx, tx, deleteOutbox, ids); err != nil {
			return fmt.Errorf("delete outbox rows: %w", err)
		}
		n = len(sent)
		done = sent
		return nil
	})
	if err != nil {
		return 0, errors.Join(err, sendErr)
	}
	s.noteSent(done)
	return n, sendErr
}

// takeOutboxOfRace locks a race's oldest rows after a given one, skipping rows that
// another process has locked. The bib is optional: a row without it is sent all the
// same.
const takeOutboxOfRace = `SELECT o.outbox_id, o.record_id, o.revision, o.traceparent, o.tracelink, COALESCE((
	SELECT v.bib FROM official_record_revision AS v WHERE v.record_id = o.record_id AND v.revision = o.revision
), '')
FROM outbox AS o FORCE INDEX (outbox_by_race)
WHERE o.race_id = ? AND o.outbox_id > ?
ORDER BY o.outbox_id LIMIT ? FOR UPDATE SKIP LOCKED`

// take locks up to limit rows of the race.
func (r *waitingRace) take(ctx context.Context, tx *sql.Tx, limit int) (taken []OutboxRow, err error) {
	rows, err := tx.QueryContext(ctx, takeOutboxOfRace, r.id, r.taken, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row := OutboxRow{RaceID: r.id, RaceName: r.name}
		var parent, link sql.NullString
		if err := rows.Scan(&row.ID, &row.RecordID, &row.Revision, &parent, &link, &row.Bib); err != nil {
			return nil, err
		}
		row.TraceParent, row.TraceLink = parent.String, link.String
		taken, r.taken = append(taken, row), row.ID
	}
	return taken, rows.Err()
}

// takeOutbox locks up to limit rows of races, the same number of each as long as it
// has any, and returns them in turns: the first of each race, then the second of
// each, and so on.
func takeOutbox(ctx context.Context, tx *sql.Tx, races []*waitingRace, limit int) ([]OutboxRow, error) {
	ofRace := map[string][]OutboxRow{}
	order, total := slices.Clone(races), 0
	for len(races) > 0 && total < limit {
		share := (limit - total + len(races) - 1) / len(races)
		var more []*waitingRace
		for _, r := range races {
			share := min(share, limit-total)
			if share == 0 {
				break
			}
			rows, err := r.take(ctx, tx, share)
			if err != nil {
				return nil, err
			}
			ofRace[r.id] = append(ofRace[r.id], rows...)
			total += len(rows)
			if len(rows) == share {
				more = append(more, r)
			}
		}
		races = more
	}
	inTurns := make([]OutboxRow, 0, total)
	for i := 0; len(inTurns) < total; i++ {
		for _, r := range order {
			if i < len(ofRace[r.id]) {
				inTurns = append(inTurns, ofRace[r.id][i])
			}
		}
	}
	return inTurns, nil
}

// OutboxDepth returns how many rows of each race wait to be sent and how long
// the oldest has waited.
func (s *Store) OutboxDepth(ctx context.Context) (ofRace map[string]int, oldest time.Duration, err error) {
	createdAt, err := s.queries.OldestOutbox(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read oldest outbox row: %w", err)
	}
	rows, err := s.queries.CountOutbox(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("count outbox rows: %w", err)
	}
	ofRace = make(map[string]int, len(rows))
	for _, row := range rows {
		ofRace[row.RaceID] = int(row.Waiting)
	}
	return ofRace, s.now().Sub(createdAt), nil
}
