// Package scoring turns a performance into points. It is pure: the tables are
// embedded, the arithmetic is on integers, and the same performance always has the
// same points.
package scoring

import (
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// listedWithinMM is how far, in millimetres, a race's distance may be from a
// listed one and still count as that one. Organizers write 21097 or 21098
// metres for a half marathon of 21097.5.
const listedWithinMM = 1000

// Performance is everything that a rule depends on.
type Performance struct {
	DistanceMM  int64  // millimetres: 42195000 is a marathon, 21097500 a half
	Sex         string // "M" or "F"; anything else is unknown, or not covered
	Age         int    // whole years on race day; negative is unknown
	TimeMS      int64  // milliseconds, by the clock that ranks overall
	FixedPoints int64  // the race's points for every finisher; only Fixed reads it
}

// Points returns the points of a performance, which are never negative. A
// performance that the rule cannot score gives an *Unscorable, a rule that does
// not exist an error that matches ErrUnknownRule.
func Points(rule Rule, p Performance) (int64, error) {
	points, _, err := score(rule, p)
	return points, err
}

// score returns points and what they were computed from.
func score(rule Rule, p Performance) (points int64, parts race.Parts, err error) {
	if p.TimeMS <= 0 {
		return 0, race.Parts{}, ErrTimeNotPositive
	}
	if rule == Fixed {
		points, err = fixedPoints(p)
		return points, race.Parts{Rule: string(rule), FixedPoints: &points}, err
	}
	parts = race.Parts{
		Rule: string(rule), Time: race.Time(p.TimeMS).String(), DistanceM: race.Distance(p.DistanceMM).Metres(), Sex: race.Sex(p.Sex),
	}
	switch rule {
	case AgeGrade2020, AgeGrade2025:
		points, err = ageGradePoints(rule.Edition(), p, &parts)
	case WorldAthletics2022, WorldAthletics2025:
		points, err = worldAthleticsPoints(rule.Edition(), p, &parts)
	default:
		err = fmt.Errorf("%w: %q", ErrUnknownRule, rule)
	}
	return points, parts, err
}

// Supports checks whether a rule can score races of a length in millimetres. It
// returns nil, ErrDistanceNotListed, or an error that matches ErrUnknownRule. Age
// grades reach from the shortest to the longest column of the tables, World
// Athletics points exist for the listed distances alone.
func Supports(rule Rule, distanceMM int64) error {
	var supported bool
	switch rule {
	case AgeGrade2020, AgeGrade2025:
		supported = ageGradeSupports(rule.Edition(), distanceMM)
	case WorldAthletics2022, WorldAthletics2025:
		supported = worldAthleticsSupports(rule.Edition(), distanceMM)
	case Fixed:
		supported = distanceMM > 0
	default:
		return fmt.Errorf("%w: %q", ErrUnknownRule, rule)
	}
	if !supported {
		return ErrDistanceNotListed
	}
	return nil
}

func fixedPoints(p Performance) (int64, error) {
	if p.FixedPoints < 0 {
		return 0, ErrFixedPointsNegative
	}
	return p.FixedPoints, nil
}

// sameDistance reports whether a race of d millimetres counts as the listed
// distance.
func sameDistance(d, listed int64) bool {
	return d >= listed-listedWithinMM && d <= listed+listedWithinMM
}
