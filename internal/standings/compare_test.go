package standings_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

func TestCompareNamesWhoMovedAndWhy(t *testing.T) {
	t.Parallel()
	rules := standings.Rules{Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}}
	entries := make([]standings.Entry, 5)
	for i := range entries {
		bib := string(rune('1' + i))
		entries[i] = standings.Entry{
			RecordID: "r" + bib, UserID: "u" + bib, Revision: 1, Age: race.UnknownAge, Field: race.Runner,
			Result: race.Result{Bib: bib, Status: race.Finished, Gun: race.Time(100 + i)},
		}
	}
	before := standings.Rank(rules, entries)
	require.Empty(t, standings.Compare(before, standings.Rank(rules, entries)).Changes)

	entries = slices.Clone(entries)
	entries[1].Result.Status, entries[1].Revision = race.Disqualified, 2 // the second
	entries[4].Credited, entries[4].Points = true, 700
	entries[0].Revision = 2 // a correction and its undoing
	after := standings.Rank(rules, entries)
	type move struct {
		from, to int
		because  []string
	}
	got := map[string]move{}
	compared := standings.Compare(before, after)
	for _, c := range compared.Changes {
		got[c.Row().RecordID] = move{c.From.Place, c.To.Place, records(compared.Because(c))}
	}
	require.Equal(t, map[string]move{
		"r2": {2, 0, []string{"r2"}}, "r3": {3, 2, []string{"r2"}}, "r4": {4, 3, []string{"r2"}}, "r5": {5, 4, []string{"r2"}},
	}, got)

	shorter := standings.Rank(rules, entries[1:])
	changes := standings.Compare(after, shorter).Changes
	require.Len(t, changes, 4)
	require.Nil(t, changes[3].To)
	require.Equal(t, "r1", changes[3].Row().RecordID)
	require.Equal(t, [2]int{2, math.MaxInt}, changes[3].Span())
	require.Nil(t, standings.Compare(shorter, after).Changes[0].From)
}

func TestCompareOfManyRevisionsListsOnlyTheOwn(t *testing.T) {
	t.Parallel()
	rules := standings.Rules{Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}}
	entries := make([]standings.Entry, 1001)
	for i := range entries {
		id := string(rune(0x4e00 + i))
		entries[i] = standings.Entry{
			RecordID: id, UserID: id, Field: race.Runner,
			Result: race.Result{Bib: id, Status: race.Finished, Gun: race.Time(1000 + i)},
		}
	}
	before := standings.Rank(rules, entries)
	entries = slices.Clone(entries)
	for i := range entries[:600] {
		entries[i].Revision++
		entries[i].Result.Gun += 5000
	}
	compared := standings.Compare(before, standings.Rank(rules, entries))
	for _, c := range compared.Changes {
		if c.To.Revision == 1 {
			require.Equal(t, []string{c.To.RecordID}, records(compared.Because(c)))
		} else {
			require.Empty(t, compared.Because(c))
		}
	}
}

func records(changes []standings.Change) []string {
	ids := make([]string, len(changes))
	for i, c := range changes {
		ids[i] = c.Row().RecordID
	}
	return ids
}
