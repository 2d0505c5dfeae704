package scoring_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// finisher is a woman of 35 who ran a marathon in 2:30:00 by the gun, 2:29:50
// net, in a race that ranks by gun time.
func finisher() scoring.Facts {
	return scoring.Facts{
		Record: race.Record{
			ID: "record", RaceID: "race", Revision: 1, HoldsBib: true,
			Result: race.Result{Bib: "34", Gun: 9_000_000, Net: 8_990_000, Status: race.Finished},
		},
		Race:    race.Race{Scoring: "agegrade-2025", Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun}, Points: 5},
		Entrant: &race.Participant{UserID: "runner", Sex: race.Female, Age: 35, Field: race.Runner},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	points := func(rule scoring.Rule, millis int64) int64 {
		p, err := scoring.Points(rule, scoring.Performance{DistanceMM: 42_195_000, Sex: "F", Age: 35, TimeMS: millis, FixedPoints: 5})
		require.NoError(t, err)
		return p
	}
	const credited = race.Credited
	agegrade := func(points int64, reason string) scoring.Award {
		return scoring.Award{Status: credited, RunnerID: "runner", Points: points, Rule: "agegrade", Edition: "2025", Reason: reason}
	}
	tests := map[string]struct {
		change    func(*scoring.Facts)
		award     scoring.Award
		rejection string
	}{
		"gun time ranks": {
			change: func(*scoring.Facts) {},
			award:  agegrade(points(scoring.AgeGrade2025, 9_000_000), ""),
		},
		"void race": {
			change: func(f *scoring.Facts) { f.Race.Status = race.Void },
			award:  agegrade(0, "race voided"),
		},
		"void race, unknown bib": {
			change: func(f *scoring.Facts) { f.Race.Status, f.Entrant = race.Void, nil },
			award:  scoring.Award{Status: credited, Rule: "agegrade", Edition: "2025", Reason: "race voided"},
		},
		"net time ranks": {
			change: func(f *scoring.Facts) { f.Race.Ranking.Basis = race.Net },
			award:  agegrade(points(scoring.AgeGrade2025, 8_990_000), ""),
		},
		"World Athletics": {
			change: func(f *scoring.Facts) { f.Race.Scoring = "wa-2022" },
			award: scoring.Award{
				Status: credited, RunnerID: "runner", Points: points(scoring.WorldAthletics2022, 9_000_000), Rule: "wa", Edition: "2022",
			},
		},
		"fixed covers every field": {
			change: func(f *scoring.Facts) {
				f.Race.Scoring, f.Entrant.Field, f.Entrant.Age = "fixed", race.Wheelchair, race.UnknownAge
			},
			award: scoring.Award{Status: credited, RunnerID: "runner", Points: 5, Rule: "fixed", Edition: "1"},
		},
		"World Athletics needs no age": {
			change: func(f *scoring.Facts) { f.Race.Scoring, f.Entrant.Age = "wa-2025", race.UnknownAge },
			award: scoring.Award{
				Status: credited, RunnerID: "runner", Points: points(scoring.WorldAthletics2025, 9_000_000), Rule: "wa", Edition: "2025",
			},
		},
		"DNF": {
			change: func(f *scoring.Facts) { f.Record.Result.Status, f.Record.Result.Gun = race.DidNotFinish, 0 },
			award:  agegrade(0, "did not finish"),
		},
		"DNS": {
			change: func(f *scoring.Facts) { f.Record.Result.Status = race.DidNotStart },
			award:  agegrade(0, "did not start"),
		},
		"DQ": {
			change: func(f *scoring.Facts) { f.Record.Result.Status = race.Disqualified },
			award:  agegrade(0, "disqualified"),
		},
		"overtime": {
			change: func(f *scoring.Facts) { f.Record.Result.Status = race.Overtime },
			award:  agegrade(0, "finished after the cut-off"),
		},
		"wheelchair": {
			change: func(f *scoring.Facts) { f.Entrant.Field = race.Wheelchair },
			award:  agegrade(0, "the scoring rule covers runners, not the field wheelchair"),
		},
		"no table for the category": {
			change: func(f *scoring.Facts) { f.Entrant.Sex = race.NonBinary },
			award:  agegrade(0, scoring.ErrSexUnknown.Reason),
		},
		"younger than the tables": {
			change: func(f *scoring.Facts) { f.Entrant.Age = 4 },
			award:  agegrade(0, scoring.ErrAgeOutOfRange.Reason),
		},
		"removed": {
			change: func(f *scoring.Facts) { f.Record.Removed, f.Record.HoldsBib = true, false },
			award:  scoring.Award{Status: credited, Rule: "agegrade", Edition: "2025", Reason: "record removed"},
		},
		"nobody has the bib": {
			change:    func(f *scoring.Facts) { f.Entrant = nil },
			rejection: "no participant with bib 34",
		},
		"another record has the bib": {
			change:    func(f *scoring.Facts) { f.Record.HoldsBib = false },
			rejection: "bib 34 is held by another record",
		},
		"no gun time": {
			change:    func(f *scoring.Facts) { f.Record.Result.Gun = 0 },
			rejection: "no gun time, which ranks this race",
		},
		"no net time": {
			change:    func(f *scoring.Facts) { f.Race.Ranking.Basis, f.Record.Result.Net = race.Net, 0 },
			rejection: "no net time, which ranks this race",
		},
		"age unknown": {
			change:    func(f *scoring.Facts) { f.Entrant.Age = race.UnknownAge },
			rejection: scoring.ErrAgeUnknown.Reason,
		},
		"sex unknown": {
			change:    func(f *scoring.Facts) { f.Entrant.Sex = "" },
			rejection: scoring.ErrSexUnknown.Reason,
		},
		"distance not listed": {
			change:    func(f *scoring.Facts) { f.Race.Scoring, f.Race.Distance = "wa-2025", 12_345_000 },
			rejection: scoring.ErrDistanceNotListed.Reason,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := finisher()
			test.change(&facts)
			award, err := scoring.Judge(facts)
			if test.rejection != "" {
				var rejection *race.Rejection
				require.ErrorAs(t, err, &rejection)
				require.Equal(t, test.rejection, rejection.Reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.award.Reason == "", award.Parts != nil, "points are explained, or why there are none")
			award.Parts = nil
			require.Equal(t, test.award, award)
		})
	}
}

func TestJudgeFailsOnARuleThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	facts := finisher()
	facts.Race.Scoring = "agegrade-2030"
	_, err := scoring.Judge(facts)
	require.ErrorIs(t, err, scoring.ErrUnknownRule)
	var rejection *race.Rejection
	require.NotErrorAs(t, err, &rejection, "a newer release may have written it: wait, do not reject")
}

func TestPointsAreExplained(t *testing.T) {
	t.Parallel()
	explain := func(change func(*scoring.Facts)) (int64, string) {
		facts := finisher()
		change(&facts)
		award, err := scoring.Judge(facts)
		require.NoError(t, err)
		parts, err := json.Marshal(award.Parts)
		require.NoError(t, err)
		return award.Points, string(parts)
	}
	points, parts := explain(func(*scoring.Facts) {})
	require.EqualValues(t, 876, points)
	require.JSONEq(t, `{"rule":"agegrade-2025","clock":"gun","time":"2:30:00","distance_m":42195,"sex":"F","age":35,
		"open_standard":"2:09:56","age_factor":0.9879,"age_grade_percent":87.68}`, parts)

	_, parts = explain(func(f *scoring.Facts) { f.Race.Ranking.Basis, f.Race.Distance = race.Net, 40_000_000 })
	require.Contains(t, parts, `"clock":"net","time":"2:29:50","distance_m":40000`)

	points, parts = explain(func(f *scoring.Facts) { f.Race.Scoring = "wa-2025" })
	var wa race.Parts
	require.NoError(t, json.Unmarshal([]byte(parts), &wa))
	cutoff, err := race.ParseTime(wa.Cutoff)
	require.NoError(t, err)
	behind := int64(cutoff-9_000_000) / 1000
	require.Equal(t, points, wa.Numerator*behind*behind/wa.Divisor)
	require.Nil(t, wa.Age, "the rule does not look at it")

	points, parts = explain(func(f *scoring.Facts) { f.Race.Scoring, f.Race.Points = "fixed", 0 })
	require.Zero(t, points)
	require.JSONEq(t, `{"rule":"fixed","fixed_points":0}`, parts)
}

func TestTheShownPercentGivesThePoints(t *testing.T) {
	t.Parallel()
	for millis := race.Time(7_900_000); millis < 8_400_000; millis += 997 {
		facts := finisher()
		facts.Record.Result.Gun = millis
		award, err := scoring.Judge(facts)
		require.NoError(t, err)
		require.Equal(t, award.Points, int64(math.Round(award.Parts.AgeGradePercent*100))/10)
	}
}

// What an activity returns stays in the history of its workflow.
func TestAnAwardDoesNotCarrySexAndAge(t *testing.T) {
	t.Parallel()
	award, err := scoring.Judge(finisher())
	require.NoError(t, err)
	text, err := json.Marshal(award)
	require.NoError(t, err)
	for _, part := range []string{"parts", "age_", `"F"`, "35"} {
		require.NotContains(t, string(text), part)
	}
}
