package scoring_test

import (
	"encoding/csv"
	"math"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// column is one distance of a published table, read here a second time and in
// another way than by the package: as exact fractions.
type column struct {
	edition, sex, label string
	distanceMM          int64
	standard            *big.Rat         // seconds
	factor              map[int]*big.Rat // by age
}

func readColumns(t *testing.T) []column {
	t.Helper()
	var out []column
	for _, row := range readCSV(t, "data/age_grade_open_standards.csv") {
		km, err := strconv.ParseFloat(row[3], 64)
		require.NoError(t, err)
		c := column{row[0], row[1], row[2], int64(math.Round(km * 1e6)), rat(t, row[4]), map[int]*big.Rat{}}

		f, err := os.Open("data/age_grade_factors_" + c.edition + "_" + c.sex + ".csv")
		require.NoError(t, err)
		table, err := csv.NewReader(f).ReadAll()
		require.NoError(t, err)
		require.NoError(t, f.Close())
		for i, label := range table[0] {
			for _, ages := range table[1:] {
				if label == c.label {
					age, err := strconv.Atoi(ages[0])
					require.NoError(t, err)
					c.factor[age] = rat(t, ages[i])
				}
			}
		}
		require.Len(t, c.factor, 96, c.label)
		out = append(out, c)
	}
	require.Len(t, out, 86)
	return out
}

func rat(t *testing.T, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	require.True(t, ok, s)
	return r
}

// exactPoints is floor(1000 × standard ÷ factor ÷ time) in exact fractions.
func (c column) exactPoints(age int, timeMS int64) int64 {
	q := new(big.Rat).Mul(c.standard, big.NewRat(1000*1000, timeMS))
	q.Quo(q, c.factor[age])
	return new(big.Int).Quo(q.Num(), q.Denom()).Int64()
}

func (c column) rule() scoring.Rule { return scoring.Rule("agegrade-" + c.edition) }

// TestAgeGradeEveryCell scores every age at every listed distance of both
// editions, at times on, just before and just after the boundary of a point.
func TestAgeGradeEveryCell(t *testing.T) {
	t.Parallel()
	for _, c := range readColumns(t) {
		for age := 5; age <= 100; age++ {
			for _, wanted := range []int64{1, 100, 333, 599, 600, 750, 1000, 1024} {
				// The slowest millisecond that still has the wanted points.
				q := new(big.Rat).Mul(c.standard, big.NewRat(1000*1000, wanted))
				q.Quo(q, c.factor[age])
				edge := new(big.Int).Quo(q.Num(), q.Denom()).Int64()
				for _, ms := range []int64{edge - 1, edge, edge + 1} {
					p := scoring.Performance{DistanceMM: c.distanceMM, Sex: c.sex, Age: age, TimeMS: ms}
					got, err := scoring.Points(c.rule(), p)
					if want := c.exactPoints(age, ms); err != nil || got != want {
						t.Fatalf("%s %s %s age %d, %d ms: %d points, %v; want %d", c.edition, c.sex, c.label, age, ms, got, err, want)
					}
				}
			}
		}
	}
}

func TestAgeGradeExactBoundary(t *testing.T) {
	t.Parallel()
	// 10 km of 2025, men of 27: the standard is 1584 s, the factor 1. Exactly
	// 88 % is 1800 s, where binary fractions give 879.
	p := scoring.Performance{DistanceMM: tenK, Sex: "M", Age: 27, TimeMS: 1_800_000}
	require.EqualValues(t, 880, points(t, scoring.AgeGrade2025, p))
	p.TimeMS++
	require.EqualValues(t, 879, points(t, scoring.AgeGrade2025, p))
	p.TimeMS = 1_584_000
	require.EqualValues(t, 1000, points(t, scoring.AgeGrade2025, p))
	p.TimeMS = math.MaxInt64
	require.Zero(t, points(t, scoring.AgeGrade2025, p))
}

// TestAgeGradeVectors holds the rule against other people's calculators. A row
// with a time expects a percentage, a row without one expects 1 ÷ factor.
func TestAgeGradeVectors(t *testing.T) {
	t.Parallel()
	columns := readColumns(t)
	rows := readCSV(t, "testdata/age_grade_vectors.csv")
	require.Len(t, rows, 21)
	for _, row := range rows {
		age, err := strconv.Atoi(row[4])
		require.NoError(t, err)
		expected, err := strconv.ParseFloat(row[6], 64)
		require.NoError(t, err)
		i := slices.IndexFunc(columns, func(c column) bool {
			return c.edition == row[1] && c.sex == row[2] && c.label == row[3]
		})
		require.NotEqual(t, -1, i, row)
		c := columns[i]
		p := scoring.Performance{DistanceMM: c.distanceMM, Sex: c.sex, Age: age}

		if row[5] == "" {
			// A thousandth of the open standard scores 1000 × 1000 ÷ factor.
			p.TimeMS = c.standard.Num().Int64()
			require.InDelta(t, expected, float64(points(t, c.rule(), p))/1e6, 0.00005, row)
			continue
		}
		seconds, err := strconv.ParseInt(row[5], 10, 64)
		require.NoError(t, err)
		p.TimeMS = seconds * 1000
		got := points(t, c.rule(), p)
		if strings.Contains(row[0], "tolerance .2") {
			require.InDelta(t, expected, float64(got)/10, 0.2, row)
			continue
		}
		require.Equal(t, int64(expected*10), got, row)
	}
}

func TestAgeGradeListedWithinAMetre(t *testing.T) {
	t.Parallel()
	for _, d := range []int64{21_097_000, half, 21_098_000, half - 1000, half + 1000} {
		p := scoring.Performance{DistanceMM: d, Sex: "M", Age: 25, TimeMS: 3_451_000}
		require.EqualValues(t, 1000, points(t, scoring.AgeGrade2025, p), d)
	}
}
