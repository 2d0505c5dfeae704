package scoring_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

const (
	mile     = 1_609_344 // millimetres, as every distance here
	fiveK    = 5_000_000
	tenK     = 10_000_000
	half     = 21_097_500
	marathon = 42_195_000
	longest  = 200_000_000
)

// readCSV returns the rows of a file without its header.
func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Clean(path))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(rows), 1)
	return rows[1:]
}

func points(t *testing.T, rule scoring.Rule, p scoring.Performance) int64 {
	t.Helper()
	got, err := scoring.Points(rule, p)
	require.NoError(t, err, "%s %+v", rule, p)
	return got
}

func TestUnscorablePerformances(t *testing.T) {
	t.Parallel()
	good := scoring.Performance{DistanceMM: marathon, Sex: "F", Age: 35, TimeMS: 10_800_000, FixedPoints: 100}
	with := func(change func(*scoring.Performance)) scoring.Performance {
		p := good
		change(&p)
		return p
	}
	for name, c := range map[string]struct {
		rule scoring.Rule
		p    scoring.Performance
		want error
	}{
		"no time":                   {scoring.AgeGrade2025, with(func(p *scoring.Performance) { p.TimeMS = 0 }), scoring.ErrTimeNotPositive},
		"negative time":             {scoring.WorldAthletics2025, with(func(p *scoring.Performance) { p.TimeMS = -1 }), scoring.ErrTimeNotPositive},
		"no time, fixed":            {scoring.Fixed, with(func(p *scoring.Performance) { p.TimeMS = 0 }), scoring.ErrTimeNotPositive},
		"age unknown":               {scoring.AgeGrade2025, with(func(p *scoring.Performance) { p.Age = -1 }), scoring.ErrAgeUnknown},
		"too young":                 {scoring.AgeGrade2025, with(func(p *scoring.Performance) { p.Age = 4 }), scoring.ErrAgeOutOfRange},
		"too old":                   {scoring.AgeGrade2020, with(func(p *scoring.Performance) { p.Age = 101 }), scoring.ErrAgeOutOfRange},
		"sex unknown":               {scoring.AgeGrade2025, with(func(p *scoring.Performance) { p.Sex = "" }), scoring.ErrSexUnknown},
		"sex not covered":           {scoring.WorldAthletics2025, with(func(p *scoring.Performance) { p.Sex = "X" }), scoring.ErrSexUnknown},
		"sex in small letters":      {scoring.WorldAthletics2022, with(func(p *scoring.Performance) { p.Sex = "f" }), scoring.ErrSexUnknown},
		"shorter than the tables":   {scoring.AgeGrade2025, with(func(p *scoring.Performance) { p.DistanceMM = mile - 1001 }), scoring.ErrDistanceNotListed},
		"longer than the tables":    {scoring.AgeGrade2025, with(func(p *scoring.Performance) { p.DistanceMM = longest + 1001 }), scoring.ErrDistanceNotListed},
		"no such event":             {scoring.WorldAthletics2025, with(func(p *scoring.Performance) { p.DistanceMM = 12_000_000 }), scoring.ErrDistanceNotListed},
		"over a metre from listed":  {scoring.WorldAthletics2025, with(func(p *scoring.Performance) { p.DistanceMM = marathon + 1001 }), scoring.ErrDistanceNotListed},
		"distance before the rest":  {scoring.WorldAthletics2025, with(func(p *scoring.Performance) { p.DistanceMM, p.Sex = 1, "" }), scoring.ErrDistanceNotListed},
		"negative points of a race": {scoring.Fixed, with(func(p *scoring.Performance) { p.FixedPoints = -1 }), scoring.ErrFixedPointsNegative},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := scoring.Points(c.rule, c.p)
			require.ErrorIs(t, err, c.want)
			require.Zero(t, got)

			var unscorable *scoring.Unscorable
			require.ErrorAs(t, err, &unscorable)
			require.NotEmpty(t, unscorable.Reason)
		})
	}
}

func TestFixedPoints(t *testing.T) {
	t.Parallel()
	unknown := scoring.Performance{DistanceMM: 1, Age: -1, TimeMS: 1, FixedPoints: 500}
	require.EqualValues(t, 500, points(t, scoring.Fixed, unknown), "needs neither sex nor age nor a known distance")
	unknown.FixedPoints = 0
	require.Zero(t, points(t, scoring.Fixed, unknown))
}

func TestSupports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule      scoring.Rule
		distance  int64
		supported bool
	}{
		"half written 21097":        {scoring.WorldAthletics2025, 21_097_000, true},
		"half written 21098":        {scoring.WorldAthletics2025, 21_098_000, true},
		"half written 21.1 km":      {scoring.WorldAthletics2025, 21_100_000, false},
		"10 miles written 16093":    {scoring.WorldAthletics2022, 16_093_000, true},
		"mile, World Athletics":     {scoring.WorldAthletics2025, mile, false},
		"mile, age grade":           {scoring.AgeGrade2025, mile, true},
		"mile written 1609":         {scoring.AgeGrade2025, 1_609_000, true},
		"just short of the mile":    {scoring.AgeGrade2025, mile - 1001, false},
		"between two columns":       {scoring.AgeGrade2025, 7_000_000, true},
		"200 km":                    {scoring.AgeGrade2020, longest, true},
		"beyond 200 km":             {scoring.AgeGrade2020, longest + 1001, false},
		"any distance, fixed":       {scoring.Fixed, 1, true},
		"no distance, fixed":        {scoring.Fixed, 0, false},
		"no distance, age grade":    {scoring.AgeGrade2025, 0, false},
		"negative, World Athletics": {scoring.WorldAthletics2025, -marathon, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := scoring.Supports(c.rule, c.distance)
			if c.supported {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, scoring.ErrDistanceNotListed)
			}
		})
	}
}

func BenchmarkPoints(b *testing.B) {
	for name, c := range map[string]struct {
		rule     scoring.Rule
		distance int64
	}{
		"agegrade listed":       {scoring.AgeGrade2025, marathon},
		"agegrade interpolated": {scoring.AgeGrade2025, 37_000_000},
		"world athletics":       {scoring.WorldAthletics2025, marathon},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			p := scoring.Performance{DistanceMM: c.distance, Sex: "M", Age: 52, TimeMS: 11_111_000}
			for b.Loop() {
				if _, err := scoring.Points(c.rule, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
