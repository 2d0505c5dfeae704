package scoring_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// magnified scores a hundredth of a second, so that the points show the age
// standard to five digits: 1000 × standard ÷ factor ÷ 10 ms.
func magnified(t *testing.T, rule scoring.Rule, sex string, age int, distanceMM int64) int64 {
	t.Helper()
	return points(t, rule, scoring.Performance{DistanceMM: distanceMM, Sex: sex, Age: age, TimeMS: 10})
}

// TestInterpolationIsMonotone walks from the shortest to the longest column:
// the same time over a longer distance never gives fewer points, and what lies
// between two columns is between their values.
func TestInterpolationIsMonotone(t *testing.T) {
	t.Parallel()
	columns := readColumns(t)
	for i, c := range columns[1:] {
		before := columns[i]
		if before.edition != c.edition || before.sex != c.sex {
			continue
		}
		step := max((c.distanceMM-before.distanceMM)/40, 1000)
		for age := 5; age <= 100; age++ {
			last := magnified(t, c.rule(), c.sex, age, before.distanceMM)
			for d := before.distanceMM + step; d < c.distanceMM; d += step {
				got := magnified(t, c.rule(), c.sex, age, d)
				if got < last {
					t.Fatalf("%s %s age %d at %d mm: %d after %d", c.edition, c.sex, age, d, got, last)
				}
				last = got
			}
			require.LessOrEqual(t, last, magnified(t, c.rule(), c.sex, age, c.distanceMM))
		}
	}
}

// TestInterpolationMeetsItsColumns looks two metres beside each inner column:
// there is no jump.
func TestInterpolationMeetsItsColumns(t *testing.T) {
	t.Parallel()
	for _, c := range readColumns(t) {
		if c.label == "1 Mile" || c.label == "200 km" {
			continue
		}
		for _, beside := range []int64{-2000, 2000} {
			at := float64(magnified(t, c.rule(), c.sex, 60, c.distanceMM))
			near := float64(magnified(t, c.rule(), c.sex, 60, c.distanceMM+beside))
			require.InEpsilon(t, at, near, 0.001, "%s %s %s", c.edition, c.sex, c.label)
		}
	}
}

// TestInterpolationByHand follows the formula for 7 km, between 6 and 8 km.
func TestInterpolationByHand(t *testing.T) {
	t.Parallel()
	u := math.Log(7.0/6) / math.Log(8.0/6)
	// Men of 15, edition of 2025: 930 s and 1255 s, 0.9645 and 0.9464.
	standard := 930 * math.Pow(1255.0/930, u)
	factor := 0.9645 + (0.9464-0.9645)*u
	require.InDelta(t, 1092.01, standard, 0.01)
	require.InDelta(t, 0.9548, factor, 0.0001)

	p := scoring.Performance{DistanceMM: 7_000_000, Sex: "M", Age: 15, TimeMS: 1_500_000}
	require.Equal(t, int64(1000*standard/factor/1500), points(t, scoring.AgeGrade2025, p))
}

// TestInterpolationFindsPublishedColumns is the reason for the scheme: columns
// that the author of the tables himself filled in between the main distances
// come back from those.
func TestInterpolationFindsPublishedColumns(t *testing.T) {
	t.Parallel()
	columns := map[[3]string]column{}
	for _, c := range readColumns(t) {
		columns[[3]string{c.edition, c.sex, c.label}] = c
	}
	cells, off := 0, 0
	for _, sex := range []string{"M", "F"} {
		for _, span := range [][]string{
			{"5 km", "6 km", "4 Mile", "8 km", "5 Mile", "10 km"},
			{"10 km", "7 Mile", "12 km", "15 km", "10 Mile", "20 km", "H. Mar"},
			{"H. Mar", "25 km", "30 km", "Marathon"},
		} {
			short, long := columns[[3]string{"2025", sex, span[0]}], columns[[3]string{"2025", sex, span[len(span)-1]}]
			for _, label := range span[1 : len(span)-1] {
				c := columns[[3]string{"2025", sex, label}]
				u := math.Log(float64(c.distanceMM)/float64(short.distanceMM)) /
					math.Log(float64(long.distanceMM)/float64(short.distanceMM))
				for age := 5; age <= 100; age++ {
					from, _ := short.factor[age].Float64()
					to, _ := long.factor[age].Float64()
					published, _ := c.factor[age].Float64()
					cells++
					if math.Abs(from+(to-from)*u-published) > 0.0001 {
						off++
					}
				}
			}
		}
	}
	require.Equal(t, 2112, cells)
	require.LessOrEqual(t, off, 1, "one cell of the published table differs from its own scheme")
}
