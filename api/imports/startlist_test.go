package imports_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestStartList(t *testing.T) {
	t.Parallel()
	sheet := startList(t, "Bib,Name,Gender,Age,DOB,Field,Login,City\n"+
		"1,Ada  Lovelace,female,36,,,Ada@Example.org,London\n"+
		"2,,M,,1815-12-10,wheelchair,,\n"+
		"3\n")
	require.Empty(t, sheet.Errors)
	require.Equal(t, []imports.StartListRow{
		{Row: 2, Bib: "1", Name: "Ada Lovelace", Sex: race.Female, Age: 36, LoginID: "ada@example.org"},
		{Row: 3, Bib: "2", Sex: race.Male, Age: race.UnknownAge, BirthDate: race.Date{Year: 1815, Month: time.December, Day: 10}, Field: race.Wheelchair},
		{Row: 4, Bib: "3", Age: race.UnknownAge},
	}, sheet.Rows)
	require.Equal(t, []string{"City"}, imports.Names(sheet.IgnoredColumns))
}

func TestStartListNames(t *testing.T) {
	t.Parallel()
	sheet := startList(t, "bib,Last Name,firstname\n1,Lovelace,Ada\n2,,Plato\n")
	require.Equal(t, "Ada Lovelace", sheet.Rows[0].Name)
	require.Equal(t, "Plato", sheet.Rows[1].Name)

	sheet = startList(t, "bib,name\n1,\"Ada\r\nKing\"\n")
	require.Equal(t, "Ada King", sheet.Rows[0].Name)

	// What nobody sees in a file is no fault of whoever uploads it.
	sheet = startList(t, "bib,name,team\n1,\u202BAda\u202C \u200B King\u200F,FC \u200B\u202DSeoul\n2,\u200D,\n")
	require.Empty(t, sheet.Errors)
	require.Equal(t, "Ada King", sheet.Rows[0].Name)
	require.Equal(t, "FC Seoul", sheet.Rows[0].Team)
	require.Empty(t, sheet.Rows[1].Name)
}

func TestWrongStartListRows(t *testing.T) {
	t.Parallel()
	const header = "bib,name,sex,age,birth_date,field,login_id\n"
	for row, field := range map[string]string{
		",Ada":                               "bib",
		"1," + strings.Repeat("a", 201):      "name",
		"1,A\x01da":                          "name",
		"1,,Z":                               "sex",
		"1,,,121":                            "age",
		"1,,,-1":                             "age",
		"1,,,36.5":                           "age",
		"1,,,,10/12/1815":                    "birth_date",
		"1,,,,1815-02-30":                    "birth_date",
		"1,,,,,F35-39":                       "field",
		"1,,,,,," + strings.Repeat("a", 191): "login_id",
	} {
		sheet := startList(t, header+row)
		require.Empty(t, sheet.Rows, row)
		require.Len(t, sheet.Errors, 1, row)
		require.Equal(t, 2, sheet.Errors[0].Row, row)
		require.Equal(t, field, sheet.Errors[0].Field, row)
	}
}

func TestSameAccountTwice(t *testing.T) {
	t.Parallel()
	sheet := startList(t, "bib,login_id\n1,ada\n2,\n3,ADA\n4,\n")
	require.Equal(t, []imports.RowError{
		{Row: 2, Field: "login_id", Message: "is also in row 4"},
		{Row: 4, Field: "login_id", Message: "is also in row 2"},
	}, sheet.Errors)
	require.Len(t, sheet.Rows, 2)
}

// TestOneFileIsStartListAndResults reads a file that has the columns of both kinds.
func TestOneFileIsStartListAndResults(t *testing.T) {
	t.Parallel()
	const file = "bib,sex,age,gun_time,net_time,status,field\n1754,F,26,4:18:54,4:07:38,OK,runner\n"

	entries := startList(t, file)
	require.Empty(t, entries.IgnoredColumns)
	require.Equal(t, []imports.StartListRow{{Row: 2, Bib: "1754", Sex: race.Female, Age: 26, Field: race.Runner}}, entries.Rows)

	finishers := results(t, file)
	require.Empty(t, finishers.IgnoredColumns)
	require.Equal(t, clock(t, "4:07:38"), *finishers.Rows[0].Net)
}

func TestResultsAreNoStartList(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"bib,gun_time\n1,2:10:22\n", "Place;Bib;Chip Time\n1;1;2:10:22\n", "bib,status\n1,OK\n"} {
		_, err := imports.StartList(strings.NewReader(file), "", 0)
		var broken *imports.FileError
		require.ErrorAs(t, err, &broken, file)
		require.Contains(t, broken.Message, "results file")
	}
	sheet := startList(t, `[{"bib":"1","gun_time":"2:10:22"},{"bib":"2","name":"Ada","gun_time":"2:10:22"}]`)
	require.Len(t, sheet.Rows, 1)
	require.Len(t, sheet.Errors, 1)
	require.Contains(t, sheet.Errors[0].Message, "results file")
	for _, file := range []string{"bib\n1\n", "bib,club\n1,x\n", "bib,name,gun_time\n1,Ada,2:10:22\n"} {
		require.Len(t, startList(t, file).Rows, 1, file)
	}
}
