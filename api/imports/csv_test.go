package imports_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
)

func TestCSVForms(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"plain":                  "bib,gun_time,net_time\n34,2:10:22,2:10:20\n",
		"no line end":            "bib,gun_time,net_time\n34,2:10:22,2:10:20",
		"CRLF":                   "bib,gun_time,net_time\r\n34,2:10:22,2:10:20\r\n",
		"byte order mark":        "\xef\xbb\xbfbib,gun_time,net_time\n34,2:10:22,2:10:20\n",
		"semicolons":             "bib;gun_time;net_time\n34;2:10:22;2:10:20\n",
		"tabs":                   "bib\tgun_time\tnet_time\n34\t2:10:22\t2:10:20\n",
		"quoted":                 "\"bib\",\"gun_time\",\"net_time\"\n\"34\", \"2:10:22\", 2:10:20 \n",
		"commas in a header":     "bib;\"city, country, club\";gun_time;net_time\n34;;2:10:22;2:10:20\n",
		"other names":            "Race-Number, Official Time ,CHIP_TIME\n34,2:10:22,2:10:20\n",
		"names with signs":       "Bib #,Clock Time,Chip-Time\n34,2:10:22,2:10:20\n",
		"columns in other order": "net,gun,number\n2:10:20,2:10:22,34\n",
		"empty cells at the end": "bib,gun_time,net_time,,\n34,2:10:22,2:10:20,,,,\n",
		"blank lines":            "bib,gun_time,net_time\n34,2:10:22,2:10:20\n\n , ,\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, contentType := range []string{"", "text/csv", "text/csv; charset=UTF-8", "application/octet-stream", "no/such/type"} {
				sheet, err := imports.Results(iotest.OneByteReader(strings.NewReader(file)), contentType, 0)
				require.NoError(t, err)
				require.Empty(t, sheet.Errors)
				require.Len(t, sheet.Rows, 1)
				got := sheet.Rows[0]
				require.Equal(t, 2, got.Row)
				require.Equal(t, "34", got.Bib)
				require.Equal(t, clock(t, "2:10:22"), *got.Gun)
				require.Equal(t, clock(t, "2:10:20"), *got.Net)
			}
		})
	}
}

func TestEverySynonym(t *testing.T) {
	t.Parallel()
	for field, names := range map[string][]string{
		"gun_time": {"gun_time", "gun", "clock_time", "clock", "official_time", "gross_time", "GunTime", "Gun Time"},
		"net_time": {"net_time", "net", "chip_time", "chip", "real_time", "Chip-Time"},
		"status":   {"status", "STATUS"},
		"sequence": {"sequence", "finish_sequence", "seq"},
	} {
		for _, name := range names {
			require.Equal(t, []imports.RowError{{Row: 2, Field: field}}, wrong(t, "bib,"+name+"\n1,?\n"), name)
		}
	}
	for _, name := range []string{"bib", "BIB", "bib_number", "bib_no", "Bib No.", "number", "race_number", "startnumber", "start number"} {
		require.Equal(t, "34", results(t, name+",gun\n34,\n").Rows[0].Bib, name)
	}
	for field, names := range map[string][]string{
		"name":       {"name", "full_name", "athlete", "runner", "first_name", "surname"},
		"sex":        {"sex", "Gender"},
		"age":        {"age"},
		"birth_date": {"birth_date", "dob", "date_of_birth", "birthdate"},
		"field":      {"field"},
		"login_id":   {"login_id", "login", "account"},
	} {
		for _, name := range names {
			sheet := startList(t, "bib,"+name+"\n1,"+strings.Repeat("?", 201)+"\n")
			require.Len(t, sheet.Errors, 1, name)
			require.Equal(t, field, sheet.Errors[0].Field, name)
		}
	}
}

func TestRowsAreNumberedAsASpreadsheetDoes(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,\"gun\ntime\",note\n1,x,\n\n2,x,\"two\nlines\"\n3,x,\n,,\n4,x,\"\n\"\n5,x,\n")
	var rows []int
	for _, e := range sheet.Errors {
		rows = append(rows, e.Row)
	}
	require.Equal(t, []int{2, 4, 5, 7, 8}, rows)
}

func TestUnknownColumnsAreListed(t *testing.T) {
	t.Parallel()
	sheet := results(t, "bib,City,,name,5 km,class,\n34,Oslo,x,Ada,17:20,F35,\n")
	require.Equal(t, []string{"City", "(column 3)", "5 km", "class"}, imports.Names(sheet.IgnoredColumns))
	require.Len(t, sheet.Rows, 1)
}

