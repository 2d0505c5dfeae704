package race_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestDistanceOf(t *testing.T) {
	t.Parallel()
	for metres, want := range map[float64]race.Distance{
		42195: 42_195_000, 21097.5: 21_097_500, 1609.344: 1_609_344, 0.001: 1, 999999.999: 999_999_999, 1e6: 1_000_000_000,
	} {
		got, err := race.DistanceOf(metres)
		require.NoError(t, err, metres)
		require.Equal(t, want, got)
		require.InDelta(t, metres, got.Metres(), 0, "written as it was read")
	}
	for _, metres := range []float64{0, -5, 0.0004, 1609.3445, 999999.9995, 1e6 + 1, math.NaN(), math.Inf(1)} {
		_, err := race.DistanceOf(metres)
		require.Error(t, err, metres)
	}
}
