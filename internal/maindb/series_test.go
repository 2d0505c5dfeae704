package maindb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/series"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// seriesOf makes a series of races, each with the multiplier 1.
func (b *testBundle) seriesOf(t *testing.T, races ...race.Race) maindb.Series {
	t.Helper()
	n := maindb.Series{ID: newID(), OrganizerID: organizer.By, Name: "Park Series", Best: 2, MinRaces: 1, Ties: []series.Tie{series.BestRace}}
	for _, r := range races {
		n.Races = append(n.Races, maindb.SeriesRace{Race: series.Race{ID: r.ID, Multiplier: series.Whole}})
	}
	created, err := b.store.CreateSeries(t.Context(), n)
	require.NoError(t, err)
	return created
}

// results writes a version of a race's standings in which runners have points.
func (b *testBundle) results(t testing.TB, raceID string, points map[string]int64) {
	t.Helper()
	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	for userID, n := range points {
		in.Entries = append(in.Entries, standings.Entry{
			RecordID: "record of " + userID, Revision: 1, UserID: userID, Age: 30, Field: race.Runner, Credited: true, Points: n,
			Result: race.Result{Bib: userID, Gun: 7_200_000, Status: race.Finished},
		})
	}
	require.NoError(t, b.store.AddStandings(t.Context(), version(t, in, b.clock.Now())))
}

// rank adds a version of a series' standings from what is there.
func (b *testBundle) rank(t testing.TB, seriesID string) maindb.NewSeriesStandings {
	t.Helper()
	in, err := b.store.SeriesInputs(t.Context(), seriesID)
	require.NoError(t, err)
	n := nextOf(t, in, b.clock.Now())
	require.NoError(t, b.store.AddSeriesStandings(t.Context(), n))
	return n
}

func nextOf(t testing.TB, in maindb.SeriesInputs, at time.Time) maindb.NewSeriesStandings {
	t.Helper()
	rules := in.Series.Rules()
	hash, races, err := series.HashOf(rules, in.Entries)
	require.NoError(t, err)
	in.Sources = slices.Clone(in.Sources) // as each process reads its own
	maindb.SetHashes(in.Sources, races)
	return maindb.NewSeriesStandings{
		SeriesID: in.Series.ID, Version: in.Latest.Version + 1, ComputedAt: at, InputsHash: hash, Rules: rules, Sources: in.Sources,
		Reason: "test", Rows: series.Rank(rules, in.Entries), Mark: in.Mark,
	}
}

func (b *testBundle) behind(t *testing.T) []string {
	t.Helper()
	behind, next, err := b.store.SeriesBehind(t.Context(), "", 100)
	require.NoError(t, err)
	require.Empty(t, next)
	return behind
}

func TestSeriesAreKeptAndLogged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one, two, foreign := b.created(t, spring(19)), b.created(t, spring(12)), spring(26)
	foreign.OrganizerID = newID()
	foreign = b.created(t, foreign)
	made := b.seriesOf(t, one, two)
	require.Equal(t, []string{two.ID, one.ID}, []string{made.Races[0].ID, made.Races[1].ID}, "by date")
	require.Equal(t, one.Date, made.Rules().AgesOn, "the day of the last race")
	again, err := b.store.CreateSeries(t.Context(), maindb.Series{ID: made.ID, OrganizerID: organizer.By, Name: "a retry"})
	require.NoError(t, err)
	require.Equal(t, made, again)

	var invalid *race.InvalidError
	_, err = b.store.CreateSeries(t.Context(), maindb.Series{
		ID: newID(), OrganizerID: organizer.By, Name: "A", Races: []maindb.SeriesRace{{Race: series.Race{ID: foreign.ID, Multiplier: 1000}}},
	})
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "races[0].race_id", invalid.Fields[0].Field)

	edit := func(s *maindb.Series) error {
		s.Races = []maindb.SeriesRace{{Race: series.Race{ID: one.ID, Multiplier: 1500}}}
		s.AgesOn, s.Best = race.Date{Year: 2026, Month: 12, Day: 31}, 0
		return nil
	}
	changed, err := b.store.UpdateSeries(t.Context(), made.ID, edit)
	require.NoError(t, err)
	require.EqualValues(t, 1500, changed.Races[0].Multiplier)
	_, err = b.store.UpdateSeries(t.Context(), made.ID, edit) // changes nothing
	require.NoError(t, err)
	read, err := b.store.Series(t.Context(), made.ID)
	require.NoError(t, err)
	require.Equal(t, changed, read)
	b.rank(t, made.ID)
	require.NoError(t, b.store.DeleteSeries(t.Context(), made.ID))
	require.ErrorIs(t, b.store.DeleteSeries(t.Context(), made.ID), race.ErrNotFound)
	_, err = b.store.Series(t.Context(), made.ID)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.UpdateSeries(t.Context(), made.ID, edit)
	require.ErrorIs(t, err, race.ErrNotFound)

	logged, err := b.store.Changes(t.Context(), maindb.ChangeFilter{Subject: made.ID}, "", 10)
	require.NoError(t, err)
	var actions []string
	for _, c := range logged {
		actions = append(actions, c.Action)
	}
	require.Equal(t, []string{"series.deleted", "series.changed", "series.created"}, actions)
	require.Contains(t, text(logged[1].Before), fmt.Sprintf(`{"race_id":%q,"multiplier_thousandths":1000}`, two.ID))
	require.Contains(t, text(logged[1].After), `"races":[{"race_id":"`+one.ID+`","multiplier_thousandths":1500}]`)
	require.Contains(t, text(logged[1].After), `"ages_on":"2026-12-31"`)
}

