package scoring_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

var eventMM = map[string]int64{
	"5 km": fiveK, "10 km": tenK, "15 km": 15_000_000, "10 Miles": 16_093_440,
	"20 km": 20_000_000, "Half Marathon": half, "25 km": 25_000_000,
	"30 km": 30_000_000, "Marathon": marathon, "100 km": 100_000_000,
}

// TestWorldAthleticsVectors holds the rule against World Athletics' own result
// lists: edition, sex, event, mark, seconds, points.
func TestWorldAthleticsVectors(t *testing.T) {
	t.Parallel()
	rows := readCSV(t, "testdata/world_athletics_vectors.csv")
	require.Len(t, rows, 1342)
	for _, row := range rows {
		distance, known := eventMM[row[2]]
		require.True(t, known, row[2])
		seconds, err := strconv.ParseInt(row[4], 10, 64)
		require.NoError(t, err)
		want, err := strconv.ParseInt(row[5], 10, 64)
		require.NoError(t, err)
		rule := scoring.Rule("wa-" + row[0])

		p := scoring.Performance{DistanceMM: distance, Sex: row[1], Age: -1, TimeMS: seconds * 1000}
		require.Equal(t, want, points(t, rule, p), row)
		p.TimeMS -= 999
		require.Equal(t, want, points(t, rule, p), "%v: a started second counts as a full one", row)
	}
}

func TestWorldAthleticsCutoff(t *testing.T) {
	t.Parallel()
	for _, row := range readCSV(t, "data/world_athletics.csv") {
		cutoff, err := strconv.ParseInt(row[6], 10, 64)
		require.NoError(t, err)
		rule := scoring.Rule("wa-" + row[0])
		p := scoring.Performance{DistanceMM: eventMM[row[2]], Sex: row[1], TimeMS: cutoff * 1000}
		require.NotZero(t, p.DistanceMM, row)

		require.Zero(t, points(t, rule, p), row)
		p.TimeMS = 1 << 62
		require.Zero(t, points(t, rule, p), row)
		p.TimeMS = (cutoff - 1) * 1000
		require.Less(t, points(t, rule, p), int64(1), row)
		p.TimeMS = cutoff * 1000 * 9 / 10
		require.Positive(t, points(t, rule, p), row)
	}
}

func TestWorldAthleticsException(t *testing.T) {
	t.Parallel()
	const s3320 = (33*60 + 20) * 1000
	for name, c := range map[string]struct {
		rule     scoring.Rule
		sex      string
		distance int64
		ms, want int64
	}{
		"the exception":          {scoring.WorldAthletics2025, "F", tenK, s3320, 1069},
		"written 9.9995 km":      {scoring.WorldAthletics2025, "F", tenK - 500, s3320, 1069},
		"rounded up to it":       {scoring.WorldAthletics2025, "F", tenK, s3320 - 999, 1069},
		"a second faster":        {scoring.WorldAthletics2025, "F", tenK, s3320 - 1000, 1070},
		"a second slower":        {scoring.WorldAthletics2025, "F", tenK, s3320 + 1000, 1069},
		"the edition before":     {scoring.WorldAthletics2022, "F", tenK, s3320, 1070},
		"men of the same second": {scoring.WorldAthletics2025, "M", tenK, s3320, 692},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, points(t, c.rule, scoring.Performance{DistanceMM: c.distance, Sex: c.sex, TimeMS: c.ms}))
		})
	}
}
