package e2e_test

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	fairBig   = flag.Int("fair.big", 3000, "how many records the big race of TestFairness has")
	fairSmall = flag.Int("fair.small", 100, "how many records the small race posts meanwhile")
)

// TestFairness posts a small race while a big one is being credited. What counts
// is the order: the small one is done before half of the big one is, although all
// records of the big one were there before.
func TestFairness(t *testing.T) {
	t.Parallel()
	s := sharedSystem(t)
	organizer := s.signUp(t, "organizer")
	big, small := organizer.enter(t, "Big City 10K", *fairBig), organizer.enter(t, "Park 10K", *fairSmall)
	began := time.Now()
	require.Equal(t, *fairBig, organizer.importResults(t, big, "", finishers(*fairBig)).Added)
	eventually(t, patience, func() error {
		p := organizer.credits(t, big)
		if p.Credited < *fairBig/20 || p.Ahead == 0 || p.EstimatedSeconds == 0 {
			return fmt.Errorf("%d of %d credited, %d ahead, %d s", p.Credited, *fairBig, p.Ahead, p.EstimatedSeconds)
		}
		require.InDelta(t, p.Pending, p.Ahead, float64(*fairBig)/5, "nothing else waits")
		return nil
	})
	posted := time.Now()
	require.Equal(t, *fairSmall, organizer.importResults(t, small, "", finishers(*fairSmall)).Added)

	var estimated progress // while it waits
	eventually(t, patience, func() error {
		p := organizer.credits(t, small)
		if p.Ahead > 0 {
			estimated = p
		}
		if p.Credited < p.Total {
			return fmt.Errorf("%d of %d credited", p.Credited, p.Total)
		}
		return nil
	})
	times := s.creditedAt(t, small)
	require.Len(t, times, *fairSmall)
	last := times[len(times)-1]
	bigTimes := s.creditedAt(t, big)
	before, _ := slices.BinarySearchFunc(bigTimes, last, time.Time.Compare)
	require.Less(t, before, *fairBig/2, "the small race is done before half of the big one")
	after := func(at time.Time) time.Duration { return at.Sub(posted).Round(time.Millisecond) }
	t.Logf("small race of %d: first %s, p50 %s, p99 %s, last %s after it was posted, when %d of %d of the big one were done, "+
		"%.0f a second in all; its estimate was %d ahead, %d s", *fairSmall, after(times[0]), after(times[len(times)/2]),
		after(times[len(times)*99/100]), after(last), before, *fairBig, float64(before+*fairSmall)/last.Sub(began).Seconds(),
		estimated.Ahead, estimated.EstimatedSeconds)
	eventually(t, 10*patience, func() error { // the rest is not left to the tests that follow
		if n := count(t, s.mainDB, "SELECT EXISTS (SELECT 1 FROM outbox WHERE race_id = ?)", big); n > 0 {
			return errors.New("the big race still waits")
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
