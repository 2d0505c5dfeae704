package race_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestDeadlines(t *testing.T) {
	t.Parallel()
	seoul, err := time.LoadLocation("Asia/Seoul")
	require.NoError(t, err)
	newYork, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	read := func(s string) race.Deadline {
		d, err := race.ParseDeadline(s)
		require.NoError(t, err, s)
		return d
	}
	day, moment := read("2026-10-01"), read("2026-10-01T09:00:00+09:00")
	require.Equal(t, time.Date(2026, 10, 1, 15, 0, 0, 0, time.UTC), day.End(seoul), "the day ends with it")
	require.Equal(t, "2026-10-01T00:00:00Z", moment.String())
	require.Equal(t, "2027-09-30", day.Shift(364, seoul).String())
	// A meeting at nine stays one at nine, although the clocks have changed in between.
	require.Equal(t, "2026-11-02T14:00:00Z", read("2026-10-30T13:00:00Z").Shift(3, newYork).String())
	require.True(t, read("9998-12-31").Shift(400, seoul).IsZero())
	require.True(t, read("").IsZero())
	for _, wrong := range []string{"0999-01-01", "9999-01-01", "2026-02-30", "9999-01-01T00:00:00Z", "tomorrow", "2026-10-01T09:00:00"} {
		_, err := race.ParseDeadline(wrong)
		require.Error(t, err, wrong)
	}
}

func TestMomentsOfATask(t *testing.T) {
	t.Parallel()
	seoul, err := time.LoadLocation("Asia/Seoul")
	require.NoError(t, err)
	task := race.Task{Title: "Medals", Status: race.TaskOpen, RemindDays: []int{1, 3, 3}, Deadline: race.Deadline{Day: race.Date{Year: 2026, Month: 10, Day: 5}}}
	require.NoError(t, task.Check())
	at := func(day int) time.Time { return time.Date(2026, 10, day, 0, 0, 0, 0, time.UTC) } // nine in the morning in Seoul
	require.Equal(t, []race.TaskMoment{{At: at(2)}, {At: at(4)}, {At: at(5)}, {At: at(6), Overdue: true}}, task.Moments(seoul))
	next, more := task.NextMoment(at(4), seoul)
	require.True(t, more)
	require.Equal(t, at(5), next.At)
	_, more = task.NextMoment(at(6), seoul)
	require.False(t, more)
	task.Status = race.TaskDropped
	require.Empty(t, task.Moments(seoul))
	for _, wrong := range []race.Task{
		{Title: " ", Status: race.TaskOpen}, {Title: "two\nlines", Status: race.TaskOpen}, {Title: "x", Status: "later"}, {Title: "x", Status: race.TaskOpen, RemindDays: []int{0}},
	} {
		require.Error(t, wrong.Check())
	}
}
