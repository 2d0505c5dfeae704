package maindb_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(slices.Concat(prev, hash), uint64(c.Position)))
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

// TestVerificationShowsWhatWasTamperedWith tampers with a log of ten changes as somebody
// could who may write its tables. Erasing what a person wrote is no tampering.
func TestVerificationShowsWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		statements []string // with the ID of the fourth change as the parameter, if they have one
		want       []string // what and position
		unless     int64    // from an anchor at this position all is well
	}{
		"nothing":             {},
		"a text is erased":    {statements: []string{"DELETE FROM change_text WHERE change_id = ?"}},
		"a change is removed": {statements: []string{"DELETE FROM change_log WHERE change_id = ?"}, want: []string{"removed 4"}, unless: 4},
		"a change is removed as it waits": {
			statements: []string{
				"DELETE FROM change_seal WHERE position = 10", "UPDATE change_chain SET position = 9, hash = (SELECT hash FROM change_seal WHERE position = 9)",
				"INSERT INTO change_unsealed SELECT change_id, hash FROM change_log ORDER BY change_id DESC LIMIT 1", "DELETE FROM change_log ORDER BY change_id DESC LIMIT 1",
			},
			want: []string{"removed 0"},
		},
		"a change is removed with its seal": {
			statements: []string{"DELETE FROM change_seal WHERE position = 4", "DELETE FROM change_log WHERE change_id = ?"}, want: []string{"removed 4"}, unless: 4,
		},
		"a change is altered": {statements: []string{"UPDATE change_log SET action = 'account.restored' WHERE change_id = ?"}, want: []string{"altered 4"}, unless: 4},
		"a state is altered":  {statements: []string{"UPDATE change_log SET state_after = 'x' WHERE change_id = ?"}, want: []string{"altered 4"}},
		"a time is altered":   {statements: []string{"UPDATE change_log SET changed_at = changed_at + INTERVAL 1 MICROSECOND WHERE change_id = ?"}, want: []string{"altered 4"}},
		"a change is altered with its hash": {
			statements: []string{"UPDATE change_log SET hash = (SELECT * FROM (SELECT hash FROM change_log ORDER BY change_id LIMIT 1) AS first), " +
				"subject_id = (SELECT * FROM (SELECT subject_id FROM change_log ORDER BY change_id LIMIT 1) AS first) WHERE change_id = ?"},
			want: []string{"altered 4"},
		},
		"a text is altered": {statements: []string{"UPDATE change_text SET reason = 'fraud' WHERE change_id = ?"}, want: []string{"altered 4"}},
		"a change is inserted": {
			statements: []string{"INSERT INTO change_log SELECT REPLACE(change_id, '-7', '-8'), changed_at, actor_kind, actor_id, account_id, action, race_id, subject_kind, " +
				"subject_id, about_id, state_before, state_after, text_hash, request_id, workflow_id, hash FROM change_log WHERE change_id = ?"},
			want: []string{"inserted 0"},
		},
		"two changes are swapped": {
			statements: []string{"UPDATE change_seal AS a JOIN change_seal AS b ON a.position = 4 AND b.position = 7 JOIN (SELECT change_id FROM change_seal WHERE position = 7) AS old " +
				"SET a.change_id = 'moving', b.change_id = (SELECT ?)", "UPDATE change_seal SET change_id = (SELECT change_id FROM (SELECT c.change_id FROM change_log c " +
				"LEFT JOIN change_seal s ON s.change_id = c.change_id WHERE s.position IS NULL) AS lost) WHERE position = 4"},
			want: []string{"reordered 4", "reordered 7"}, unless: 7,
		},
		"the end is cut off":       {statements: []string{"DELETE FROM change_log ORDER BY change_id DESC LIMIT 3", "DELETE FROM change_seal WHERE position > 7"}, want: []string{"removed 10"}},
		"the last seal is altered": {statements: []string{"UPDATE change_seal SET hash = REPEAT('x', 32) WHERE position = 10"}, want: []string{"reordered 10", "altered 10"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for range 10 {
				require.NoError(t, b.store.AddChange(t.Context(), someChange(newID())))
			}
			b.sealAll(t)
			sealed := b.requireChain(t, 10)
			for _, statement := range test.statements {
				var args []any
				for range strings.Count(statement, "?") {
					args = append(args, sealed[3].ID)
				}
				_, err := b.db.ExecContext(t.Context(), statement, args...)
				require.NoError(t, err)
			}
			verify := func(from maindb.Anchor) (found []string) {
				v, err := b.store.VerifyChanges(t.Context(), from, func(problem maindb.Tampering) {
					found = append(found, fmt.Sprint(problem.What, " ", problem.Position))
				})
				require.NoError(t, err)
				require.EqualValues(t, len(found), v.Wrong)
				return found
			}
			require.Equal(t, test.want, verify(maindb.Anchor{}))
			if test.unless > 0 {
				require.Empty(t, verify(b.anchorAt(t, test.unless)))
			}
		})
	}
}

func (b *testBundle) anchorAt(t *testing.T, position int64) maindb.Anchor {
	t.Helper()
	var hash []byte
	err := b.db.QueryRowContext(t.Context(), "SELECT hash FROM change_seal WHERE position >= ? ORDER BY position LIMIT 1", position).Scan(&hash)
	require.NoError(t, err)
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT position FROM change_seal WHERE hash = ?", hash).Scan(&position))
	anchor, err := maindb.ParseAnchor(fmt.Sprintf("%d:%x", position, hash))
	require.NoError(t, err)
	return anchor
}

// TestAnchorShowsThatAllWasRewritten: a log that was cut off or rewritten as a whole fits,
// except for somebody who kept an anchor.
func TestAnchorShowsThatAllWasRewritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		require.NoError(t, b.store.AddChange(t.Context(), someChange(newID())))
	}
	b.sealAll(t)
	kept := b.anchorAt(t, 5)
	for _, statement := range []string{
		"DELETE FROM change_log ORDER BY change_id DESC LIMIT 1", "DELETE FROM change_seal",
		"INSERT INTO change_unsealed SELECT change_id, hash FROM change_log", "UPDATE change_chain SET position = 0, hash = REPEAT('\\0', 32)",
	} {
		_, err := b.db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	b.sealAll(t)
	found := 0
	count := func(maindb.Tampering) { found++ }
	v, err := b.store.VerifyChanges(t.Context(), maindb.Anchor{}, count)
	require.NoError(t, err)
	require.Zero(t, found)
	require.EqualValues(t, 4, v.Checked)
	_, err = b.store.VerifyChanges(t.Context(), kept, count)
	require.NoError(t, err)
	require.Positive(t, found)
	for _, bad := range []string{"", "5", "5:", "0:" + kept.String()[2:], "-5:" + kept.String()[2:], kept.String() + "00", "5:" + strings.Repeat("x", 64)} {
		_, err := maindb.ParseAnchor(bad)
		require.ErrorIs(t, err, maindb.ErrBadAnchor, bad)
	}
	require.Empty(t, maindb.Anchor{}.String(), "an empty log has no anchor to give, and VerifyLog takes none for its beginning")
}
