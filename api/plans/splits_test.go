package plans_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const timed = `Bib,First Name,Last Name,Gender,Age,Team,10K,Half,Bridge,Clock Time
1,Ada,Alm,F,30,Red,0:40:00,1:25:00,0:10:00,2:50:00
2,Bea,Bok,F,31,Blue,0:45:00,3:30:00,0:11:00,3:10:00
3,Cem,Can,M,45,Red,0:50:00,,0:12:00,DNF
`

// TestSplitsAndTeamsOfAFile plans, applies and undoes a file with splits and teams.
func TestSplitsAndTeamsOfAFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.race(t, func(r *race.Race) {
		r.Course = r.Course.With([]race.TimingPoint{{Name: "10 km", Distance: 10_000_000}, {Name: "Half", Distance: 21_097_500}})
		r.Teams = []race.TeamRule{{Name: "Clubs", Rule: race.SumOfTimes, N: 1, Sex: race.Mixed}}
	})
	plan := b.plan(t, raceID, timed)
	require.Equal(t, 3, plan.Counts.Added)
	require.Contains(t, plan.Notes, `The splits "Bridge" belong to no timing point of the race, and are not kept: set its timing_points first.`)
	require.Contains(t, plan.Notes, "Splits that cannot be right: 1. They are left out, and their rows say why.")
	rows := b.rows(t, raceID, plan)
	require.Equal(t, "the reading at Half (3:30:00) is later than the finish (3:10:00): left out", rows[1].Message)
	require.Equal(t, maindb.ActionAdded, rows[1].Action)

	b.apply(t, raceID, plan)
	state := func() (splits map[string]race.Splits, teams int) {
		records, err := b.main.ListRecords(t.Context(), raceID, maindb.RecordFilter{}, "", 10)
		require.NoError(t, err)
		all, err := b.main.SplitsOfRace(t.Context(), raceID)
		require.NoError(t, err)
		splits = map[string]race.Splits{}
		for _, r := range records {
			splits[r.Result.Bib] = all[r.ID]
		}
		found, err := b.main.TeamsOfRace(t.Context(), raceID)
		require.NoError(t, err)
		return splits, len(found)
	}
	splits, teams := state()
	require.Equal(t, map[string]race.Splits{"1": {1: 2_400_000, 2: 5_100_000}, "2": {1: 2_700_000}, "3": {1: 3_000_000}}, splits)
	require.Equal(t, 3, teams)

	again := b.plan(t, raceID, timed)
	require.Equal(t, 3, again.Counts.Unchanged)
	inputs := b.inputs(t, raceID)
	next := b.plan(t, raceID, "Bib,Team,10K,Clock Time\n1,Blue,0:41:00,2:50:00\n2,,0:45:00,3:10:00\n", "kind", "results")
	require.Equal(t, 1, next.Counts.Changed)
	row := b.rows(t, raceID, next)[0]
	require.Equal(t, map[string]string{"splits.10 km": "0:40:00"}, row.Before)
	require.Zero(t, next.Consequences.PlacesMoved, "splits move no places")
	require.Zero(t, next.Consequences.PointsTotal, "and no points")
	b.apply(t, raceID, next)
	splits, _ = state()
	require.Equal(t, race.Splits{1: 2_460_000, 2: 5_100_000}, splits["1"])
	require.Equal(t, inputs, b.inputs(t, raceID))

	decode[object](t, b.call(t, http.MethodPost, importsOf(raceID)+"/"+next.ImportID+"/undo", object{"reason": "wrong file"}), http.StatusOK)
	splits, _ = state()
	require.Equal(t, race.Splits{1: 2_400_000, 2: 5_100_000}, splits["1"])
	decode[object](t, b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/undo", object{"reason": "wrong race"}), http.StatusOK)
	_, teams = state()
	require.Zero(t, teams)
}
