package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// PoolCounts are the entries of a pool, counted by state as they are now.
type PoolCounts struct {
	race.EntryPool
	Taken   int
	Offered int
	Waiting int
	// Registered wait for the draw.
	Registered int
	Version    int64 // of the line: it grows whenever somebody leaves it
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
				counts = append(counts, PoolCounts{EntryPool: p, Taken: int(row.Taken), Offered: int(row.Offered), Waiting: int(row.Waiting), Registered: int(row.Registered), Version: row.Version})
			}
		}
	}
	return counts, nil
}

// changeEntry brings the pools of a race in line with its changed settings and serves
// the lines. The transaction has locked the pools and the race.
func (s *Store) changeEntry(ctx context.Context, tx *sql.Tx, old, updated race.Race) error {
	q := s.queries.WithTx(tx)
	if old.Entry != nil && updated.Entry == nil {
		return &race.ConflictError{Field: "entry", Message: "the settings of entry can be changed, but not removed"}
	}
	if updated.Entry == nil {
		return nil
	}
	if err := syncPools(ctx, q, old, updated); err != nil {
		return err
	}
	if err := s.changeDraw(ctx, q, old, updated); err != nil {
		return err
	}
	if err := checkNextEdition(ctx, q, old, updated); err != nil {
		return err
	}
	if old.Entry == nil {
		if err := s.adoptEntrants(ctx, tx, updated); err != nil {
			return err
		}
	}
	rows, err := q.LockPools(ctx, updated.ID)
	if err != nil {
		return fmt.Errorf("lock the pools of race %s: %w", updated.ID, err)
	}
	for _, row := range rows {
		l, err := s.lineOf(ctx, tx, updated, row)
		if err != nil {
			return err
		}
		if err := l.shorten(ctx, old); err != nil {
			return err
		}
		if err := l.serve(ctx); err != nil {
			return err
		}
		if err := l.write(ctx); err != nil {
			return err
		}
	}
	return nil
}

// syncPools writes the pools that the settings name and removes the others, unless
// somebody has joined them.
func syncPools(ctx context.Context, q *gen.Queries, old, updated race.Race) error {
	pools := updated.EntryPools()
	for _, p := range pools {
		if err := q.PutPool(ctx, updated.ID, int16(p.Key), count32(p.Capacity)); err != nil { //nolint:gosec // keys are small
			return fmt.Errorf("write pool %d of race %s: %w", p.Key, updated.ID, err)
		}
	}
	if old.Entry == nil {
		return nil
	}
	rows, err := q.PoolsOfRace(ctx, updated.ID)
	if err != nil {
		return fmt.Errorf("read the pools of race %s: %w", updated.ID, err)
	}
	for _, row := range rows {
		if slices.ContainsFunc(pools, func(p race.EntryPool) bool { return p.Key == int(row.Pool) }) {
			continue
		}
		if row.NextSeq > 1 {
			was, _ := old.EntryPoolWith(int(row.Pool))
			return &race.ConflictError{Field: "entry.pools", Message: fmt.Sprintf("the pool %q has entries: it can be renamed and made smaller, but not removed", was.Name)}
		}
		if err := q.DeletePool(ctx, updated.ID, row.Pool); err != nil {
			return fmt.Errorf("remove pool %d of race %s: %w", row.Pool, updated.ID, err)
		}
	}
	return nil
}

