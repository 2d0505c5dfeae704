package imports_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

var fuzzSeeds = []string{
	"bib,gun_time,net_time,status\n34,2:10:22,2:10:20,OK\n035,DNF,,\n34,25:99:00,,\n",
	"\xef\xbb\xbfBib No.;Clock Time;\"Chip\r\nTime\"\r\n1;2:00:00;2:00:05\r\n\r\n;;\r\n",
	"name\tbib\tage\n\"A\tB\"\t1\t30\n",
	"bib,note\n1,\"never closed\n2,x\n",
	"bib\n1,2\n",
	"bib,name\n1,Andr\xe9\n",
	"\"bib\"\"\",x\n",
	"\r\n\r\n",
	`[{"bib":"1","gun_time":"2:00:00"},{"bib":"01"},7,[],{"x":{}}]`,
	`{"items":[{"bib":"1","sex":"F","age":36}]}`,
	`{"items":[{"bib":"1"}`,
}

// FuzzCSV holds for any file: no panic, every data row is either good or
// listed, and what is good can be recorded.
func FuzzCSV(f *testing.F) { fuzzResults(f, "text/csv") }

// FuzzAnyFormat is FuzzCSV with the format left to be found out.
func FuzzAnyFormat(f *testing.F) { fuzzResults(f, "") }

func fuzzResults(f *testing.F, contentType string) {
	f.Helper()
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		sheet, err := imports.Results(bytes.NewReader(file), contentType, 1000)
		if requireReadable(t, err) {
			requireAccounted(t, sheet.Total, len(sheet.Rows), sheet.Errors)
			bibs := map[string]bool{}
			for _, row := range sheet.Rows {
				require.Empty(t, row.Check())
				require.False(t, bibs[race.BibKey(row.Bib)])
				bibs[race.BibKey(row.Bib)] = true
			}
		}
		entries, err := imports.StartList(bytes.NewReader(file), contentType, 1000)
		if requireReadable(t, err) {
			requireAccounted(t, entries.Total, len(entries.Rows), entries.Errors)
		}
	})
}

// requireReadable reports whether a file could be read, and allows the errors
// that say why not.
func requireReadable(t *testing.T, err error) bool {
	t.Helper()
	var broken *imports.FileError
	var tooMany *imports.TooManyRowsError
	require.True(t, err == nil || errors.As(err, &broken) || errors.As(err, &tooMany), "%v", err)
	return err == nil
}
