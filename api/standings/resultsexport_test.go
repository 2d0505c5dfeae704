package standings_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

// TestExportResults exports a race in every format, and reads it back as an import
// does.
func TestExportResults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.get(t, "/results/export").raw, "place,sex_place", "a race without standings has an empty table")
	_, _, err := b.main.UpdateRace(t.Context(), b.raceID, func(r *race.Race) error {
		r.Course = r.Course.With([]race.TimingPoint{{Name: "Half", Distance: 21_097_500}})
		return nil
	}, nil)
	require.NoError(t, err)
	rows := []maindb.StartListRow{{Bib: "4", Age: race.UnknownAge, Team: "@Blue", StandIn: maindb.RunnerAccount{UserID: b.users["4"]}}}
	planned, err := b.main.PlanStartList(t.Context(), b.raceID, rows)
	require.NoError(t, err)
	_, err = b.main.ImportStartList(t.Context(), b.raceID, rows, planned)
	require.NoError(t, err)
	b.patch(t, "3", "stopped", maindb.RecordPatch{Status: new(race.DidNotFinish), Gun: new(race.Time), Net: new(race.Time)})
	b.patch(t, "4", "chip read", maindb.RecordPatch{Splits: race.Splits{1: 4_000_000}})
	b.creditAll(t)
	b.recompute(t)

	for format, entries := range map[racefile.ExportFormat]int{
		racefile.ExportCSV: 5, racefile.ExportXLSX: 5, racefile.ExportRunSignup: 4, racefile.ExportUltraSignup: 4, racefile.ExportAthlinks: 4,
		racefile.ExportIOF: 4,
	} {
		got := b.get(t, "/results/export?format="+string(format))
		require.Equal(t, http.StatusOK, got.status, got.raw)
		require.Equal(t, format.ContentType(), got.header.Get("Content-Type"))
		require.Contains(t, got.header.Get("Content-Disposition"), `results-`+string(format)+`-v1`+format.Extension())
		read, err := racefile.Read("results"+format.Extension(), strings.NewReader(got.raw), racefile.Options{RaceDate: race.Date{Year: 2026, Month: 4, Day: 20}})
		require.NoError(t, err, format)
		require.Empty(t, read.Errors, format)
		require.Len(t, read.Rows, entries, format)
		byBib := map[string]racefile.Row{}
		for _, row := range read.Rows {
			byBib[row.Bib] = row
		}
		require.Equal(t, "=Dan Dow", byBib["4"].Name, format)
		require.Equal(t, race.DidNotFinish, byBib["3"].Status, format)
		if format != racefile.ExportUltraSignup {
			require.Equal(t, "@Blue", byBib["4"].Team, format)
			require.Equal(t, []racefile.Split{{Name: "Half", Time: 4_000_000}}, byBib["4"].Splits, format)
		}
		if format.WholeRace() {
			require.Equal(t, "Ève Núñez", byBib["5"].Name)
			require.Equal(t, race.Wheelchair, byBib["5"].Field)
			require.Equal(t, race.Time(8_003_000), byBib["4"].Gun)
			require.Equal(t, race.Time(7_984_000), byBib["4"].Net)
		}
	}
	require.Contains(t, b.get(t, "/results/export?format=athlinks&field=wheelchair").raw, "Ève")
	require.Equal(t, http.StatusUnprocessableEntity, b.get(t, "/results/export?format=pdf").status)
	require.Equal(t, http.StatusNotFound, b.get(t, "/results/export?version=7").status)
}