// adoptEntrants gives those who entered before the race had entry settings a place in
// the first pool, in the order in which they did.
func (s *Store) adoptEntrants(ctx context.Context, tx *sql.Tx, r race.Race) error {
	q := s.queries.WithTx(tx)
	entrants, err := q.EntrantsBefore(ctx, r.ID)
	if err != nil || len(entrants) == 0 {
		return err
	}
	pool := r.EntryPools()[0]
	row, err := q.LockPool(ctx, r.ID, int16(pool.Key)) //nolint:gosec // keys are small
	if err != nil {
		return fmt.Errorf("lock pool %d of race %s: %w", pool.Key, r.ID, err)
	}
	l, err := s.lineOf(ctx, tx, r, row)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(entrants, chunk) {
		entries := make([]gen.Entry, len(part))
		for i, p := range part {
			entries[i] = gen.Entry{
				RaceID: r.ID, Pool: row.Pool, Seq: l.row.NextSeq, EntryID: p.ParticipantID, UserID: p.UserID, State: string(race.Entered),
				Sex: p.Sex, OwnAge: p.OwnAge, OwnAgeOn: p.OwnAgeOn, Team: p.Team, ReceivedAt: p.CreatedAt, CreatedAt: p.CreatedAt, ChangedAt: l.now,
			}
			l.row.NextSeq++
		}
		if err := insertEntries(ctx, tx, entries); err != nil {
			return err
		}
		l.row.Taken += int32(len(part)) //nolint:gosec // at most a chunk
	}
	return l.write(ctx)
}

// WrongPool is a pool whose counters did not agree with its entries: how many entered,
// are offered a place, wait in line, and are registered for a draw.
type WrongPool struct {
	RaceID          string
	Pool            int
	Counted, Actual [4]int
}

// RecountPools counts the entries of every pool of races without results, and corrects
// the counters that differ. It returns the pools that were wrong.
func (s *Outcomes) RecountPools(ctx context.Context) ([]WrongPool, error) {
	pools, err := s.queries.PoolsToAudit(ctx)
	if err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	var found []WrongPool
	for _, p := range pools {
		var wrong *WrongPool
		err := s.inLine(ctx, p.RaceID, int(p.Pool), func(l *line) error {
			var err error
			wrong, err = l.recount(ctx)
			return err
		})
		if err != nil && !errors.Is(err, race.ErrNotFound) {
			return found, err
		}
		if err == nil && wrong != nil {
			found = append(found, *wrong)
		}
	}
	return found, nil
}

func (l *line) recount(ctx context.Context) (*WrongPool, error) {
	rows, err := l.q.CountEntries(ctx, l.race.ID, l.row.Pool)
	if err != nil {
		return nil, fmt.Errorf("count the entries of pool %d of race %s: %w", l.row.Pool, l.race.ID, err)
	}
	wrong := WrongPool{RaceID: l.race.ID, Pool: int(l.row.Pool), Counted: [4]int{int(l.row.Taken), int(l.row.Offered), int(l.row.Waiting), int(l.row.Registered)}}
	for _, row := range rows {
		switch race.EntryStatus(row.State) {
		case race.Entered:
			wrong.Actual[0] = int(row.Entries)
		case race.Offered:
			wrong.Actual[1] = int(row.Entries)
		case race.Waiting:
			wrong.Actual[2] = int(row.Entries)
		case race.Registered:
			wrong.Actual[3] = int(row.Entries)
		case race.Cancelled, race.RemovedEntry, race.OfferDeclined, race.OfferExpired, race.NotDrawn, race.Transferred, race.Deferred:
		}
	}
	last, err := l.q.LastNumber(ctx, l.race.ID, l.row.Pool)
	if err != nil {
		return nil, fmt.Errorf("read the last number of pool %d of race %s: %w", l.row.Pool, l.race.ID, err)
	}
	if wrong.Actual == wrong.Counted && last < l.row.NextSeq {
		return nil, nil //nolint:nilnil // nothing is wrong
	}
	l.row.Taken, l.row.Offered, l.row.Waiting = int32(wrong.Actual[0]), int32(wrong.Actual[1]), int32(wrong.Actual[2]) //nolint:gosec // far below
	l.row.Registered = int32(wrong.Actual[3])                                                                          //nolint:gosec // likewise
	l.row.NextSeq = max(l.row.NextSeq, last+1)
	return &wrong, l.serve(ctx)
}
