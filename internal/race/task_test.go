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
	day, moment, evening := read("2026-10-01"), read("2026-10-01T09:00:00+09:00"), read("2026-10-01T18:30")
	require.Equal(t, "2026-10-01T18:30", evening.String())
	require.Equal(t, time.Date(2026, 10, 1, 9, 30, 0, 0, time.UTC), evening.End(seoul))
	require.Equal(t, time.Date(2026, 10, 1, 22, 30, 0, 0, time.UTC), evening.End(newYork), "by the clock of the race, wherever it is")
	for want, d := range map[string]race.Deadline{"2026-10-01": day, "2026-10-01 18:30 (Asia/Seoul)": evening, "2026-10-01 09:00 (Asia/Seoul)": moment, "": {}} {
		require.Equal(t, want, d.ByClock(seoul))
	}
	require.Equal(t, "2026-11-30T18:30", evening.Shift(60, newYork).String())
	require.Equal(t, time.Date(2026, 3, 8, 6, 30, 0, 0, time.UTC), read("2026-03-08T02:30").End(newYork), "the clocks skip that hour")
	require.Equal(t, time.Date(2026, 10, 1, 15, 0, 0, 0, time.UTC), day.End(seoul), "the day ends with it")
	require.Equal(t, "2026-10-01T00:00:00Z", moment.String())
	require.Equal(t, "2027-09-30", day.Shift(364, seoul).String())
	// A meeting at nine stays one at nine, although the clocks have changed in between.
	require.Equal(t, "2026-11-02T14:00:00Z", read("2026-10-30T13:00:00Z").Shift(3, newYork).String())
	require.True(t, read("9998-12-31").Shift(400, seoul).IsZero())
	require.True(t, read("").IsZero())
	for _, wrong := range []string{"0999-01-01", "9999-01-01", "2026-02-30", "9999-01-01T00:00:00Z", "tomorrow", "2026-10-01T09:00:00", "2026-10-01T9:00", "2026-10-01T24:00", "2026-10-01T", "9999-01-01T00:00"} {
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
	task.Deadline.Clock = "18:00"
	evening := func(day int) time.Time { return time.Date(2026, 10, day, 9, 0, 0, 0, time.UTC) }
	require.Equal(t, []race.TaskMoment{{At: evening(2)}, {At: evening(4)}, {At: evening(5)}, {At: evening(6), Overdue: true}}, task.Moments(seoul))
	task.Status = race.TaskDropped
	require.Empty(t, task.Moments(seoul))
	for _, wrong := range []race.Task{
		{Title: " ", Status: race.TaskOpen}, {Title: "two\nlines", Status: race.TaskOpen}, {Title: "x", Status: "later"}, {Title: "x", Status: race.TaskOpen, RemindDays: []int{0}},
	} {
		require.Error(t, wrong.Check())
	}
}

func TestTheZoneOfARace(t *testing.T) {
	t.Parallel()
	for zone, r := range map[string]race.Race{
		"UTC": {}, "Asia/Seoul": {Country: "KR"}, "Europe/Paris": {Country: "KR", Entry: &race.EntrySettings{Zone: "Europe/Paris"}}, "Asia/Tokyo": {Country: "JP", Entry: &race.EntrySettings{}},
	} {
		require.Equal(t, zone, r.Location().String())
	}
}
