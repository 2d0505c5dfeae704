package e2e_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

var (
	fairBig   = flag.Int("fair.big", 600, "how many records the big race of TestFairness has")
	fairSmall = flag.Int("fair.small", 60, "how many records the small race posts after it")
)

// TestFairness posts a small race when a big one waits. What counts is the order: the
// small one is done before half of the big one is, although all records of the big one
// were there before. The worker is stopped meanwhile, so that the big one does wait.
//
//nolint:paralleltest // it stops the worker of the shared system
func TestFairness(t *testing.T) {
	s := sharedSystem(t)
	organizer := s.signUp(t, "organizer")
	big, small := organizer.enter(t, "Big City 10K", *fairBig), organizer.enter(t, "Park 10K", *fairSmall)
	require.NoError(t, s.StopPart(stack.Worker))
	require.Equal(t, *fairBig, organizer.importResults(t, big, "", finishers(*fairBig)).Added)
	s.sent(t)
	require.Equal(t, *fairSmall, organizer.importResults(t, small, "", finishers(*fairSmall)).Added)
	var waiting progress
	eventually(t, patience, func() error {
		if waiting = organizer.credits(t, small); waiting.Ahead < *fairSmall || waiting.Ahead > *fairBig/2 {
			return fmt.Errorf("%d are ahead of the end of the small race", waiting.Ahead)
		}
		return nil
	})

	began := time.Now()
	require.NoError(t, s.StartPart(t.Context(), stack.Worker))
	eventually(t, patience, func() error {
		if p := organizer.credits(t, small); p.Credited < p.Total {
			return fmt.Errorf("%d of %d credited", p.Credited, p.Total)
		}
		return nil
	})
	times := s.creditedAt(t, small)
	require.Len(t, times, *fairSmall)
	last := times[len(times)-1]
	before, _ := slices.BinarySearchFunc(s.creditedAt(t, big), last, time.Time.Compare)
	require.Less(t, before, *fairBig/2, "the small race is done before half of the big one")
	t.Logf("small race of %d: the last %s after the worker's start, when %d of %d of the big one were done, %.0f a second in all; %d ahead by the estimate",
		*fairSmall, last.Sub(began).Round(time.Millisecond), before, *fairBig, float64(before+*fairSmall)/last.Sub(began).Seconds(), waiting.Ahead)
	eventually(t, patience, func() error { // the rest is not left to the tests that follow
		if p := organizer.credits(t, big); p.Credited < p.Total {
			return fmt.Errorf("%d of %d credited", p.Credited, p.Total)
		}
		return nil
	})
}

// enter creates a race with n entrants.
func (c *caller) enter(t *testing.T, name string, n int) (raceID string) {
	t.Helper()
	raceID = c.createRace(t, map[string]any{
		"name": name, "date": "2026-05-03", "distance_m": 10_000, "scoring": "fixed", "points": 7,
		"ranking": map[string]any{"basis": "gun", "ties": "share"}, "divisions": []any{},
	})
	var list strings.Builder
	list.WriteString("bib,sex,age\n")
	for i := range n {
		fmt.Fprintf(&list, "%d,%s,%d\n", i+1, []string{"F", "M"}[i%2], 20+i%50)
	}
	require.Equal(t, n, c.importStartList(t, raceID, inCSV(list.String())).Added)
	return raceID
}

// finishers is the results file of a 10 km race whose n entrants all finish.
func finishers(n int) payload {
	var file strings.Builder
	file.WriteString("bib,gun_time\n")
	for i := range n {
		second := 2400 + i%2400
		fmt.Fprintf(&file, "%d,%d:%02d:%02d\n", i+1, second/3600, second/60%60, second%60)
	}
	return inCSV(file.String())
}

// creditedAt returns when the credits of a race were committed, in order.
func (s *system) creditedAt(t *testing.T, raceID string) (times []time.Time) {
	t.Helper()
	rows, err := s.userDB.QueryContext(t.Context(),
		"SELECT CAST(UNIX_TIMESTAMP(updated_at) * 1000000 AS SIGNED) FROM credit WHERE race_id = ?", raceID)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var micros int64
		require.NoError(t, rows.Scan(&micros))
		times = append(times, time.UnixMicro(micros))
	}
	require.NoError(t, rows.Err())
	slices.SortFunc(times, time.Time.Compare)
	return times
}
