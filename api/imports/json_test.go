package imports_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestJSONForms(t *testing.T) {
	t.Parallel()
	const row = `{"bib":"034","gun_time":"2:10:22","net_time":null,"sequence":7}`
	for name, file := range map[string]string{
		"array":           `[` + row + `]`,
		"items":           ` {"items" : [` + row + "]}\n",
		"byte order mark": "\xef\xbb\xbf[" + row + "]",
		"other names":     `[{"Bib Number":" 034 ","clock":"2:10:22","seq":"7","net":""}]`,
		"a start list":    `[{"bib":"034","gun_time":"2:10:22","sequence":7,"name":"Ada","age":36,"login_id":5}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, contentType := range []string{"", "application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded"} {
				sheet, err := imports.Results(strings.NewReader(file), contentType, 0)
				require.NoError(t, err)
				require.Empty(t, sheet.Errors)
				require.Equal(t, []race.ResultRow{
					{Row: 1, Bib: "034", Gun: new(clock(t, "2:10:22")), Sequence: new(7)},
				}, sheet.Rows)
			}
		})
	}
}

func TestJSONStartList(t *testing.T) {
	t.Parallel()
	sheet := startList(t, `[{"bib":"1","first_name":"Ada","last_name":"Lovelace","sex":"F","age":36},{"bib":"2","age":"40"}]`)
	require.Empty(t, sheet.Errors)
	require.Equal(t, []imports.StartListRow{
		{Row: 1, Bib: "1", Name: "Ada Lovelace", Sex: race.Female, Age: 36},
		{Row: 2, Bib: "2", Age: 40},
	}, sheet.Rows)
}

func TestWrongJSONRows(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		`{}`:                               "bib",
		`{"bib":null}`:                     "bib",
		`{"bib":"1","city":"Oslo"}`:        "city",
		`{"bib":"1","gun_time":7822}`:      "gun_time",
		`{"bib":"1","gun_time":{"h":2}}`:   "gun_time",
		`{"bib":"1","status":true}`:        "status",
		`{"bib":"1","sequence":1.5}`:       "sequence",
		`{"bib":"1","sequence":1e400}`:     "sequence",
		`{"bib":"1","gun":"","gun":""}`:    "gun_time",
		`{"bib":"1","net":"","chip":""}`:   "net_time",
		`{"bib":"1","gun_time":"1:99:00"}`: "gun_time",
		`"1"`:                              "",
		`17`:                               "",
		`null`:                             "",
		`[["bib","1"],{"bib":[]}]`:         "",
	} {
		sheet := results(t, `[{"bib":"8"},`+row+`,{"bib":"9"}]`)
		require.Len(t, sheet.Rows, 2, row)
		require.NotEmpty(t, sheet.Errors, row)
		require.Equal(t, 2, sheet.Errors[0].Row, row)
		require.Equal(t, want, sheet.Errors[0].Field, row)
	}
}

func TestJSONSaysOneThingPerField(t *testing.T) {
	t.Parallel()
	require.Equal(t, []imports.RowError{{Row: 1, Field: "bib"}}, wrong(t, `[{"bib":34}]`))
}

func TestJSONRowOfUnknownProperties(t *testing.T) {
	t.Parallel()
	var row strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&row, `"x%d":0,`, i)
	}
	sheet := results(t, `[{`+row.String()+`"bib":"1"}]`)
	require.Len(t, sheet.Errors, 10)
	require.Equal(t, "x9", sheet.Errors[9].Field)
}

func TestUnreadableJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, mentions string }{
		"nothing":            {"", "JSON"},
		"not JSON":           {"bib\n1\n", "JSON"},
		"a string":           {`"bib"`, "array"},
		"an object":          {`{"bib":"1"}`, "items"},
		"an empty object":    {`{}`, "items"},
		"items of no kind":   {`{"items":"1"}`, "array"},
		"more than items":    {`{"items":[{"bib":"1"}],"next":1}`, "items"},
		"no rows":            {`[]`, "no rows"},
		"no items":           {`{"items":[]}`, "no rows"},
		"cut":                {`[{"bib":"1"},{"bib":"2"`, "in row 2"},
		"cut in a string":    {`[{"bib":"1`, "in row 1"},
		"cut behind a row":   {`[{"bib":"1"}`, "JSON"},
		"cut behind items":   {`{"items":[{"bib":"1"}]`, "JSON"},
		"comma missing":      {`[{"bib":"1"} {"bib":"2"}]`, "in row 2"},
		"wrong bracket":      {`[{"bib":"1"}}`, "JSON"},
		"broken in an array": {`[[1,}]`, "in row 1"},
		"two files":          {`[{"bib":"1"}][{"bib":"2"}]`, "after the end"},
		"rubbish behind":     {`[{"bib":"1"}]x`, "after the end"},
		"not UTF-8":          {"[{\"bib\":\"1\",\n\"name\":\"Andr\xe9\"}]", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, fileError(t, c.file, "application/json").Message, c.mentions)
		})
	}
}

func TestTooManyJSONRows(t *testing.T) {
	t.Parallel()
	_, err := imports.Results(strings.NewReader(`[{"bib":"1"},{"bib":"2"},{"bib":"3"}]`), "", 2)
	var tooMany *imports.TooManyRowsError
	require.ErrorAs(t, err, &tooMany)
}
