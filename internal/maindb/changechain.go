package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// SealedChange is a change with its position in the chain. Positions begin at 1 and have
// no gaps.
type SealedChange struct {
	Position int64
	race.Change
}

// sealHash is the hash at a position of the chain. prev is the hash at the position
// before, 32 zero bytes at the first.
func sealHash(prev, change []byte, position int64) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(slices.Concat(prev, change), uint64(position))) //nolint:gosec // positions are positive
	return sum[:]
}

const deleteUnsealed = `DELETE u
FROM JSON_TABLE(?, '$[*]' COLUMNS (change_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) AS sealed
STRAIGHT_JOIN change_unsealed AS u FORCE INDEX (PRIMARY) ON u.change_id = sealed.change_id`

// SealChanges gives up to limit changes that have no position yet the next ones, in the
// order of their IDs, and returns how many they were. When it returns fewer than limit,
// every change that was committed before the call has its position. Several processes
// may call it: the row of change_chain lets one at a time through. A change whose
// transaction commits late comes behind those that were sealed before, whatever its ID
// says, so a consumer that goes by position misses none.
func (s *Store) SealChanges(ctx context.Context, limit int) (n int, err error) {
	waiting, err := s.queries.HasUnsealedChanges(ctx)
	if err != nil || !waiting {
		return 0, wrapSeal(err)
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		n = 0
		queries := s.queries.WithTx(tx)
		chain, err := queries.LockChangeChain(ctx)
		if err != nil {
			return err
		}
		changes, err := queries.UnsealedChanges(ctx, count32(limit))
		if err != nil || len(changes) == 0 {
			return err
		}
		position, hash, ids := chain.Position, chain.Hash, make([]string, len(changes))
		for part := range slices.Chunk(changes, chunk) {
			const into = `INSERT INTO change_seal (position, change_id, hash) VALUES `
			first := position
			err := insertRows(ctx, tx, into, part, func(args []any, c gen.ChangeUnsealed) []any {
				position++
				hash = sealHash(hash, c.Hash, position)
				ids[position-chain.Position-1] = c.ChangeID
				return append(args, position, c.ChangeID, hash)
			})
			if err != nil {
				return fmt.Errorf("positions %d to %d: %w", first+1, position, err)
			}
		}
		if err := execFor(ctx, tx, deleteUnsealed, ids); err != nil {
			return err
		}
		n = len(changes)
		return queries.MoveChangeChain(ctx, position, hash)
	})
	if err != nil {
		return 0, wrapSeal(err)
	}
	return n, nil
}

func wrapSeal(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("seal the change log: %w", err)
}

// adoptFor is how long after the chain was opened the programs of the version before,
// which do not know of it, may still write changes. Later, a change that nobody handed
// over for sealing does not belong into the log, and verification reports it.
const adoptFor = 24 * time.Hour

// AdoptChanges has changes sealed that programs of the version before the chain have
// written since it was opened. A day later it does nothing.
func (s *Store) AdoptChanges(ctx context.Context) (n int, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		n = 0
		queries := s.queries.WithTx(tx)
		chain, err := queries.LockChangeChain(ctx)
		if err != nil || s.now().Sub(chain.OpenedAt) > adoptFor {
			return err
		}
		adopted, err := queries.AdoptChanges(ctx, firstIDAt(chain.OpenedAt.Add(-time.Hour))) // an ID may be older than its commit
		n = int(adopted)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("adopt changes without a position: %w", err)
	}
	return n, nil
}

// firstIDAt sorts before every UUIDv7 of a time or later.
func firstIDAt(at time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16)
	return id.String()
}

// SealedChanges returns up to limit changes after a position, in the order of their
// positions. It is for readers that keep their own position; consumers that write to
// main_db use ConsumeChanges.
func (s *Store) SealedChanges(ctx context.Context, after int64, limit int) ([]SealedChange, error) {
	return sealedChanges(ctx, s.db, after, limit)
}

func sealedChanges(ctx context.Context, db gen.DBTX, after int64, limit int) (found []SealedChange, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the change log after position %d: %w", after, err)
		}
	}()
	rows, err := db.QueryContext(ctx, `SELECT s.position, `+changeColumns+`
FROM change_seal s
STRAIGHT_JOIN change_log c ON c.change_id = s.change_id
LEFT JOIN change_text t ON t.change_id = c.change_id
WHERE s.position > ? ORDER BY s.position LIMIT ?`, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c SealedChange
		if c.Change, err = scanChange(rows, &c.Position); err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, rows.Err()
}

// ConsumeChanges hands take up to limit changes that the named consumer has not had yet,
// in the order of their positions, and returns how many they were. take writes what
// follows from them into main_db through tx; the consumer's position moves in the same
// transaction, so each change takes effect exactly once, after a crash too. Calls for the
// same consumer wait for each other. take must have no other effects: it may be called
// again with the same changes. What it has to do elsewhere, it writes down as rows to be
// sent (an outbox). It is not called when there is nothing new.
//
// A consumer calls it in a loop: again at once while it returns limit, otherwise after a
// second or so. It starts at the beginning of the log unless its row is already there.
// The migration that brings a consumer places it behind what was logged before, even if
// that is not sealed yet:
//
//	INSERT INTO change_reader (name, position)
//	SELECT 'notices', position + (SELECT COUNT(*) FROM change_unsealed) FROM change_chain;
//
// Text that somebody wrote is empty in a change once it has been erased.
func (s *Store) ConsumeChanges(ctx context.Context, consumer string, limit int,
	take func(ctx context.Context, tx *sql.Tx, changes []SealedChange) error,
) (n int, err error) {
	position, err := s.queries.ChangeReader(ctx, consumer)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read the position of %s in the change log: %w", consumer, err)
	}
	chain, err := s.queries.ChangeChain(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the end of the change log: %w", err)
	}
	if position >= chain.Position {
		return 0, nil
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		n = 0
		queries := s.queries.WithTx(tx)
		position, err := queries.LockChangeReader(ctx, consumer)
		if errors.Is(err, sql.ErrNoRows) {
			if err = queries.AddChangeReader(ctx, consumer); err == nil {
				position, err = queries.LockChangeReader(ctx, consumer)
			}
		}
		if err != nil {
			return fmt.Errorf("lock the position of %s in the change log: %w", consumer, err)
		}
		changes, err := sealedChanges(ctx, tx, position, limit)
		if err != nil || len(changes) == 0 {
			return err
		}
		if err := take(ctx, tx, changes); err != nil {
			return err
		}
		n = len(changes)
		return queries.MoveChangeReader(ctx, changes[n-1].Position, consumer)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
