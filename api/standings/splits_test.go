package standings_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestSplitsOfABib(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, err := b.main.UpdateRace(t.Context(), b.raceID, func(r *race.Race) error {
		r.Course = r.Course.With([]race.TimingPoint{{Name: "Half", Distance: 21_097_500}, {Name: "25 km", Distance: 25_000_000}})
		return nil
	}, nil)
	require.NoError(t, err)
	b.creditAll(t)
	version := b.recompute(t).Version
	read := func(bib string) ([]any, string) {
		got := b.get(t, "/standings?bib="+bib)
		list, _ := got.items(t, "splits")[0].([]any)
		return list, got.header.Get("ETag")
	}
	none, before := read("1")
	require.Empty(t, none)

	for bib, half := range map[string]race.Time{"1": 4_000_000, "2": 3_900_000, "3": 4_000_000, "5": 3_000_000} {
		b.patch(t, bib, "chips read", maindb.RecordPatch{Splits: race.Splits{1: half}})
	}
	b.clock.Advance(time.Second)
	got, after := read("1")
	require.NotEqual(t, before, after, "readings change without a version")
	require.Equal(t, []any{
		map[string]any{
			"point": "Half", "distance_m": 21097.5, "time": "1:06:40", "from": "start", "segment_time": "1:06:40", "pace": "3:09.6",
			"place": 2.0, "sex_place": 2.0, "division_place": 2.0,
		},
		map[string]any{"point": "25 km", "distance_m": 25000.0, "missing": true, "note": "no reading at 25 km"},
		map[string]any{
			"point": "finish", "distance_m": 42195.0, "time": "2:13:20", "from": "Half", "segment_time": "1:06:40", "pace": "3:09.6",
			"place": 1.0, "sex_place": 1.0, "division_place": 2.0,
		},
	}, got)
	require.Equal(t, http.StatusNotModified, b.get(t, "/standings?bib=1", "If-None-Match", after).status)

	result := b.recompute(t)
	require.Equal(t, version, result.Version, "neither places nor points depend on readings")
	require.False(t, result.Changed)
	require.Equal(t, 4, result.Pending, "the revisions are credited all the same")

	loads := b.main.versionsLoaded()
	for range 10 {
		read("2")
		b.clock.Advance(2 * time.Second)
	}
	require.Equal(t, loads, b.main.versionsLoaded(), "places at the points are computed once")
}
