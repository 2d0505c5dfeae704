package userdb_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// pagesOf reads slices of one until the last.
func pagesOf[T any](t *testing.T, read func(after string) ([]T, string, error)) (all []T) {
	t.Helper()
	for after := ""; ; {
		page, next, err := read(after)
		require.NoError(t, err)
		all = append(all, page...)
		if next == "" {
			return all
		}
		require.Greater(t, next, after)
		after = next
	}
}

func (b *ledgerBundle) unequalTotals(t *testing.T, size int) []userdb.UnequalTotal {
	t.Helper()
	return pagesOf(t, func(after string) ([]userdb.UnequalTotal, string, error) {
		return b.store.UnequalTotals(t.Context(), after, size)
	})
}

func (b *ledgerBundle) unequalCredits(t *testing.T, size int) []userdb.UnequalCredit {
	t.Helper()
	return pagesOf(t, func(after string) ([]userdb.UnequalCredit, string, error) {
		return b.store.UnequalCredits(t.Context(), after, size)
	})
}

func (b *ledgerBundle) damage(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := b.db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

const strayLine = `INSERT INTO point (user_id, race_id, record_id, revision, entry, rule, edition, points, reason, workflow_id, created_at)
	VALUES (?, ?, ?, ?, 'credit', '', '', ?, '', '', NOW(6))`

func TestUnequalTotals(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 5) // the last one has no lines
	for i, runner := range b.runners[:4] {
		b.apply(t, b.credited(uuid.NewString(), 1, runner, int64(100+i)))
	}
	require.Empty(t, b.unequalTotals(t, 2))
	b.damage(t, "UPDATE user SET total_point = 7 WHERE user_id = ?", b.runners[1])
	b.damage(t, "UPDATE user SET total_point = -1 WHERE user_id = ?", b.runners[4])
	want := []userdb.UnequalTotal{{UserID: b.runners[1], Total: 7, Lines: 101}, {UserID: b.runners[4], Total: -1}}
	slices.SortFunc(want, func(x, y userdb.UnequalTotal) int { return cmp.Compare(x.UserID, y.UserID) })
	for _, size := range []int{1, 2, 5, 100} {
		require.Equal(t, want, b.unequalTotals(t, size), "slices of %d", size)
	}
}

func TestUnequalCredits(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 3)
	first, other, third := b.runners[0], b.runners[1], b.runners[2]
	corrected, doubled, foreign, short, orphan, rejected := uuid.NewString(), uuid.NewString(), uuid.NewString(),
		uuid.NewString(), uuid.NewString(), uuid.NewString()
	b.apply(t, b.credited(corrected, 1, first, 50))
	b.apply(t, b.credited(corrected, 2, other, 60)) // reversed for the one, credited to the other
	for _, id := range []string{doubled, foreign, short, orphan} {
		b.apply(t, b.credited(id, 1, first, 10))
	}
	b.apply(t, b.rejected(rejected, 1, "nobody has bib 34"))
	require.Empty(t, b.unequalCredits(t, 2))
	for _, runner := range b.runners {
		has, err := b.store.HasUnequalCredit(t.Context(), runner)
		require.NoError(t, err)
		require.False(t, has)
	}

	b.damage(t, strayLine, first, b.raceID, doubled, 2, 10)
	b.damage(t, strayLine, third, b.raceID, foreign, 2, 3)
	b.damage(t, "DELETE FROM point WHERE record_id = ?", short)
	b.damage(t, "DELETE FROM credit WHERE record_id = ?", orphan)
	b.damage(t, strayLine, first, b.raceID, rejected, 1, 4)
	want := []userdb.UnequalCredit{
		{RecordID: doubled, UserID: first, Excess: 10},
		{RecordID: foreign, UserID: third, Excess: 3},
		{RecordID: short, UserID: first, Excess: -10},
		{RecordID: orphan, UserID: first, Excess: 10},
		{RecordID: rejected, UserID: first, Excess: 4},
	}
	slices.SortFunc(want, func(x, y userdb.UnequalCredit) int { return cmp.Compare(x.RecordID, y.RecordID) })
	for _, size := range []int{1, 2, 100} {
		require.Equal(t, want, b.unequalCredits(t, size), "slices of %d", size)
	}
	for runner, want := range map[string]bool{first: true, other: false, third: true} {
		has, err := b.store.HasUnequalCredit(t.Context(), runner)
		require.NoError(t, err)
		require.Equal(t, want, has)
	}
}
