package activities_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/series"
)

// seriesBundle is a series of two races of one organizer over a real main_db, whose
// ledger is a map.
type seriesBundle struct {
	store    *maindb.Outcomes // the worker's
	organize *maindb.Store    // the API's
	credits  raceCredits
	steps    *activities.Series
	races    []race.Race
	seriesID string

	mu    sync.Mutex
	woken []string
	fail  error // of waking
}

func setupSeries(t *testing.T) *seriesBundle {
	t.Helper()
	_, cfg := mysqltest.New(t, maindb.Migrations())
	b := &seriesBundle{
		store:    maindb.NewOutcomes(mysqltest.As(t, cfg, maindb.Grants(), mysql.Worker), time.Now),
		organize: maindb.New(mysqltest.As(t, cfg, maindb.Grants(), mysql.API), time.Now),
		credits:  raceCredits{},
	}
	b.steps = activities.NewSeries(b.store, func(_ context.Context, seriesID string) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.woken = append(b.woken, seriesID)
		return b.fail
	}, time.Now)
	organizer := uuid.NewString()
	n := maindb.Series{ID: uuid.NewString(), OrganizerID: organizer, Name: "Park Series", MinRaces: 1}
	for i, name := range []string{"Spring 10K", "Summer 10K"} {
		r, err := b.organize.CreateRace(t.Context(), race.Race{
			ID: uuid.NewString(), OrganizerID: organizer, Name: name, Date: race.Date{Year: 2026, Month: time.Month(4 + i), Day: 19}, Distance: 10_000_000,
			Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
		})
		require.NoError(t, err)
		b.races = append(b.races, r)
		n.Races = append(n.Races, maindb.SeriesRace{Race: series.Race{ID: r.ID, Multiplier: series.Whole}})
	}
	_, err := b.organize.CreateSeries(t.Context(), n)
	require.NoError(t, err)
	b.seriesID = n.ID
	return b
}

// finish has the runner finish a race.
func (b *seriesBundle) finish(t *testing.T, of race.Race) race.Record {
	t.Helper()
	const bib = "1"
	rows := []maindb.StartListRow{{
		Bib: bib, Sex: race.Female, Age: 30, Field: race.Runner, StandIn: maindb.RunnerAccount{UserID: "runner " + bib, Sex: race.Female},
	}}
	planned, err := b.organize.PlanStartList(t.Context(), of.ID, rows)
	require.NoError(t, err)
	_, err = b.organize.ImportStartList(t.Context(), of.ID, rows, planned)
	require.NoError(t, err)
	record, _, err := b.organize.PostRecord(t.Context(), of.ID, uuid.NewString(), race.Result{Bib: bib, Gun: 2_400_000, Status: race.Finished}, maindb.Change{By: of.OrganizerID})
	require.NoError(t, err)
	return record
}

// credit has the ledger know the points of a record, and the race ranked.
func (b *seriesBundle) credit(t *testing.T, r race.Record, points int64) {
	t.Helper()
	facts, err := b.store.Facts(t.Context(), r.ID)
	require.NoError(t, err)
	b.credits[r.ID] = race.Credit{
		RecordID: r.ID, RaceID: r.RaceID, Revision: r.Revision, Status: race.Credited, UserID: "runner " + r.Result.Bib, Points: points, Fingerprint: facts.Fingerprint(),
	}
	b.recompute(t, r.RaceID)
}

func (b *seriesBundle) recompute(t *testing.T, raceID string) {
	t.Helper()
	standings := activities.NewStandings(b.store, b.credits, time.Now, activities.NewStandingsMetrics(prometheus.NewRegistry()))
	standings.Series = b.steps
	_, err := standings.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: raceID})
	require.NoError(t, err)
}

func (b *seriesBundle) rank(t *testing.T) activities.RankedSeries {
	t.Helper()
	ranked, err := b.steps.RecomputeSeries(t.Context(), activities.SeriesInput{SeriesID: b.seriesID})
	require.NoError(t, err)
	require.Positive(t, ranked.Elapsed)
	ranked.Elapsed = 0
	return ranked
}

// latest returns the latest version with the totals of runners.
func (b *seriesBundle) latest(t *testing.T) (head maindb.SeriesHead, totals map[string]int64) {
	t.Helper()
	heads, err := b.store.SeriesVersions(t.Context(), b.seriesID, 0, 1)
	require.NoError(t, err)
	require.Len(t, heads, 1)
	head, rows, err := b.store.SeriesStandings(t.Context(), b.seriesID, heads[0].Version)
	require.NoError(t, err)
	totals = map[string]int64{}
	for _, row := range rows {
		totals[row.UserID] = row.Total / series.Whole
	}
	return head, totals
}

