package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReportTellsMedianSpreadAndGoal(t *testing.T) {
	t.Parallel()
	var r Report
	r.add("credits", "credits", "/s", series{300, 500, 400}, nil)
	r.ratio("credits", "credits of the limit", series{300, 500, 400}, series{400, 500, 500}, atLeast(0.9))
	r.add("latency", "p50", "ms", series{11.98}, atMost(12))
	r.add("latency", "nothing measured", "ms", nil, atMost(12))
	require.Len(t, r.Rows, 3)
	require.InDelta(t, 400, r.Rows[0].Median, 0)
	require.InDelta(t, 300, r.Rows[0].Lowest, 0)
	require.InDelta(t, 500, r.Rows[0].Top, 0)
	require.False(t, r.Rows[1].Goal.Reached, "the median of 0.75, 1 and 0.8 is below 0.9")
	require.True(t, r.Rows[2].Goal.Reached)

	var table strings.Builder
	require.NoError(t, r.print(&table))
	lines := strings.Split(table.String(), "\n")
	require.Equal(t, "CREDITS", strings.TrimSpace(lines[1]))
	require.Equal(t, []string{"credits", "400", "300", "…", "500", "/s"}, strings.Fields(lines[2]))
	require.Equal(t, []string{"→", "credits", "of", "the", "limit", "0.80", "0.75", "…", "1.00", "×", "≥", "0.90", "✗"}, strings.Fields(lines[3]))
	require.Equal(t, []string{"p50", "12.0", "ms", "≤", "12.0", "✓"}, strings.Fields(lines[5]))
}

func TestReportIsReadAgain(t *testing.T) {
	t.Parallel()
	size, err := sizeOf("small")
	require.NoError(t, err)
	r := Report{Size: size, Machine: thisMachine(), Versions: map[string]string{"go": "go1"}, Commit: "abc"}
	r.add("login", "logins", "/s", series{30, 31}, atLeast(10))
	path := filepath.Join(t.TempDir(), "bench.json")
	require.NoError(t, r.write(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var again Report
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, r, again)
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0.90": 0.9, "9.99": 9.99, "12.0": 12, "99.9": 99.9, "100": 100, "1,000": 1000, "12,346": 12_345.6, "-1,234": -1234,
		"1,234,567": 1_234_567,
	} {
		require.Equal(t, want, number(v))
	}
}

func TestFiguresAreSelectedByName(t *testing.T) {
	t.Parallel()
	usual, err := sizeOf("default")
	require.NoError(t, err)
	full, err := sizeOf("full")
	require.NoError(t, err)

	all, err := selected("", full)
	require.NoError(t, err)
	require.Len(t, all, len(figures()))
	all, err = selected("", usual)
	require.NoError(t, err)
	require.Len(t, all, len(figures())-1, "the curve is left out")
	some, err := selected("latency, credits", usual)
	require.NoError(t, err)
	require.Len(t, some, 2)
	_, err = selected("speed", usual)
	require.ErrorContains(t, err, `no figure is called "speed"`)
	_, err = selected("curve", usual)
	require.ErrorContains(t, err, "BENCH=full")
	_, err = sizeOf("huge")
	require.ErrorContains(t, err, "small, default or full")
}

func TestReportShowsNoSecret(t *testing.T) {
	t.Parallel()
	env := map[string]string{"USER_DB_PASSWORD": "x", "JWT_PRIVATE_KEY_PATH": "y", "AWS_SECRET_ACCESS_KEY": "z", "API_ADDR": ":1"}
	require.Equal(t, map[string]string{"API_ADDR": ":1"}, withoutSecrets(env))
}

func TestOneBenchAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".local", "bench.lock")
	first, err := takeLock(path)
	require.NoError(t, err)
	_, err = takeLock(path)
	require.ErrorContains(t, err, "a bench runs already")
	require.NoError(t, first.Close())
	again, err := takeLock(path)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
