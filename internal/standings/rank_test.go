package standings_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

func TestEntriesWithoutAPlaceAreListed(t *testing.T) {
	t.Parallel()
	rules := standings.Rules{Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}}
	entry := func(bib, user string, status race.ResultStatus, gun race.Time) standings.Entry {
		return standings.Entry{
			RecordID: bib, UserID: user, Age: race.UnknownAge, Field: race.Runner,
			Result: race.Result{Bib: bib, Status: status, Gun: gun, Net: 5000},
		}
	}
	rows := standings.Rank(rules, []standings.Entry{
		entry("1", "u1", race.DidNotStart, 0), entry("2", "u2", race.Disqualified, 9000), entry("3", "u3", race.DidNotFinish, 0),
		entry("4", "u4", race.Overtime, 9000), entry("5", "u5", race.Finished, 0), entry("6", "", race.Finished, 8000),
		{RecordID: "8", UserID: "u8", Field: race.Runner, Result: race.Result{Bib: "8", Status: race.Finished, Gun: 1, Net: 1}, Implausible: "too fast"},
		entry("7", "u7", race.Finished, 9000), entry("10", "u10", race.Finished, 9000), entry("9", "u9", race.Finished, 9500),
	})
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprintf("%s:%d", r.Result.Bib, r.Place))
	}
	require.Equal(t, []string{"7:1", "10:1", "9:3", "5:0", "6:0", "8:0", "4:0", "3:0", "2:0", "1:0"}, got)
}

func TestTies(t *testing.T) {
	t.Parallel()
	entries := []standings.Entry{
		{RecordID: "a", UserID: "a", Field: race.Runner, Result: race.Result{Bib: "1", Status: race.Finished, Gun: 100, Net: 90, Sequence: 2}},
		{RecordID: "b", UserID: "b", Field: race.Runner, Result: race.Result{Bib: "2", Status: race.Finished, Gun: 100, Net: 80, Sequence: 3}},
		{RecordID: "c", UserID: "c", Field: race.Runner, Result: race.Result{Bib: "3", Status: race.Finished, Gun: 100, Sequence: 1}},
		{RecordID: "d", UserID: "d", Field: race.Runner, Result: race.Result{Bib: "4", Status: race.Finished, Gun: 120, Net: 70}},
	}
	for ties, want := range map[race.Ties]map[string]int{
		race.TiesShare:    {"a": 1, "b": 1, "c": 1, "d": 4},
		race.TiesNet:      {"a": 2, "b": 1, "c": 3, "d": 4},
		race.TiesSequence: {"a": 2, "b": 3, "c": 1, "d": 4},
	} {
		got := map[string]int{}
		for _, r := range standings.Rank(standings.Rules{Ranking: race.Ranking{Basis: race.Gun, Ties: ties}}, entries) {
			got[r.RecordID] = r.Place
		}
		require.Equal(t, want, got, ties)
	}
}

func TestDivisionsMayRankByAnotherTime(t *testing.T) {
	t.Parallel()
	young, old := 39, 40
	rules := standings.Rules{
		Ranking:   race.Ranking{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesShare},
		Divisions: []race.Division{{Name: "young", MaxAge: &young}, {Name: "masters", MinAge: &old}},
	}
	entry := func(id string, age int, gun, net race.Time) standings.Entry {
		return standings.Entry{
			RecordID: id, UserID: id, Age: age, Field: race.Runner,
			Result: race.Result{Bib: id, Status: race.Finished, Gun: gun, Net: net},
		}
	}
	got := map[string][2]int{}
	for _, r := range standings.Rank(rules, []standings.Entry{
		entry("1", 30, 100, 95), entry("2", 30, 101, 90), entry("3", 30, 102, 0), entry("4", race.UnknownAge, 103, 80), entry("5", 41, 104, 99),
	}) {
		got[r.RecordID] = [2]int{r.Place, r.DivisionPlace}
	}
	require.Equal(t, map[string][2]int{"1": {1, 2}, "2": {2, 1}, "3": {3, 0}, "4": {4, 0}, "5": {5, 1}}, got)
}

// random makes n entries with many ties, gaps and odd cases.
func random(r *rand.Rand, n int) (standings.Rules, []standings.Entry) {
	pick := func(n int) int { return r.IntN(n) }
	forty := 40
	rules := standings.Rules{
		Ranking: race.Ranking{
			Basis:          []race.Basis{race.Gun, race.Net}[pick(2)],
			DivisionsBasis: []race.Basis{"", race.Gun, race.Net}[pick(3)],
			Ties:           []race.Ties{race.TiesShare, race.TiesNet, race.TiesSequence}[pick(3)],
		},
		Divisions: []race.Division{{Name: "women", Sex: race.Female}, {Name: "masters", MinAge: &forty, Field: race.Runner}},
	}
	entries := make([]standings.Entry, n)
	for i := range entries {
		entries[i] = standings.Entry{
			RecordID: fmt.Sprintf("r%04d", i), UserID: []string{"u", "u", "u", ""}[pick(4)],
			Sex: []race.Sex{race.Male, race.Female, race.NonBinary, ""}[pick(4)], Age: pick(80) - 1,
			Field: []race.Field{race.Runner, race.Runner, race.Wheelchair, race.Handcycle}[pick(4)],
			Result: race.Result{
				Bib: fmt.Sprint(i), Gun: race.Time(pick(n / 4)), Net: race.Time(pick(n / 4)), Sequence: pick(n / 4),
				Status: []race.ResultStatus{race.Finished, race.Finished, race.Finished, race.DidNotFinish, race.Disqualified}[pick(5)],
			},
			Revision: 1 + pick(3), Credited: pick(2) == 0, Points: int64(pick(1000)),
		}
	}
	return rules, entries
}

