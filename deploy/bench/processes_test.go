package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseCPU(t *testing.T) {
	t.Parallel()
	cpu, err := parseCPU("4711 (a (bad) name) S 1 4711 4711 0 -1 4194304 9 0 0 0 123 77 0 0 20 0 5 0 1 2 3")
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, cpu)
	for _, bad := range []string{"", "4711 name S", "4711 (name) S 1 2", "1 (n) S 1 2 3 4 5 6 7 8 9 10 x 3 4"} {
		_, err := parseCPU(bad)
		require.Error(t, err, bad)
	}
}

func TestParsePeak(t *testing.T) {
	t.Parallel()
	peak, err := parsePeak("Name:\tworker\nVmPeak:\t  999 kB\nVmHWM:\t   2048 kB\nVmRSS:\t1 kB\n")
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, peak)
	_, err = parsePeak("Name:\tworker\n")
	require.ErrorContains(t, err, "VmHWM")
}

func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	u, err := usageOf(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, u.peak)
}

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	parse := func(text string) metrics {
		all, err := parseMetrics(strings.NewReader(text))
		require.NoError(t, err)
		return all
	}
	before := parse("# HELP x says\n# TYPE x histogram\nx_sum{part=\"read\"} 1.5\nx_count{part=\"read\"} 3\ny_sum 1\ny_count 1\n")
	after := parse("x_sum{part=\"read\"} 2.5\nx_count{part=\"read\"} 5\ny_sum 1\ny_count 1\n")
	labels := `{part="read"}`
	require.InDelta(t, 0.5, after.histogram("x", labels).since(before.histogram("x", labels)), 1e-9)
	require.Zero(t, after.histogram("y", "").since(before.histogram("y", "")), "nothing came after")
	_, err := parseMetrics(strings.NewReader("x many\n"))
	require.Error(t, err)
}
