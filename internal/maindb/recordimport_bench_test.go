package maindb_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// BenchmarkImportResults imports the results of a large race and reports how
// many rows go in each second.
func BenchmarkImportResults(b *testing.B) {
	db, _ := mysqltest.New(b, maindb.Migrations())
	store, file := maindb.New(db, time.Now), results(50_000)
	for b.Loop() {
		b.StopTimer()
		r, err := store.CreateRace(b.Context(), race.Race{
			ID: newID(), OrganizerID: organizer.By, Name: "Spring Marathon", Date: race.Date{Year: 2026, Month: 4, Day: 19},
			Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
			Status: race.Scheduled,
		})
		require.NoError(b, err)
		b.StartTimer()
		imported, err := store.ImportResults(b.Context(), fileOf(r.ID, file), organizer)
		require.NoError(b, err)
		require.Equal(b, len(file), imported.Added)
	}
	b.ReportMetric(float64(len(file)*b.N)/b.Elapsed().Seconds(), "rows/s")
}
