package imports_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestResults(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,gun_time,net_time,status,sequence\n"+
		"0034,2:10:22,2:10:20.4,OK,1\n"+
		"W16,1:30:00,,,2\n"+
		"7,,,DNS,\n")
	require.Empty(t, sheet.Errors)
	require.Equal(t, []race.ResultRow{
		{Row: 2, Bib: "0034", Gun: new(clock(t, "2:10:22")), Net: new(clock(t, "2:10:20.4")), Status: new(race.Finished), Sequence: new(1)},
		{Row: 3, Bib: "W16", Gun: new(clock(t, "1:30:00")), Sequence: new(2)},
		{Row: 4, Bib: "7", Status: new(race.DidNotStart)},
	}, sheet.Rows)
	require.Equal(t, 3, sheet.Total)
}

func TestStatusInTheCellOfATime(t *testing.T) {
	t.Parallel()
	const header = "bib,gun_time,net_time,status\n"
	for row, want := range map[string]race.Result{
		"1,DNF,,":               {Bib: "1", Status: race.DidNotFinish},
		"1,dnf,DNF,":            {Bib: "1", Status: race.DidNotFinish},
		"1,Did Not Finish,,dnf": {Bib: "1", Status: race.DidNotFinish},
		"1,,DNS,":               {Bib: "1", Status: race.DidNotStart},
		"1,DQ,2:00:00,":         {Bib: "1", Status: race.Disqualified, Net: 7_200_000},
		"1,DSQ,,DQ":             {Bib: "1", Status: race.Disqualified},
		"1, otl ,,":             {Bib: "1", Status: race.Overtime},
		"1,OVERTIME,,":          {Bib: "1", Status: race.Overtime},
		"1,2:00:00,,DNF":        {Bib: "1", Status: race.DidNotFinish, Gun: 7_200_000},
	} {
		sheet := results(t, header+row)
		require.Empty(t, sheet.Errors, row)
		require.Equal(t, want, sheet.Rows[0].Stated(), row)
	}
	for row, field := range map[string]string{
		"1,DNF,,OK":      "gun_time",
		"1,DNF,,DNS":     "gun_time",
		"1,DNF,DNS,":     "net_time",
		"1,DNS,2:00:00,": "net_time",
		"1,OK,,":         "gun_time", // not a time, and nothing that stands in for one
		"1,DNF,,walked":  "status",
	} {
		require.Equal(t, []imports.RowError{{Row: 2, Field: field}}, wrong(t, header+row), row)
	}
}

func TestWrongResults(t *testing.T) {
	t.Parallel()
	const header = "bib,gun_time,net_time,status,sequence\n"
	for row, fields := range map[string][]string{
		",2:00:00":               {"bib"},
		"a very long bib number": {"bib"},
		"1,25:99:00":             {"gun_time"},
		"1,,2.5":                 {"net_time"},
		"1,2:00:00,2:00:02":      {"net_time"},
		"1,2:00:00,1:59:00,DNS":  {"gun_time", "net_time"},
		"1,,,sick":               {"status"},
		"1,,,,0":                 {"sequence"},
		"1,,,,-3":                {"sequence"},
		"1,,,,2147483648":        {"sequence"},
		"1,,,,2nd":               {"sequence"},
		"?,x,y,z,0":              {"bib", "status", "gun_time", "net_time", "sequence"},
	} {
		var got []string
		for _, e := range wrong(t, header+row) {
			require.Equal(t, 2, e.Row)
			got = append(got, e.Field)
		}
		require.ElementsMatch(t, fields, got, row)
	}
}

func TestAcceptedResultsWithoutATime(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,gun_time,net_time,sequence\n1,,,\n2,2:00:00,2:00:01,\n3,,,9\n")
	require.Empty(t, sheet.Errors)
	require.Len(t, sheet.Rows, 3)
}

func TestSameBibTwice(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,gun_time\n34,2:00:00\n35,2:01:00\n0034,2:02:00\nw1,2:03:00\n034,nonsense\nW1,2:04:00\n")
	require.Equal(t, []imports.RowError{
		{Row: 2, Field: "bib", Message: "is also in row 4"},
		{Row: 4, Field: "bib", Message: "is also in row 2"},
		{Row: 5, Field: "bib", Message: "is also in row 7"},
		{Row: 6, Field: "gun_time", Message: sheet.Errors[3].Message},
		{Row: 6, Field: "bib", Message: "is also in row 2"},
		{Row: 7, Field: "bib", Message: "is also in row 5"},
	}, sheet.Errors)
	require.Len(t, sheet.Rows, 1)
	require.Equal(t, "35", sheet.Rows[0].Bib)
}

func TestGoodRowsStandBesideBadOnes(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,gun_time\n1,2:00:00\n2,nonsense\n3,2:02:00\n")
	require.Len(t, sheet.Rows, 2)
	require.Equal(t, "3", sheet.Rows[1].Bib)
	require.Equal(t, 3, sheet.Errors[0].Row)
	require.Equal(t, 3, sheet.Total)
}

func TestEmptyCellsKeepAndDashesClear(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,gun_time,net_time,status,sequence\n1,,,,\n2,-,-,-,-\n3, - ,1:00:00,,\n4,DNF,-,-,\n")
	require.Empty(t, sheet.Errors)
	none, noStatus := race.Time(0), race.ResultStatus("")
	require.Equal(t, []race.ResultRow{
		{Row: 2, Bib: "1"},
		{Row: 3, Bib: "2", Gun: &none, Net: &none, Status: &noStatus, Sequence: new(0)},
		{Row: 4, Bib: "3", Gun: &none, Net: new(clock(t, "1:00:00"))},
		{Row: 5, Bib: "4", Net: &none, Status: new(race.DidNotFinish)},
	}, sheet.Rows)
	require.Equal(t, []string{"gun_time", "net_time", "status", "sequence"}, sheet.Rows[1].Cleared())

	asJSON := results(t, `[{"bib":"1","gun_time":"","net_time":null},{"bib":"2","gun_time":"-","net_time":"-","status":"-","sequence":"-"}]`)
	require.Equal(t, sheet.Rows[0].Stated(), asJSON.Rows[0].Stated())
	require.Equal(t, sheet.Rows[1].Cleared(), asJSON.Rows[1].Cleared())
}

func TestIgnoredColumnsHaveASample(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,Finish,gun_time,Empty\n1,,1:00:00,\n2,2:10:22,1:00:01,\n")
	require.Equal(t, []imports.IgnoredColumn{{Column: "Finish", Sample: "2:10:22"}, {Column: "Empty"}}, sheet.IgnoredColumns)
	require.Equal(t, []string{"bib", "Finish", "gun_time", "Empty"}, sheet.Headers)
}
