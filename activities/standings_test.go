package activities_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// standingsStore keeps the standings of one race in memory.
type standingsStore struct {
	in       maindb.StandingsInputs
	versions []maindb.NewStandings
	marks    int
	reasons  map[string][]maindb.RevisionReason
	// beforeAdd, when set, runs before the next version is added, and once.
	beforeAdd func()
	// thinnedBefore is what versions had to be older than when they were thinned.
	thinnedBefore time.Time
}

func (s *standingsStore) StandingsInputs(_ context.Context, raceID string) (maindb.StandingsInputs, error) {
	if raceID != s.in.Race.ID {
		return maindb.StandingsInputs{}, race.ErrNotFound
	}
	in := s.in
	in.Entries = slices.Clone(s.in.Entries)
	return in, nil
}

func (s *standingsStore) AddStandings(_ context.Context, n maindb.NewStandings) error {
	if before := s.beforeAdd; before != nil {
		s.beforeAdd = nil
		before()
	}
	if n.Version != len(s.versions)+1 || n.Publishes != nil && *n.Publishes != s.in.Publication {
		return maindb.ErrOvertaken
	}
	s.versions = append(s.versions, n)
	rules, err := json.Marshal(n.Rules)
	if err != nil {
		return err
	}
	s.in.Latest = maindb.StandingsHead{Version: n.Version, Status: n.Status, InputsHash: n.InputsHash, Ruleset: rules}
	if n.Publishes != nil {
		s.in.Publication.PublishedAt, s.in.Race.Status = n.ComputedAt, race.Official
	}
	return nil
}

func (s *standingsStore) MarkStandings(context.Context, string, maindb.StandingsMark) error {
	s.marks++
	return nil
}

func (s *standingsStore) Standings(_ context.Context, _ string, version int) (maindb.StandingsHead, []standings.Row, error) {
	return maindb.StandingsHead{}, s.versions[version-1].Rows, nil
}

func (s *standingsStore) ThinStandings(_ context.Context, _ string, before time.Time) (maindb.Thinned, error) {
	s.thinnedBefore = before
	return maindb.Thinned{Dropped: 2}, nil
}

func (s *standingsStore) RevisionReasons(context.Context, []string) (map[string][]maindb.RevisionReason, error) {
	return s.reasons, nil
}

type raceCredits map[string]race.Credit

func (c raceCredits) RaceCredits(context.Context, string) (map[string]race.Credit, error) {
	return c, nil
}

// standingsBundle is a recompute over a race of three runners, all credited.
type standingsBundle struct {
	store   *standingsStore
	credits raceCredits
	now     time.Time
	gather  prometheus.Gatherer
	steps   *activities.Standings
}

func setupStandings(t *testing.T) *standingsBundle {
	t.Helper()
	b := &standingsBundle{
		store: &standingsStore{in: maindb.StandingsInputs{Race: race.Race{
			ID: "race", Status: race.Provisional, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare},
		}}},
		credits: raceCredits{},
		now:     time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC),
	}
	for i, bib := range []string{"1", "2", "3"} {
		b.store.in.Entries = append(b.store.in.Entries, standings.Entry{
			RecordID: "r" + bib, Revision: 1, UserID: "u" + bib, Age: 30, Field: race.Runner,
			Result: race.Result{Bib: bib, Status: race.Finished, Gun: race.Time(7_200_000 + i)},
		})
		b.credits["r"+bib] = race.Credit{Revision: 1, Status: race.Credited, UserID: "u" + bib, Points: 700}
	}
	registry := prometheus.NewRegistry()
	b.gather = registry
	b.steps = activities.NewStandings(b.store, b.credits, func() time.Time { return b.now },
		activities.NewStandingsMetrics(registry))
	return b
}

func (b *standingsBundle) recompute(t *testing.T) activities.Recomputed {
	t.Helper()
	result, err := b.steps.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: "race"})
	require.NoError(t, err)
	require.Positive(t, result.Elapsed)
	result.Elapsed = 0
	return result
}