func TestAnOrganizerHasAFewSeries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 50 {
		b.seriesOf(t)
	}
	var conflict *race.ConflictError
	_, err := b.store.CreateSeries(t.Context(), maindb.Series{ID: newID(), OrganizerID: organizer.By, Name: "One more"})
	require.ErrorAs(t, err, &conflict)
	listed, err := b.store.ListSeries(t.Context(), organizer.By, "", 100)
	require.NoError(t, err)
	require.Len(t, listed, 50)
}

// TestSeriesOfARaceThatIsHandedOver: a race counts for its owner's series alone.
func TestSeriesOfARaceThatIsHandedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stays, goes := b.created(t, spring(12)), b.created(t, spring(19))
	made := b.seriesOf(t, stays, goes)
	b.results(t, goes.ID, map[string]int64{"u1": 500})
	b.rank(t, made.ID)
	require.Empty(t, b.behind(t))
	b.exec(t, "UPDATE race SET organizer_id = ? WHERE race_id = ?", newID(), goes.ID)
	require.Equal(t, []string{made.ID}, b.behind(t))
	ids, err := b.store.SeriesWithRace(t.Context(), goes.ID)
	require.NoError(t, err)
	require.Empty(t, ids)
	without := b.rank(t, made.ID)
	require.Empty(t, without.Rows)
	require.Equal(t, stays.Date, without.Rules.AgesOn)
	require.Empty(t, b.behind(t))
}

func TestSeriesBehindTheirInputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r, other := b.created(t, spring(12)), b.created(t, spring(19))
	made := b.seriesOf(t, r, other)
	empty := b.seriesOf(t)
	stale := []string{made.ID, empty.ID}
	slices.Sort(stale)
	require.Equal(t, stale, b.behind(t), "never ranked")
	b.rank(t, empty.ID)
	for _, change := range []func(){
		func() {},
		func() { b.results(t, r.ID, map[string]int64{"u1": 500, "u2": 400}) },
		func() { b.results(t, r.ID, map[string]int64{"u1": 500}) },
		func() {
			_, err := b.store.UpdateSeries(t.Context(), made.ID, func(s *maindb.Series) error { s.Best++; return nil })
			require.NoError(t, err)
		},
		func() { b.exec(t, "UPDATE race SET status = 'void' WHERE race_id = ?", other.ID) },
		func() { b.exec(t, "UPDATE race SET race_date = '2026-03-01' WHERE race_id = ?", r.ID) },
		func() { b.exec(t, "DELETE FROM race WHERE race_id = ?", other.ID) },
	} {
		change()
		if other.ID != "" && !slices.Contains(b.behind(t), made.ID) {
			// A void race that is deleted changes nothing.
			continue
		}
		b.rank(t, made.ID)
		require.Empty(t, b.behind(t))
	}
	require.NoError(t, b.store.MarkSeries(t.Context(), made.ID, maindb.SeriesMark{}))
	require.Equal(t, []string{made.ID}, b.behind(t))
}

