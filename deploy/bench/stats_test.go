package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSeries(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		values              series
		median, lowest, top float64
	}{
		"one":            {series{7}, 7, 7, 7},
		"three":          {series{9, 1, 4}, 4, 1, 9},
		"an even number": {series{4, 1, 2, 9}, 3, 1, 9},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.InDelta(t, tt.median, tt.values.median(), 0)
			require.InDelta(t, tt.lowest, tt.values.lowest(), 0)
			require.InDelta(t, tt.top, tt.values.highest(), 0)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		require.True(t, math.IsNaN(series{}.median()))
	})
}

func TestRatiosAreTakenWithinARepetition(t *testing.T) {
	t.Parallel()
	require.Equal(t, series{0.5, 2}, quotients(series{1, 8}, series{2, 4, 9}))
	require.Equal(t, series{3, 12}, sums(series{1, 8}, series{2, 4, 9}))
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	require.InDelta(t, 50, percentile(hundred, 0.50), 0)
	require.InDelta(t, 99, percentile(hundred, 0.99), 0)
	require.InDelta(t, 100, percentile(hundred, 1), 0)
	require.InDelta(t, 1, percentile(hundred, 0), 0)
	require.Equal(t, 3*time.Second, percentile([]time.Duration{3 * time.Second, time.Second}, 0.99))
	require.Zero(t, percentile([]float64{}, 0.5))
}
