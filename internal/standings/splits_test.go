package standings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

func TestRankSplits(t *testing.T) {
	t.Parallel()
	row := func(id string, sex race.Sex, division string, status race.ResultStatus) standings.Row {
		return standings.Row{Division: division, Entry: standings.Entry{
			RecordID: id, UserID: "user " + id, Sex: sex, Field: race.Runner, Result: race.Result{Status: status},
		}}
	}
	wheelchair := row("w", race.Male, "", race.Finished)
	wheelchair.Field = race.Wheelchair
	implausible := row("i", race.Male, "M40", race.Finished)
	implausible.Implausible = "too fast"
	nobody := row("n", "", "", race.Finished)
	nobody.UserID = ""
	rows := []standings.Row{
		row("a", race.Male, "M40", race.Finished), row("b", race.Female, "", race.DidNotFinish), row("c", race.Female, "", race.Finished),
		row("d", race.Male, "M40", race.Disqualified), row("e", "", "M40", race.Overtime), wheelchair, implausible, nobody,
		row("f", race.Male, "", race.Finished),
	}
	splits := map[string]race.Splits{
		"a": {1: 1000, 2: 5000}, "b": {1: 900}, "c": {1: 1000, 2: 4000}, "d": {1: 100}, "e": {1: 1100}, "w": {1: 500}, "i": {1: 1}, "n": {1: 2},
		"gone": {1: 3},
	}
	require.Equal(t, standings.Passages{
		1: {
			"b": {Reading: 900, Place: 1, SexPlace: 1},
			"a": {Reading: 1000, Place: 2, SexPlace: 1, DivisionPlace: 1},
			"c": {Reading: 1000, Place: 2, SexPlace: 2},
			"e": {Reading: 1100, Place: 4, DivisionPlace: 2},
			"w": {Reading: 500, Place: 1, SexPlace: 1},
		},
		2: {
			"c": {Reading: 4000, Place: 1, SexPlace: 1},
			"a": {Reading: 5000, Place: 2, SexPlace: 1, DivisionPlace: 1},
		},
	}, standings.RankSplits(rows, splits))
}