// TestSeriesVersionsAreWrittenOnce: two races that finish at once wake two recomputes,
// of which one writes the version.
func TestSeriesVersionsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(12))
	made := b.seriesOf(t, r)
	b.results(t, r.ID, map[string]int64{"u1": 500})
	in, err := b.store.SeriesInputs(t.Context(), made.ID)
	require.NoError(t, err)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		n := nextOf(t, in, b.clock.Now())
		all.Go(func() { errs[i] = b.store.AddSeriesStandings(t.Context(), n) })
	}
	all.Wait()
	written := 0
	for _, err := range errs {
		if err == nil {
			written++
			continue
		}
		require.ErrorIs(t, err, maindb.ErrOvertaken)
	}
	require.Equal(t, 1, written)
	heads, err := b.store.SeriesVersions(t.Context(), made.ID, 0, 10)
	require.NoError(t, err)
	require.Len(t, heads, 1)
	require.Equal(t, r.Name, heads[0].Sources[0].Name)
	head, rows, err := b.store.SeriesStandings(t.Context(), made.ID, 1)
	require.NoError(t, err)
	require.Equal(t, heads[0], head)
	require.Len(t, rows, 1)
	require.EqualValues(t, 500_000, rows[0].Total)
	_, _, err = b.store.SeriesStandings(t.Context(), made.ID, 2)
	require.ErrorIs(t, err, race.ErrNotFound)
}

// TestOldSeriesVersionsDropTheirRows: the latest 20 keep them, and ever fewer before.
func TestOldSeriesVersionsDropTheirRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	made := b.seriesOf(t)
	for range 150 {
		b.rank(t, made.ID)
	}
	heads, err := b.store.SeriesVersions(t.Context(), made.ID, 0, 1000)
	require.NoError(t, err)
	require.Len(t, heads, 150)
	var kept []int
	for _, head := range heads {
		if head.RowsKept {
			kept = append(kept, head.Version)
		}
	}
	want := []int{128, 1}
	for v := range 20 {
		want = append(want, 150-v)
	}
	require.ElementsMatch(t, want, kept)
	_, rows, err := b.store.SeriesStandings(t.Context(), made.ID, 129)
	require.NoError(t, err)
	require.Nil(t, rows)
}

// BenchmarkSeries ranks 30 races of 5,000 runners, half of whom run in each.
func BenchmarkSeries(b *testing.B) {
	db, _ := mysqltest.New(b, maindb.Migrations())
	bundle := &testBundle{store: maindb.NewOutcomes(db, time.Now), db: db, clock: &clock{now: time.Now()}}
	n := maindb.Series{ID: newID(), OrganizerID: organizer.By, Name: "A", Best: 10, Ties: series.Ties}
	for i := range 30 {
		r := spring(1 + i%28)
		r.Distance += race.Distance(i)
		made, err := bundle.store.CreateRace(b.Context(), r)
		require.NoError(b, err)
		points := map[string]int64{}
		for j := range 5_000 {
			points[fmt.Sprintf("0192f3a1-7c55-7f0e-9f63-%012d", (i*2_500+j)%10_000)] = int64(300 + (i*7919+j*104729)%600)
		}
		bundle.results(b, made.ID, points)
		n.Races = append(n.Races, maindb.SeriesRace{Race: series.Race{ID: made.ID, Multiplier: series.Whole}})
	}
	_, err := bundle.store.CreateSeries(b.Context(), n)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		bundle.rank(b, n.ID)
	}
	heads, err := bundle.store.SeriesVersions(b.Context(), n.ID, 0, 1)
	require.NoError(b, err)
	began := time.Now()
	_, rows, err := bundle.store.SeriesStandings(b.Context(), n.ID, heads[0].Version)
	require.NoError(b, err)
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/read")
	require.Len(b, rows, 10_000)
	var size int64
	require.NoError(b, db.QueryRowContext(b.Context(), "SELECT LENGTH(body) FROM series_standings WHERE version = ?", heads[0].Version).Scan(&size))
	b.ReportMetric(float64(size), "body-bytes")
	encoded, err := json.Marshal(rows)
	require.NoError(b, err)
	b.ReportMetric(float64(len(encoded)), "json-bytes")
}
