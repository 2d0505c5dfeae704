package maindb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// growing is a race whose standings get one version after another.
type growing struct {
	*testBundle
	raceID   string
	race     race.Race
	entries  []standings.Entry
	versions [][]standings.Row // from version 1
}

func setupGrowing(t testing.TB) *growing {
	t.Helper()
	db, _ := mysqltest.New(t, maindb.Migrations())
	clock := &clock{now: time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC)}
	g := &growing{testBundle: &testBundle{store: maindb.NewOutcomes(db, clock.Now), db: db, clock: clock}, raceID: uuid.NewString()}
	forty := 40
	g.race = race.Race{
		ID: g.raceID, Ranking: race.Ranking{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesShare}, Scoring: "agegrade-2025",
		Divisions: []race.Division{{Name: "F", Sex: race.Female}, {Name: "M40+", Sex: race.Male, MinAge: &forty}},
	}
	return g
}

// finish adds entries whose times, bibs and IDs compress as badly as real ones.
func (g *growing) finish(n int) {
	for range n {
		i := len(g.entries)
		g.entries = append(g.entries, standings.Entry{
			RecordID: uuid.Must(uuid.NewV7()).String(), UserID: uuid.Must(uuid.NewV7()).String(), Revision: 1,
			Sex: []race.Sex{race.Male, race.Female}[i%2], Age: 20 + i%50, Field: race.Runner, Credited: true, Points: int64(400 + i*7919%400),
			Result: race.Result{
				Bib: fmt.Sprint(i*7919%30_000 + 1), Status: race.Finished,
				Gun: race.Time(8_000_000 + 100*(i*7919%70_000)), Net: race.Time(7_900_000 + 100*(i*7907%70_000)),
			},
		})
	}
}

func (g *growing) add(t testing.TB, status race.Status) {
	t.Helper()
	rules := maindb.RulesetOf(g.race)
	hash, err := standings.Hash(rules.Rules, g.entries)
	require.NoError(t, err)
	g.clock.Advance(time.Second)
	rows := standings.Rank(rules.Rules, g.entries)
	g.versions = append(g.versions, rows)
	require.NoError(t, g.store.AddStandings(t.Context(), maindb.NewStandings{
		RaceID: g.raceID, Version: len(g.versions), Status: status, ComputedAt: g.clock.Now(), InputsHash: hash, Rules: rules, Rows: rows,
		Mark: maindb.StandingsMark{RaceChangedAt: g.clock.Now()},
	}))
}

// correct disqualifies the first of those who have a place, which moves everybody,
// or undoes a disqualification, or takes a record away.
func (g *growing) correct(i int) {
	switch i % 3 {
	case 0:
		first := g.versions[len(g.versions)-1][0].RecordID
		for j := range g.entries {
			if g.entries[j].RecordID == first {
				g.entries[j].Result.Status, g.entries[j].Credited, g.entries[j].Points = race.Disqualified, true, 0
				g.entries[j].Revision++
			}
		}
	case 1:
		g.entries[i*31%len(g.entries)].Result.Gun += 700
		g.entries[i*31%len(g.entries)].Revision++
	case 2:
		g.entries = append(g.entries[:i:i], g.entries[i+1:]...)
	}
}

func (g *growing) thin(t testing.TB) maindb.Thinned {
	t.Helper()
	done, err := g.store.ThinStandings(t.Context(), g.raceID, g.clock.Now().Add(time.Hour))
	require.NoError(t, err)
	return done
}

// kept checks that every version either reads as it was written or says where the
// nearest rows are, and returns those that have rows.
func (g *growing) kept(t testing.TB) (versions []int) {
	t.Helper()
	heads, err := g.store.StandingsBefore(t.Context(), g.raceID, 0, 10_000)
	require.NoError(t, err)
	require.Len(t, heads, len(g.versions), "every head is kept")
	var gone []*maindb.NotKeptError
	for i, rows := range g.versions {
		head, read, err := g.store.Standings(t.Context(), g.raceID, i+1)
		require.Equal(t, err == nil, heads[len(heads)-1-i].RowsKept)
		if err != nil {
			var notKept *maindb.NotKeptError
			require.ErrorAs(t, err, &notKept)
			require.Equal(t, i+1, notKept.Version)
			gone = append(gone, notKept)
			continue
		}
		require.Equal(t, len(rows), head.Entries)
		require.True(t, len(rows) == len(read) && sameRows(rows, read), "version %d", i+1)
		versions = append(versions, i+1)
	}
	for _, g := range gone {
		require.Contains(t, versions, g.Before)
		require.Contains(t, versions, g.After)
		require.Less(t, g.Before, g.Version)
		require.Greater(t, g.After, g.Version)
	}
	return versions
}

func sameRows(a, b []standings.Row) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (g *growing) bytes(t testing.TB) (total int) {
	t.Helper()
	require.NoError(t, g.db.QueryRowContext(t.Context(), "SELECT SUM(LENGTH(body)) FROM standings").Scan(&total))
	return total
}

