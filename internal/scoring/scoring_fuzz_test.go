package scoring_test

import (
	"testing"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// FuzzPoints holds for any input: no panic, points are never negative, and a
// faster time never has fewer points.
func FuzzPoints(f *testing.F) {
	f.Add("agegrade-2025", int64(marathon), "M", 40, int64(10_000_000), int64(10_000_001), int64(0))
	f.Add("agegrade-2020", int64(7_000_000), "F", 5, int64(1), int64(1_500_000), int64(0))
	f.Add("agegrade-2025", int64(mile-1000), "F", 100, int64(600_000), int64(600_001), int64(0))
	f.Add("wa-2025", int64(tenK), "F", -1, int64(1_999_000), int64(2_000_000), int64(0))
	f.Add("wa-2022", int64(100_000_000), "M", 0, int64(1), int64(1<<62), int64(0))
	f.Add("fixed", int64(1), "", -1, int64(1), int64(2), int64(-5))
	f.Add("", int64(-1), "X", 101, int64(-1), int64(0), int64(7))

	f.Fuzz(func(t *testing.T, rule string, distance int64, sex string, age int, faster, slower, fixed int64) {
		if faster > slower {
			faster, slower = slower, faster
		}
		p := scoring.Performance{DistanceMM: distance, Sex: sex, Age: age, TimeMS: faster, FixedPoints: fixed}
		fast, fastErr := scoring.Points(scoring.Rule(rule), p)
		p.TimeMS = slower
		slow, slowErr := scoring.Points(scoring.Rule(rule), p)

		if fast < 0 || slow < 0 {
			t.Fatalf("negative points: %d, %d", fast, slow)
		}
		if faster > 0 && (fastErr == nil) != (slowErr == nil) {
			t.Fatalf("the time decides whether it can be scored: %v, %v", fastErr, slowErr)
		}
		if fastErr == nil && slowErr == nil && fast < slow {
			t.Fatalf("%d ms has %d points, %d ms has %d", faster, fast, slower, slow)
		}
		if slowErr == nil && scoring.Supports(scoring.Rule(rule), distance) != nil && rule != "fixed" {
			t.Fatal("scored a distance that the rule does not support")
		}
	})
}