func TestASeriesFollowsItsRaces(t *testing.T) {
	t.Parallel()
	b := setupSeries(t)
	require.Equal(t, activities.RankedSeries{Version: 1, Changed: true, Name: "Park Series"}, b.rank(t), "of no results")
	require.Equal(t, activities.RankedSeries{Version: 1, Name: "Park Series"}, b.rank(t), "again, nothing has changed")
	first := b.finish(t, b.races[0])
	b.credit(t, first, 700)
	require.Equal(t, []string{b.seriesID}, b.woken)
	require.Equal(t, 2, b.rank(t).Version)
	b.credit(t, b.finish(t, b.races[1]), 650)
	require.Equal(t, 3, b.rank(t).Version)
	head, totals := b.latest(t)
	require.Equal(t, "Summer 10K: results changed (version 1)", head.Reason)
	require.Equal(t, map[string]int64{"runner 1": 1350}, totals)

	_, err := b.organize.UpdateSeries(t.Context(), b.seriesID, func(s *maindb.Series) error {
		s.Races, s.Best = s.Races[1:], 1
		s.Races[0].Multiplier = 1500
		return nil
	})
	require.NoError(t, err)
	b.rank(t)
	head, totals = b.latest(t)
	require.Equal(t, "Spring 10K: taken out; settings changed: multipliers, best", head.Reason)
	require.Equal(t, map[string]int64{"runner 1": 975}, totals)

	require.NoError(t, b.organize.DeleteSeries(t.Context(), b.seriesID))
	ranked, err := b.steps.RecomputeSeries(t.Context(), activities.SeriesInput{SeriesID: b.seriesID})
	require.NoError(t, err, "there is nothing left to do")
	require.Zero(t, ranked.Version)
}

// TestTwoRacesThatFinishAtOnceAreRankedOnce: recomputes that run side by side write each
// version once, and the last of them has seen everything.
func TestTwoRacesThatFinishAtOnceAreRankedOnce(t *testing.T) {
	t.Parallel()
	b := setupSeries(t)
	b.rank(t)
	for _, r := range b.races {
		b.credit(t, b.finish(t, r), 500)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			_, err := b.steps.RecomputeSeries(t.Context(), activities.SeriesInput{SeriesID: b.seriesID})
			require.NoError(t, err)
		})
	}
	all.Wait()
	head, totals := b.latest(t)
	require.Equal(t, 2, head.Version)
	require.Equal(t, map[string]int64{"runner 1": 1000}, totals)
}

// TestASeriesHealsWithTheLedger: a restore loses the tail of the ledger, and the audit
// brings it back.
func TestASeriesHealsWithTheLedger(t *testing.T) {
	t.Parallel()
	b := setupSeries(t)
	record := b.finish(t, b.races[0])
	b.credit(t, record, 700)
	b.rank(t)
	before, totals := b.latest(t)
	require.Equal(t, map[string]int64{"runner 1": 700}, totals)

	lost := b.credits[record.ID]
	delete(b.credits, record.ID)
	b.recompute(t, record.RaceID)
	b.rank(t)
	_, totals = b.latest(t)
	require.Equal(t, map[string]int64{"runner 1": 0}, totals)
	b.credits[record.ID] = lost
	b.recompute(t, record.RaceID)
	b.rank(t)
	after, totals := b.latest(t)
	require.Equal(t, map[string]int64{"runner 1": 700}, totals)
	require.Equal(t, before.InputsHash, after.InputsHash)
	require.Equal(t, before.Version+2, after.Version)
}

// TestTheSweepFindsSeriesThatNobodyWoke: a worker died between a version of a race and
// the signal.
func TestTheSweepFindsSeriesThatNobodyWoke(t *testing.T) {
	t.Parallel()
	b := setupSeries(t)
	b.rank(t)
	b.fail = errors.New("no answer")
	b.credit(t, b.finish(t, b.races[0]), 700)
	b.woken, b.fail = nil, nil
	swept := sweepSeries(t, b)
	require.Equal(t, 1, swept.Series)
	require.Equal(t, []string{b.seriesID}, b.woken)
	b.rank(t)
	require.Zero(t, sweepSeries(t, b).Series)
}

func sweepSeries(t *testing.T, b *seriesBundle) (swept activities.Swept) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	sweeps := activities.NewSweeps(activities.SweepConfig{LookBack: time.Hour}, sweptRaces{}, sweptRaces{},
		func(context.Context, string) error { return nil }, time.Now, activities.NewStandingsMetrics(prometheus.NewRegistry()))
	sweeps.Series = b.steps
	env.RegisterActivity(sweeps)
	value, err := env.ExecuteActivity(sweeps.WakeStaleStandings)
	require.NoError(t, err)
	require.NoError(t, value.Get(&swept))
	return swept
}
