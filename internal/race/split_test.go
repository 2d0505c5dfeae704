package race_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

const km = race.Distance(1_000_000)

func points(named ...race.TimingPoint) race.Course { return race.Course{}.With(named) }

func TestCourseKeepsReadings(t *testing.T) {
	t.Parallel()
	course := points(race.TimingPoint{Name: "Half", Distance: 21_097_500}, race.TimingPoint{Name: "10 km", Distance: 10 * km})
	require.Equal(t, race.Course{LastKey: 2, Points: []race.TimingPoint{
		{Key: 1, Name: "10 km", Distance: 10 * km}, {Key: 2, Name: "Half", Distance: 21_097_500},
	}}, course, "in the order of the course")

	renamed := course.With([]race.TimingPoint{{Name: "Harbour", Distance: 10 * km}, {Name: "half", Distance: 21 * km}})
	require.Equal(t, []race.TimingPoint{{Key: 1, Name: "Harbour", Distance: 10 * km}, {Key: 2, Name: "half", Distance: 21 * km}},
		renamed.Points, "one was renamed, one moved")

	swapped := course.With([]race.TimingPoint{{Name: "Half", Distance: 10 * km}, {Name: "10 km", Distance: 21_097_500}})
	require.Equal(t, []race.TimingPoint{{Key: 2, Name: "Half", Distance: 10 * km}, {Key: 1, Name: "10 km", Distance: 21_097_500}}, swapped.Points)

	without := course.With(nil)
	require.Equal(t, race.Course{Points: nil, LastKey: 2}, without)
	require.Equal(t, 3, without.With([]race.TimingPoint{{Name: "10 km", Distance: 10 * km}}).Points[0].Key,
		"a removed point's readings do not become another one's")
}

func TestCheckTimingPoints(t *testing.T) {
	t.Parallel()
	course := points(
		race.TimingPoint{Name: "Finish", Distance: 5 * km}, race.TimingPoint{Name: "5 km", Distance: 5 * km},
		race.TimingPoint{Name: "5KM", Distance: 6 * km}, race.TimingPoint{Name: "end", Distance: 10 * km}, race.TimingPoint{Distance: 1},
	)
	messages := []string{}
	for _, wrong := range race.CheckTimingPoints(course.Points, 10*km) {
		require.Equal(t, "timing_points", wrong.Field)
		messages = append(messages, wrong.Message)
	}
	require.Equal(t, []string{
		"the name must not be empty", "Finish: the name must be another one: every race has a start and a finish",
		"5 km: the distance must differ from those of the other timing points",
		"5KM: the name must differ from those of the other timing points", "end: the distance must be below that of the race",
	}, messages)
}

func TestFindPoint(t *testing.T) {
	t.Parallel()
	course := points(
		race.TimingPoint{Name: "10 km", Distance: 10 * km}, race.TimingPoint{Name: "Half", Distance: 21_097_500},
		race.TimingPoint{Name: "Bridge", Distance: 35 * km}, race.TimingPoint{Name: "Mile 20", Distance: 32_186_880},
	)
	for name, want := range map[string]string{
		"10 km": "10 km", "10KM": "10 km", "10k": "10 km", "10,0 km": "10 km", "10000 m": "10 km", "HM": "Half", "halfway": "Half", "21.1 km": "Half",
		"bridge": "Bridge", "\u202BBridge\u200F": "Bridge", "35K": "Bridge", "20 mi": "Mile 20", "mile 20": "Mile 20", "20 miles": "Mile 20",
		"5 km": "", "": "", "km": "", "Split 1": "", "1e400 km": "", "-10 km": "", "nan km": "",
	} {
		found, ok := race.FindPoint(course.Points, name)
		require.Equal(t, want != "", ok, name)
		require.Equal(t, want, found.Name, name)
	}
	_, err := race.PointNamed(course.Points, "5 km")
	require.EqualError(t, err, "must be a timing point of the race: 10 km, Half, Mile 20, Bridge")
	_, err = race.PointNamed(nil, "5 km")
	require.ErrorContains(t, err, "set its timing_points first")
}

