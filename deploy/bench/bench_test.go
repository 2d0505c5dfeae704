package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	t.Parallel()
	var r Report
	for i, credits := range []float64{300, 500, 400} {
		r.add("credits", "credits", "/s", credits, target{})
		r.ratio("credits", "credits to the limit", credits, []float64{400, 500, 500}[i], target{atLeast: 0.9, floor: 0.5})
	}
	r.add("latency", "p50", "ms", 11.98, target{atMost: 12})
	require.Len(t, r.Rows, 3)
	require.InDelta(t, 400, r.Rows[0].Median, 0)
	require.InDelta(t, 0.8, r.Rows[1].Median, 1e-9, "ratios are taken within a repetition")
	require.NoError(t, r.belowFloor())

	var table strings.Builder
	require.NoError(t, r.print(&table))
	lines := strings.Split(table.String(), "\n")
	require.Equal(t, []string{"credits", "400", "300", "…", "500", "/s"}, strings.Fields(lines[2]))
	require.Equal(t, []string{"→", "credits", "to", "the", "limit", "0.80", "0.75", "…", "1.00", "×", "≥", "0.90", "✗"}, strings.Fields(lines[3]))
	require.Equal(t, []string{"p50", "12.0", "ms", "≤", "12.0", "✓"}, strings.Fields(lines[5]))

	r.ratio("credits", "credits to the plain design", 300, 100, target{floor: 5})
	require.EqualError(t, r.belowFloor(), "credits: → credits to the plain design is 3.00, below the floor of 5.00")
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	require.InDelta(t, 50, percentile(hundred, 0.50), 0)
	require.InDelta(t, 99, percentile(hundred, 0.99), 0)
	require.InDelta(t, 7, percentile([]float64{7}, 0.99), 0)
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0.90": 0.9, "9.99": 9.99, "12.0": 12, "99.9": 99.9, "100": 100, "1,000": 1000, "12,346": 12_345.6, "1,234,567": 1_234_567,
	} {
		require.Equal(t, want, number(v))
	}
}

func TestFiguresAreSelectedByName(t *testing.T) {
	t.Parallel()
	usual, full := sizes()["default"], sizes()["full"]
	all, err := selected("", full)
	require.NoError(t, err)
	require.Len(t, all, len(figures()))
	all, err = selected("", usual)
	require.NoError(t, err)
	require.Len(t, all, len(figures())-1, "the curve is left out")
	some, err := selected("latency,credits", usual)
	require.NoError(t, err)
	require.Len(t, some, 2)
	_, err = selected("speed", usual)
	require.ErrorContains(t, err, "-only speed")
}
