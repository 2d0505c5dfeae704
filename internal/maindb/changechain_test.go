package maindb_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// someChange is a change with an ID that the test chooses.
func someChange(id string) race.Change {
	return race.Change{ID: id, Action: "account.suspended", Subject: race.Subject{Kind: "account", ID: newID()}, Reason: "spam"}
}

// sealAll seals until nothing is left.
func (b *testBundle) sealAll(t *testing.T) {
	t.Helper()
	for {
		n, err := b.store.SealChanges(t.Context(), 100)
		require.NoError(t, err)
		if n < 100 {
			return
		}
	}
}

// requireChain checks that the log has n changes in one chain without gaps.
func (b *testBundle) requireChain(t *testing.T, n int) []maindb.SealedChange {
	t.Helper()
	found, err := b.store.SealedChanges(t.Context(), 0, n+1)
	require.NoError(t, err)
	require.Len(t, found, n)
	prev := make([]byte, sha256.Size)
	for i, c := range found {
		require.EqualValues(t, i+1, c.Position)
		hash, err := hex.DecodeString(c.Hash)
		require.NoError(t, err)
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(append(prev, hash...), uint64(c.Position))) //nolint:gosec // positive
		var stored []byte
		require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT hash FROM change_seal WHERE position = ?", c.Position).Scan(&stored))
		require.Equal(t, sum[:], stored)
		prev = stored
	}
	return found
}

// TestChangesAreSealedOnceByManySealers: changes that arrive meanwhile get one position
// each, and none is lost or has two.
func TestChangesAreSealedOnceByManySealers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const writers, each, sealers = 4, 40, 3
	var writing, sealing sync.WaitGroup
	errs := make(chan error, writers+sealers)
	for range writers {
		writing.Go(func() {
			for range each {
				if err := b.store.AddChange(t.Context(), someChange(newID())); err != nil {
					errs <- err
				}
			}
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	for range sealers {
		sealing.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.store.SealChanges(ctx, 7); err != nil && ctx.Err() == nil {
					errs <- err
				}
			}
		})
	}
	writing.Wait()
	stop() // in the middle of whatever they do
	sealing.Wait()
	close(errs)
	require.NoError(t, <-errs)
	b.sealAll(t)
	b.requireChain(t, writers*each)
	n, err := b.store.SealChanges(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestLateChangeIsSealedBehind: the ID of a change is older than its commit when the
// transaction takes long. Consumers go by position, so they see it all the same.
func TestLateChangeIsSealedBehind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late, early := someChange(newID()), someChange(newID())
	require.NoError(t, b.store.AddChange(t.Context(), early))
	b.sealAll(t)
	require.NoError(t, b.store.AddChange(t.Context(), late))
	b.sealAll(t)
	found := b.requireChain(t, 2)
	require.Equal(t, []string{early.ID, late.ID}, []string{found[0].ID, found[1].ID})
	require.Equal(t, "spam", found[1].Reason)
	after, err := b.store.SealedChanges(t.Context(), 1, 10)
	require.NoError(t, err)
	require.Equal(t, found[1:], after)
}

// TestChangesOfOlderProgramsAreSealed: those from before the chain, which its migration
// hands over, and those that programs of the version before write for a day.
func TestChangesOfOlderProgramsAreSealed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var opened sql.NullTime
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT opened_at FROM change_chain").Scan(&opened))
	b.clock.Advance(opened.Time.Sub(b.clock.Now()))
	withoutChain := func(c race.Change) {
		require.NoError(t, b.store.AddChange(t.Context(), c))
		_, err := b.db.ExecContext(t.Context(), "DELETE FROM change_unsealed WHERE change_id = ?", c.ID)
		require.NoError(t, err)
	}
	before := uuid.Must(uuid.NewV7())
	binary.BigEndian.PutUint32(before[:4], binary.BigEndian.Uint32(before[:4])-100) // 76 days earlier
	old, recent, sealed, waiting := someChange(before.String()), someChange(newID()), someChange(newID()), someChange(newID())
	withoutChain(old)
	withoutChain(recent)
	require.NoError(t, b.store.AddChange(t.Context(), sealed))
	b.sealAll(t)
	require.NoError(t, b.store.AddChange(t.Context(), waiting))
	n, err := b.store.AdoptChanges(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n, "only the recent one")
	b.sealAll(t)
	b.requireChain(t, 3)

	b.clock.Advance(25 * 60 * 60 * 1e9)
	withoutChain(someChange(newID()))
	n, err = b.store.AdoptChanges(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestConsumerTakesEachChangeOnce: what a consumer writes and its position are one
// transaction, and two processes of it share the work.
func TestConsumerTakesEachChangeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const all = 50
	for range all {
		require.NoError(t, b.store.AddChange(t.Context(), someChange(newID())))
	}
	b.sealAll(t)
	count := func(ctx context.Context, tx *sql.Tx, changes []maindb.SealedChange) error {
		for _, c := range changes { // any table will do
			_, err := tx.ExecContext(ctx, "INSERT INTO change_reader (name, position) VALUES (?, ?)", fmt.Sprintf("took %d", c.Position), c.Position)
			if err != nil {
				return err
			}
		}
		return nil
	}
	failed := errors.New("failed after it has written")
	n, err := b.store.ConsumeChanges(t.Context(), "notices", 10, func(ctx context.Context, tx *sql.Tx, changes []maindb.SealedChange) error {
		return errors.Join(count(ctx, tx, changes), failed)
	})
	require.ErrorIs(t, err, failed)
	require.Zero(t, n)

	var consuming sync.WaitGroup
	errs := make(chan error, 2)
	for range 2 {
		consuming.Go(func() {
			for {
				n, err := b.store.ConsumeChanges(t.Context(), "notices", 10, count)
				if err != nil || n == 0 {
					errs <- err
					return
				}
			}
		})
	}
	consuming.Wait()
	require.NoError(t, errors.Join(<-errs, <-errs))
	var took, position int
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM change_reader WHERE name LIKE 'took %'").Scan(&took))
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT position FROM change_reader WHERE name = 'notices'").Scan(&position))
	require.Equal(t, []int{all, all}, []int{took, position})
}