func TestCheckSplits(t *testing.T) {
	t.Parallel()
	course := points(
		race.TimingPoint{Name: "5 km", Distance: 5 * km}, race.TimingPoint{Name: "10 km", Distance: 10 * km},
		race.TimingPoint{Name: "15 km", Distance: 15 * km},
	)
	const minute = race.Time(60_000)
	for name, c := range map[string]struct {
		splits race.Splits
		finish race.Time
		want   []string
	}{
		"in order":     {race.Splits{1: 20 * minute, 2: 40 * minute, 3: 60 * minute}, 80 * minute, nil},
		"missing":      {race.Splits{1: 20 * minute, 3: 60 * minute}, 80 * minute, nil},
		"equal":        {race.Splits{1: 20 * minute, 2: 20 * minute, 3: 80 * minute}, 80 * minute, nil},
		"none":         {nil, 80 * minute, nil},
		"no finish":    {race.Splits{1: 20 * minute}, 0, nil},
		"unknown keys": {race.Splits{9: 200 * minute}, 80 * minute, nil},
		"after the finish": {
			race.Splits{1: 20 * minute, 3: 81 * minute},
			80 * minute,
			[]string{"the reading at 15 km (1:21:00) is later than the finish (1:20:00)"},
		},
		"one too early": {
			race.Splits{1: 20 * minute, 2: 10 * minute, 3: 60 * minute},
			0,
			[]string{"the reading at 10 km (0:10:00) is earlier than the one at 5 km (0:20:00)"},
		},
		"one too late keeps the others": {
			race.Splits{1: 50 * minute, 2: 40 * minute, 3: 45 * minute},
			0,
			[]string{"the reading at 5 km (0:50:00) is later than the one at 10 km (0:40:00)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, fault := range race.CheckSplits(course.Points, c.splits, c.finish) {
				got = append(got, fault.Message)
			}
			require.Equal(t, c.want, got)
			r := race.Race{Course: course, Ranking: race.Ranking{Basis: race.Net}}
			kept, wrong := c.splits.KeepRight(r, race.Result{Net: c.finish})
			require.Len(t, wrong, len(c.want))
			require.Empty(t, race.CheckSplits(course.Points, kept, c.finish), "what is kept is right")
			require.Len(t, kept, len(c.splits)-len(c.want))
		})
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	course := points(
		race.TimingPoint{Name: "5 km", Distance: 5 * km}, race.TimingPoint{Name: "10 km", Distance: 10 * km},
		race.TimingPoint{Name: "15 km", Distance: 15 * km},
	)
	r := race.Race{Course: course, Distance: 20 * km, Ranking: race.Ranking{Basis: race.Net}}
	const minute = race.Time(60_000)
	got := race.Segments(r, race.Splits{1: 20 * minute, 3: 65 * minute}, race.Result{Gun: 91 * minute, Net: 90 * minute})
	require.Equal(t, []race.Segment{
		{Point: course.Points[0], Reading: 20 * minute, From: "start", Distance: 5 * km, Elapsed: 20 * minute, Pace: 4 * minute},
		{Point: course.Points[1]},
		{Point: course.Points[2], Reading: 65 * minute, From: "5 km", Distance: 10 * km, Elapsed: 45 * minute, Pace: 270_000},
		{Point: race.TimingPoint{Name: "finish", Distance: 20 * km}, Finish: true, Reading: 90 * minute, From: "15 km", Distance: 5 * km, Elapsed: 25 * minute, Pace: 5 * minute},
	}, got)
	require.Nil(t, race.Segments(r, nil, race.Result{Net: 90 * minute}), "nothing was read")
	require.Len(t, race.Segments(r, race.Splits{1: minute}, race.Result{Status: race.DidNotFinish}), 3, "there is no finish")
	for pace, want := range map[race.Time]string{270_000: "4:30", 184_650: "3:04.7", 59_960: "1:00", 3_600_000: "60:00"} {
		require.Equal(t, want, pace.PaceString())
	}
}