func TestPlacesAreOneMoreThanTheBetterOnes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rules, entries := random(rand.New(rand.NewPCG(seed, 1)), 200)
		rows := standings.Rank(rules, entries)
		for _, row := range rows {
			if row.Place == 0 {
				continue
			}
			better := 1
			for _, other := range rows {
				if other.Field == row.Field && other.Place != 0 && beats(rules.Ranking.Basis, rules.Ranking.Ties, other.Result, row.Result) {
					better++
				}
			}
			require.Equal(t, better, row.Place, "seed %d, record %s", seed, row.RecordID)
		}
	}
}

// beats says in its own words who is better.
func beats(basis race.Basis, ties race.Ties, a, b race.Result) bool {
	timeOf := map[race.Basis]func(race.Result) race.Time{
		race.Gun: func(r race.Result) race.Time { return r.Gun },
		race.Net: func(r race.Result) race.Time { return r.Net },
	}[basis]
	if timeOf(a) != timeOf(b) {
		return timeOf(a) < timeOf(b)
	}
	switch ties {
	case race.TiesNet:
		return a.Net != 0 && (b.Net == 0 || a.Net < b.Net)
	case race.TiesSequence:
		return a.Sequence != 0 && (b.Sequence == 0 || a.Sequence < b.Sequence)
	case race.TiesShare:
	}
	return false
}

func TestRankDoesNotDependOnTheOrderOfItsInput(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		rules, entries := random(r, 200)
		want := standings.Rank(rules, entries)
		hash, err := standings.Hash(rules, entries)
		require.NoError(t, err)
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		require.Equal(t, want, standings.Rank(rules, entries))
		again, err := standings.Hash(rules, entries)
		require.NoError(t, err)
		require.Equal(t, hash, again)
	}
}

func TestAddingADNFChangesNoPlace(t *testing.T) {
	t.Parallel()
	rules, entries := random(rand.New(rand.NewPCG(3, 3)), 200)
	places := func(entries []standings.Entry) map[string][3]int {
		places := map[string][3]int{}
		for _, r := range standings.Rank(rules, entries) {
			places[r.RecordID] = [3]int{r.Place, r.SexPlace, r.DivisionPlace}
		}
		return places
	}
	before := places(entries)
	after := places(append(entries, standings.Entry{
		RecordID: "new", UserID: "u", Sex: race.Female, Age: 50, Field: race.Runner,
		Result: race.Result{Bib: "new", Gun: 1, Net: 1, Status: race.DidNotFinish},
	}))
	require.Zero(t, after["new"])
	delete(after, "new")
	require.Equal(t, before, after)
}

func TestAReversedDQRestoresTheHash(t *testing.T) {
	t.Parallel()
	rules, entries := random(rand.New(rand.NewPCG(4, 4)), 200)
	original, err := standings.Hash(rules, entries)
	require.NoError(t, err)
	was := entries[17].Result.Status
	entries[17].Result.Status = race.Overtime
	changed, err := standings.Hash(rules, entries)
	require.NoError(t, err)
	require.NotEqual(t, original, changed)
	entries[17].Result.Status = was
	undone, err := standings.Hash(rules, entries)
	require.NoError(t, err)
	require.Equal(t, original, undone)
}

func TestHashCoversAllButTheRevision(t *testing.T) {
	t.Parallel()
	rules, entries := random(rand.New(rand.NewPCG(6, 6)), 20)
	original, err := standings.Hash(rules, entries)
	require.NoError(t, err)
	for name, change := range map[string]func(*standings.Entry){
		"record": func(e *standings.Entry) { e.RecordID += "x" }, "user": func(e *standings.Entry) { e.UserID += "x" },
		"sex": func(e *standings.Entry) { e.Sex += "x" }, "age": func(e *standings.Entry) { e.Age++ },
		"field": func(e *standings.Entry) { e.Field += "x" }, "bib": func(e *standings.Entry) { e.Result.Bib += "x" },
		"gun": func(e *standings.Entry) { e.Result.Gun++ }, "net": func(e *standings.Entry) { e.Result.Net++ },
		"status": func(e *standings.Entry) { e.Result.Status += "x" }, "sequence": func(e *standings.Entry) { e.Result.Sequence++ },
		"credited": func(e *standings.Entry) { e.Credited = !e.Credited }, "points": func(e *standings.Entry) { e.Points++ },
		"implausible": func(e *standings.Entry) { e.Implausible = "too fast" },
	} {
		changed := slices.Clone(entries)
		change(&changed[7])
		hash, err := standings.Hash(rules, changed)
		require.NoError(t, err)
		require.NotEqual(t, original, hash, name)
	}
	revised := slices.Clone(entries)
	revised[7].Revision++
	hash, err := standings.Hash(rules, revised)
	require.NoError(t, err)
	require.Equal(t, original, hash)

	rules.Ranking.Ties += "x"
	hash, err = standings.Hash(rules, entries)
	require.NoError(t, err)
	require.NotEqual(t, original, hash)
}

func BenchmarkRank(b *testing.B) {
	rules, entries := random(rand.New(rand.NewPCG(5, 5)), 50_000)
	for b.Loop() {
		standings.Rank(rules, entries)
	}
}

func BenchmarkHash(b *testing.B) {
	rules, entries := random(rand.New(rand.NewPCG(5, 5)), 50_000)
	for b.Loop() {
		if _, err := standings.Hash(rules, entries); err != nil {
			b.Fatal(err)
		}
	}
}
