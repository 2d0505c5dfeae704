package scoring

import (
	"math"
	"sort"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Ages that the tables cover, in whole years.
const (
	minAge = 5
	maxAge = 100
)

// ageGradePoints returns floor(10 × percent), where percent is
// 100 × open standard ÷ factor ÷ time. The quotient is taken on integers, so
// that a performance on the boundary of two points is never off by one:
// floor(floor(a ÷ b) ÷ c) equals floor(a ÷ (b × c)) and cannot overflow.
func ageGradePoints(edition string, p Performance, parts *race.Parts) (int64, error) {
	if !ageGradeSupports(edition, p.DistanceMM) {
		return 0, ErrDistanceNotListed
	}
	columns, covered := roadTables()[tableKey{edition, p.Sex}]
	switch {
	case !covered:
		return 0, ErrSexUnknown
	case p.Age < 0:
		return 0, ErrAgeUnknown
	case p.Age < minAge || p.Age > maxAge:
		return 0, ErrAgeOutOfRange
	}
	standardMS, factor := columns.at(p.DistanceMM, p.Age)
	const perMille, perTenThousand = 1000, 10_000
	parts.Age, parts.OpenStandard, parts.AgeFactor = &p.Age, race.Time(standardMS).String(), float64(factor)/factorUnit
	parts.AgeGradePercent = float64(perTenThousand*standardMS*factorUnit/p.TimeMS/factor) / 100
	return perMille * standardMS * factorUnit / p.TimeMS / factor, nil
}

func ageGradeSupports(edition string, distanceMM int64) bool {
	columns := roadTables()[tableKey{edition, "M"}]
	if len(columns) == 0 {
		return false
	}
	shortest, longest := columns[0].distanceMM, columns[len(columns)-1].distanceMM
	return distanceMM >= shortest-listedWithinMM && distanceMM <= longest+listedWithinMM
}

// at returns the open standard in milliseconds and the age factor in units of
// 1/factorUnit for a distance that the tables cover: a listed distance has its
// column's own, any other has them interpolated.
func (c roadColumns) at(distanceMM int64, age int) (standardMS, factor int64) {
	next := sort.Search(len(c), func(i int) bool {
		return c[i].distanceMM+listedWithinMM >= distanceMM
	})
	next = min(next, len(c)-1)
	if next == 0 || sameDistance(distanceMM, c[next].distanceMM) {
		return c[next].standardMS, c[next].factor(age)
	}
	return interpolate(c[next-1], c[next], distanceMM, age)
}

// interpolate reads between two columns on the logarithm of the distance,
// where u is 0 at the shorter and 1 at the longer one.
//
// The factor is linear in u. The tables of 2025 are made that way themselves:
// the columns between 5 km, 10 km, half marathon and marathon follow from those
// four (the tables' own README, "improved interpolation scheme").
//
// The standard is a power of the distance, that is its logarithm is linear in
// u. Left out one by one, the columns from 6 km to 30 km come back from their
// neighbours within 0.5 %; with the standard itself linear in u the error is
// 4.4 %, and 8 % next to the mile and the ultra distances.
//
// Both are rounded to their units, so that what follows stays on integers and
// the last bits of a machine's logarithm do not show.
func interpolate(short, long roadColumn, distanceMM int64, age int) (standardMS, factor int64) {
	u := math.Log(float64(distanceMM)/float64(short.distanceMM)) /
		math.Log(float64(long.distanceMM)/float64(short.distanceMM))
	ratio := float64(long.standardMS) / float64(short.standardMS)
	standardMS = int64(math.Round(float64(short.standardMS) * math.Pow(ratio, u)))
	from, to := short.factor(age), long.factor(age)
	factor = from + int64(math.Round(float64(to-from)*u))
	return standardMS, factor
}
