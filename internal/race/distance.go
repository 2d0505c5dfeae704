package race

import (
	"errors"
	"math"
)

// maxDistance is the longest distance that a race or a run may have: 1,000 km.
const maxDistance = Distance(1_000_000_000)

// DistanceOf returns a length in metres with at most three decimals, as 21097.5,
// exactly. It must be above zero and at most 1,000 km.
func DistanceOf(metres float64) (Distance, error) {
	millimetres := math.Round(metres * 1000)
	switch {
	case math.IsNaN(metres) || metres <= 0 || millimetres > float64(maxDistance):
		return 0, errors.New("must be above 0 and at most 1000000 metres")
	case math.Abs(metres*1000-millimetres) > 1e-5: // far above float64's error for 10⁹, far below a decimal
		return 0, errors.New("must have at most three decimals")
	}
	return Distance(millimetres), nil
}