// revise corrects a record, and credits the revision.
func (b *standingsBundle) revise(i int, reason string, edit func(*standings.Entry)) {
	entry := &b.store.in.Entries[i]
	entry.Revision++
	edit(entry)
	b.credits[entry.RecordID] = race.Credit{Revision: entry.Revision, Status: race.Credited, UserID: entry.UserID, Points: 700}
	if b.store.reasons == nil {
		b.store.reasons = map[string][]maindb.RevisionReason{}
	}
	b.store.reasons[entry.RecordID] = append(b.store.reasons[entry.RecordID],
		maindb.RevisionReason{Revision: entry.Revision, Reason: reason})
}

func TestRecomputeWritesAVersionOnlyWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	require.Equal(t, activities.Recomputed{Version: 1, Status: race.Provisional, Entries: 3, Changed: true}, b.recompute(t))
	require.Equal(t, activities.Recomputed{Version: 1, Status: race.Provisional, Entries: 3}, b.recompute(t))
	require.Equal(t, 1, b.store.marks)
	row := b.store.versions[0].Rows[0]
	require.Equal(t, []any{1, "r1", true, int64(700)}, []any{row.Place, row.RecordID, row.Credited, row.Points})

	b.revise(0, "cut the course", func(e *standings.Entry) { e.Result.Status = race.Disqualified })
	b.revise(0, "protest upheld", func(e *standings.Entry) { e.Result.Status = race.Finished })
	require.False(t, b.recompute(t).Changed) // a DQ and its undoing
	b.revise(0, "cut the course", func(e *standings.Entry) { e.Result.Status = race.Disqualified })
	require.Equal(t, 2, b.recompute(t).Version)
	require.Empty(t, b.store.versions[1].Reason)
}

func TestPointsCountOfTheLatestRevisionAlone(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.in.Entries[0].Revision = 2                                                                     // its credit is under way
	b.credits["r2"] = race.Credit{Revision: 1, Status: race.Rejected}                                      // no points
	b.credits["r3"] = race.Credit{Revision: 1, Status: race.Credited, UserID: "somebody else", Points: 70} // the start list changed
	require.Equal(t, 1, b.recompute(t).Pending)
	for _, row := range b.store.versions[0].Rows {
		require.False(t, row.Credited)
		require.NotZero(t, row.Place)
	}
}

func TestNothingToRankIsNoVersion(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.in.Entries = nil
	require.Zero(t, b.recompute(t))
	gone, err := b.steps.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: "gone"})
	require.NoError(t, err)
	require.Zero(t, gone)
}

func TestARecomputeThatIsOvertakenStartsAgain(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.beforeAdd = func() { // another one, with older inputs
		require.NoError(t, b.store.AddStandings(t.Context(), maindb.NewStandings{Version: 1, Status: race.Provisional}))
	}
	require.Equal(t, 2, b.recompute(t).Version)
	require.Len(t, b.store.versions[1].Rows, 3)
}

func TestPublishing(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	require.Equal(t, 1, b.recompute(t).Version)
	ends := b.now.Add(30 * time.Minute)
	b.store.in.Publication = maindb.Publication{RaceID: "race", EndsAt: ends}
	require.Equal(t, activities.Recomputed{Version: 1, Status: race.Provisional, Entries: 3, PublishAt: ends}, b.recompute(t))

	b.now = ends
	require.Equal(t, activities.Recomputed{Version: 2, Status: race.Official, Entries: 3, Changed: true}, b.recompute(t))
	require.Equal(t, "published", b.store.versions[1].Reason)
	require.Equal(t, b.store.versions[0].InputsHash, b.store.versions[1].InputsHash)
	require.False(t, b.recompute(t).Changed)

	b.revise(1, "chip of a pacer", func(e *standings.Entry) { e.Result.Gun -= 5 })
	b.revise(2, "", func(e *standings.Entry) { e.Result.Status = race.DidNotFinish })
	corrected := b.recompute(t)
	require.Equal(t, race.Official, corrected.Status)
	require.Equal(t, "bib 2: chip of a pacer; bib 3: record corrected", b.store.versions[2].Reason)

	b.store.in.Entries = append(b.store.in.Entries[:1:1], b.store.in.Entries[2])
	b.store.reasons = nil
	require.Equal(t, 4, b.recompute(t).Version)
	require.Equal(t, "bib 2: record removed", b.store.versions[3].Reason)
	b.credits["r1"] = race.Credit{Revision: 1, Status: race.Credited, UserID: "u1", Points: 701}
	require.Equal(t, 5, b.recompute(t).Version)
	require.Equal(t, "credits settled", b.store.versions[4].Reason)
}

func TestAChangeOfRulesIsAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.in.Race.Scoring = "agegrade-2025"
	require.Equal(t, 1, b.recompute(t).Version)
	b.store.in.Race.Divisions = []race.Division{{Name: "everybody"}}
	require.Equal(t, 2, b.recompute(t).Version)
	require.Equal(t, "divisions changed", b.store.versions[1].Reason)
	b.store.in.Race.Status = race.Official
	b.store.in.Race.Divisions[0] = race.Division{Name: "all"}
	b.store.in.Race.Ranking.Basis = race.Net
	b.revise(0, "race settings changed: ranking.basis", func(*standings.Entry) {})
	require.Equal(t, 3, b.recompute(t).Version)
	require.Equal(t, "ranking and divisions changed", b.store.versions[2].Reason)
	b.store.in.Race.Scoring = "wa-2025"
	b.credits["r1"] = race.Credit{Revision: 2, Status: race.Credited, UserID: "u1", Points: 900}
	require.Equal(t, 4, b.recompute(t).Version)
	require.Equal(t, "scoring changed", b.store.versions[3].Reason)
}

func TestPublishingAsAStepOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.in.Race.Name = "Park 10K"
	require.Equal(t, "Park 10K", b.recompute(t).Race)
	b.store.in.Publication = maindb.Publication{RaceID: "race", EndsAt: b.now}
	in := activities.RecomputeInput{RaceID: "race", PublishApart: true}
	for range 2 {
		due, err := b.steps.RecomputeStandings(t.Context(), in)
		require.NoError(t, err)
		require.True(t, due.Due)
		require.Equal(t, race.Provisional, due.Status)
	}
	published, err := b.steps.PublishStandings(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, race.Official, published.Status)
	require.Equal(t, 2, published.Version)

	b.store.in.Publication = maindb.Publication{RaceID: "race", EndsAt: b.now}
	delete(b.credits, "r2") // a correction came in between
	waits, err := b.steps.PublishStandings(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, b.now, waits.PublishAt)

	thinned, err := b.steps.ThinStandings(t.Context(), activities.ThinInput{RaceID: "race"})
	require.NoError(t, err)
	require.Equal(t, maindb.Thinned{Dropped: 2}, thinned)
	require.Equal(t, b.now.Add(-30*time.Second), b.store.thinnedBefore)
}

func TestPublishingWaitsForCreditsUnderWayButNotForever(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	delete(b.credits, "r2")
	b.store.in.Publication = maindb.Publication{RaceID: "race", EndsAt: b.now}
	waiting := b.recompute(t)
	require.Equal(t, race.Provisional, waiting.Status)
	require.Equal(t, b.now, waiting.PublishAt)
	require.Equal(t, 1, waiting.Pending)
	b.now = b.now.Add(time.Hour)
	require.Equal(t, race.Official, b.recompute(t).Status)
}

func TestACancelledWindowPublishesNothing(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	b.store.in.Publication = maindb.Publication{RaceID: "race", EndsAt: b.now}
	b.store.beforeAdd = func() { b.store.in.Publication = maindb.Publication{} }
	result := b.recompute(t)
	require.Equal(t, activities.Recomputed{Version: 1, Status: race.Provisional, Entries: 3, Changed: true}, result)
}

func TestStandingsOfAVoidRaceSaySo(t *testing.T) {
	t.Parallel()
	b := setupStandings(t)
	_, err := b.steps.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: "race"})
	require.NoError(t, err)
	b.store.in.Race.Status, b.store.in.Race.Voided = race.Void, &race.Voiding{Reason: "entered twice"}
	for range 2 { // nothing but the status has changed yet, and it is said once
		done, err := b.steps.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: "race"})
		require.NoError(t, err)
		require.Equal(t, race.Void, done.Status)
	}
	require.Len(t, b.store.versions, 2)
	require.Equal(t, "race voided: entered twice", b.store.versions[1].Reason)
}