func TestUnreadableCSV(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file     string
		line     int
		mentions string
	}{
		"nothing":               {"", 0, "empty"},
		"blank":                 {"\n \n,,\n", 0, "empty"},
		"no rows":               {"bib,gun\n\n,\n", 0, "no rows"},
		"no bib":                {"\nname,gun\nAda,2:00:00\n", 2, "bib_number"},
		"bib twice":             {"bib,Race Number\n1,1\n", 1, `"bib" and "Race Number"`},
		"a time twice":          {"bib,gun,clock_time\n1,,\n", 1, `"gun" and "clock_time"`},
		"too many cells":        {"bib,gun\n1,2:00:00\n2,2:00:00,5\n", 3, "more cells"},
		"quote never closed":    {"bib,note\n1,a\n2,\"b\n3,c\n4,d\n", 3, "quotes"},
		"quote inside":          {"bib,note\n1,a \"b\" c\n", 2, "quotes"},
		"text behind a quote":   {"bib,note\n1,a\n2,\"b\"c\n", 3, "quotes"},
		"Latin-1":               {"bib,name\n1,Ada\n2,Andr\xe9\n", 3, "UTF-8"},
		"Latin-1 in the header": {"bib,pr\xe9nom\n1,Ada\n", 1, "UTF-8"},
		"cut in a character":    {"bib,name\n1,Andr\xc3", 2, "UTF-8"},
		"UTF-16":                {"\xff\xfeb\x00i\x00b\x00\n\x001\x00", 1, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := fileError(t, c.file, "text/csv")
			require.Equal(t, c.line, broken.Line)
			require.Contains(t, broken.Message, c.mentions)
			require.Contains(t, broken.Error(), broken.Message)
		})
	}
}

func TestNameTwice(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"bib,name,first_name", "bib,surname,name", "bib,name,athlete"} {
		_, err := imports.StartList(strings.NewReader(header+"\n1,a,b\n"), "", 0)
		var broken *imports.FileError
		require.ErrorAs(t, err, &broken, header)
	}
	sheet := results(t, "bib,name,first_name\n1,a,b\n")
	require.Len(t, sheet.Rows, 1, "names do not matter in results")
}

func TestLateInvalidUTF8(t *testing.T) {
	t.Parallel()
	// Characters of two bytes at every offset of the buffers' ends.
	for pad := range 3 {
		file := "bib,name\n" + strings.Repeat("x", pad) + strings.Repeat("1,éé\n", 30_000)
		_, err := imports.StartList(strings.NewReader(file), "", 0)
		require.NoError(t, err)

		_, err = imports.StartList(strings.NewReader(file+"2,\xe9\n"), "", 0)
		var broken *imports.FileError
		require.ErrorAs(t, err, &broken)
		require.Equal(t, 30_002, broken.Line)
	}
}

func TestTooManyRows(t *testing.T) {
	t.Parallel()
	const file = "bib\n1\n2\n\n3\n"
	_, err := imports.Results(strings.NewReader(file), "", 3)
	require.NoError(t, err)

	_, err = imports.Results(strings.NewReader(file), "", 2)
	var tooMany *imports.TooManyRowsError
	require.ErrorAs(t, err, &tooMany)
	require.Equal(t, 2, tooMany.Limit)

	_, err = imports.Results(strings.NewReader("bib\n"+strings.Repeat("1\n", imports.DefaultMaxRows+1)), "", 0)
	require.ErrorAs(t, err, &tooMany)
	require.Equal(t, imports.DefaultMaxRows, tooMany.Limit)
}

func TestCharset(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/csv; charset=iso-8859-1", "application/json; charset=utf-16", "text/plain; charset=windows-1252"} {
		require.Contains(t, fileError(t, "bib\n1\n", contentType).Message, "utf-8")
	}
	for _, contentType := range []string{"text/csv; charset=UTF-8", "text/csv;charset=\"utf-8\"; header=present", "text/csv; charset=us-ascii"} {
		_, err := imports.Results(strings.NewReader("bib\n1\n"), contentType, 0)
		require.NoError(t, err)
	}
}

// TestReaderErrorsPassThrough lets the caller see its own limit on the body.
func TestReaderErrorsPassThrough(t *testing.T) {
	t.Parallel()
	errLimit := errors.New("body too large")
	for _, file := range []string{
		"bib\n1\n", "bib\n1\n\"", `[{"bib":"1"}`, `[{"bib":`, `{"items":[[`,
		"bib\n" + strings.Repeat("1\n", 50_000), "[" + strings.Repeat(`{"bib":"1"},`, 20_000),
	} {
		body := io.MultiReader(strings.NewReader(file), iotest.ErrReader(errLimit))
		_, err := imports.Results(body, "", 0)
		require.ErrorIs(t, err, errLimit)
	}
}