func TestProvisionalVersionsAreThinnedOut(t *testing.T) {
	t.Parallel()
	g := setupGrowing(t)
	for i := range 70 {
		g.finish(3)
		g.add(t, race.Provisional)
		if i%9 == 0 { // however often
			g.thin(t)
			g.kept(t)
		}
	}
	g.thin(t)
	require.Equal(t, []int{1, 64, 68, 70}, g.kept(t))
	require.Zero(t, g.thin(t), "nothing is left to do")

	for range 3 {
		g.finish(1)
		g.add(t, race.Provisional)
	}
	done, err := g.store.ThinStandings(t.Context(), g.raceID, g.clock.Now().Add(-2*time.Second))
	require.NoError(t, err)
	require.Equal(t, maindb.Thinned{Dropped: 2}, done)
	require.Equal(t, []int{1, 64, 71, 72, 73}, g.kept(t), "who reads a version page by page has time to finish")
}

func TestOfficialVersionsAreKeptAsDifferences(t *testing.T) {
	t.Parallel()
	g := setupGrowing(t)
	g.finish(300)
	g.add(t, race.Provisional)
	g.add(t, race.Official)
	for i := range 20 {
		g.correct(i)
		g.add(t, race.Official)
		if i%4 == 0 {
			g.thin(t)
		}
	}
	for i := range g.entries { // too much for a difference: a base of its own
		g.entries[i].Result.Gun += 100
	}
	g.add(t, race.Official)
	g.entries[5].Result.Gun += 700
	g.add(t, race.Official)
	g.race.Divisions = g.race.Divisions[:1] // the rules may differ too
	g.add(t, race.Official)
	whole := g.bytes(t)
	g.thin(t)
	all := make([]int, len(g.versions))
	for i := range all {
		all[i] = i + 1
	}
	require.Equal(t, all, g.kept(t))
	require.Less(t, g.bytes(t), whole)
	require.Zero(t, g.thin(t))
	kinds := map[string]int{}
	rows, err := g.db.QueryContext(t.Context(), "SELECT body_kind, COUNT(*) FROM standings GROUP BY body_kind")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var kind string
		var n int
		require.NoError(t, rows.Scan(&kind, &n))
		kinds[kind] = n
	}
	require.NoError(t, rows.Err())
	require.Equal(t, map[string]int{"rows": 2, "base": 2, "difference": 21}, kinds)

	// A difference that somebody has changed is noticed.
	g.exec(t, "UPDATE standings SET body = (SELECT body FROM (SELECT body FROM standings WHERE version = 4) AS other) WHERE version = 5")
	_, _, err = g.store.Standings(t.Context(), g.raceID, 5)
	require.ErrorContains(t, err, "does not reproduce the version's inputs")
}

// TestDifferencesOfEditionsStayReadable reads a difference that edition 1 of the
// ranking engine wrote. A release with another edition that cannot rank by this
// one would lose official versions: it has to keep the old ranking beside its own.
func TestDifferencesOfEditionsStayReadable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dump, err := os.ReadFile(filepath.Join("testdata", "edition1.sql"))
	require.NoError(t, err)
	b.exec(t, string(dump))
	_, rows, err := b.store.Standings(t.Context(), "01960000-0000-7000-8000-000000000000", 2)
	require.NoError(t, err)
	var lines []string
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%s: place %d, %s %d, %q %d, revision %d, %s, %d points", r.Result.Bib, r.Place, r.Sex, r.SexPlace,
			r.Division, r.DivisionPlace, r.Revision, r.Result.Status, r.Points))
	}
	require.Equal(t, []string{
		`11272: place 1, F 1, "F" 1, revision 1, OK, 471 points`,
		`7920: place 2, F 2, "F" 2, revision 1, OK, 719 points`,
		`19191: place 3, M 1, "" 0, revision 1, OK, 790 points`,
		`27110: place 4, F 3, "F" 3, revision 1, OK, 709 points`,
		`23758: place 5, F 4, "F" 4, revision 1, OK, 557 points`,
		`1677: place 6, M 2, "" 0, revision 1, OK, 476 points`,
		`9596: place 6, F 5, "F" 5, revision 1, OK, 795 points`,
		`3353: place 8,  0, "" 0, revision 1, OK, 552 points`,
		`25434: place 0, F 0, "F" 0, revision 1, DNF, 633 points`,
		`1: place 0, M 0, "" 0, revision 2, DQ, 0 points`,
		`17515: place 1, M 1, "" 0, revision 1, OK, 714 points`,
	}, lines)
}

// BenchmarkThinnedStandings30000 measures what is kept of a burst of 30,000
// records and 200 corrections, before and after the race became official.
func BenchmarkThinnedStandings30000(b *testing.B) {
	for _, status := range []race.Status{race.Provisional, race.Official} {
		b.Run(string(status), func(b *testing.B) {
			g := setupGrowing(b)
			for range 70 {
				g.finish(30_000 / 70)
				g.add(b, race.Provisional)
			}
			g.add(b, status)
			for i := range 200 {
				g.correct(i)
				g.add(b, status)
				if i%20 == 0 {
					g.thin(b)
				}
			}
			for b.Loop() {
				g.thin(b)
			}
			b.ReportMetric(float64(g.bytes(b))/1e6, "MB")
			b.ReportMetric(float64(len(g.versions)), "versions")
		})
	}
}
