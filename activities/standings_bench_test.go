package activities_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// BenchmarkRecompute30000 recomputes a race of 30,000 finishers on real
// databases after one record was corrected, and says how long its parts take.
func BenchmarkRecompute30000(b *testing.B) {
	const finishers = 30_000
	mainDB, _ := mysqltest.New(b, maindb.Migrations())
	userDB, _ := mysqltest.New(b, userdb.Migrations())
	main, user := maindb.NewOutcomes(mainDB, time.Now), userdb.New(userDB, time.Now)
	forty := 40
	r, err := main.CreateRace(b.Context(), race.Race{
		ID: uuid.NewString(), OrganizerID: "organizer", Name: "Large", Date: race.Date{Year: 2026, Month: 4, Day: 20}, Distance: 42_195_000,
		Ranking:   race.Ranking{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesNet},
		Divisions: []race.Division{{Name: "M", Sex: race.Male}, {Name: "F", Sex: race.Female, MinAge: &forty}},
	})
	require.NoError(b, err)
	var results []race.Result
	var list []maindb.StartListRow
	for i := range finishers {
		bib := fmt.Sprint(i + 1)
		list = append(list, maindb.StartListRow{
			Bib: bib, Sex: []race.Sex{race.Male, race.Female}[i%2], Age: 20 + i%50,
			Field: race.Runner, StandIn: maindb.RunnerAccount{UserID: uuid.NewString()},
		})
		results = append(results, race.Result{Bib: bib, Gun: race.Time(8_000_000 + 1000*(i/3)), Net: race.Time(7_900_000 + 997*(i/3)), Status: race.Finished})
	}
	planned, err := main.PlanStartList(b.Context(), r.ID, list)
	require.NoError(b, err)
	_, err = main.ImportStartList(b.Context(), r.ID, list, planned)
	require.NoError(b, err)
	_, err = main.ImportResults(b.Context(), rows(r.ID, results), maindb.Change{By: "organizer"})
	require.NoError(b, err)
	in, err := main.StandingsInputs(b.Context(), r.ID)
	require.NoError(b, err)
	for i := range in.Entries { // as credits are: one row each
		e := &in.Entries[i]
		_, err := userDB.ExecContext(b.Context(), `INSERT INTO credit (record_id, race_id, revision, status, user_id, points, rule, edition,
			reason, workflow_id, updated_at) VALUES (?, ?, 1, 'credited', ?, ?, 'agegrade', '2025', '', ?, NOW(6))`,
			e.RecordID, r.ID, e.UserID, i%1000, "credit/"+r.ID+"/"+e.RecordID+"/r1")
		require.NoError(b, err)
	}
	registry := prometheus.NewRegistry()
	steps := activities.NewStandings(main, user, time.Now, activities.NewStandingsMetrics(registry))
	corrected, revision := in.Entries[0].RecordID, 1
	for b.Loop() {
		gun := race.Time(8_000_000 + revision)
		_, _, err := main.PatchRecord(b.Context(), r.ID, corrected, revision, maindb.RecordPatch{Gun: &gun}, maindb.Change{By: "organizer"})
		require.NoError(b, err)
		revision++
		result, err := steps.RecomputeStandings(b.Context(), activities.RecomputeInput{RaceID: r.ID})
		require.NoError(b, err)
		require.True(b, result.Changed)
	}
	families, err := registry.Gather()
	require.NoError(b, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if h := metric.GetHistogram(); h != nil {
				b.ReportMetric(h.GetSampleSum()/float64(h.GetSampleCount())*1000, metric.GetLabel()[0].GetValue()+"-ms/op")
			}
		}
	}
}

// rows is a file with the times of results.
func rows(raceID string, results []race.Result) maindb.ResultsFile {
	file := maindb.ResultsFile{ImportID: uuid.NewString(), RaceID: raceID}
	for _, r := range results {
		file.Rows = append(file.Rows, race.ResultRow{Bib: r.Bib, Gun: &r.Gun})
	}
	return file
}
