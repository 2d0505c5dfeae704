package imports_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func results(t *testing.T, file string) *imports.Sheet[race.ResultRow] {
	t.Helper()
	sheet, err := imports.Results(strings.NewReader(file), "", 0)
	require.NoError(t, err, file)
	requireAccounted(t, sheet.Total, len(sheet.Rows), sheet.Errors)
	return sheet
}

func startList(t *testing.T, file string) *imports.Sheet[imports.StartListRow] {
	t.Helper()
	sheet, err := imports.StartList(strings.NewReader(file), "", 0)
	require.NoError(t, err, file)
	requireAccounted(t, sheet.Total, len(sheet.Rows), sheet.Errors)
	return sheet
}

// requireAccounted checks that every data row is either good or listed.
func requireAccounted(t *testing.T, total, good int, wrong []imports.RowError) {
	t.Helper()
	bad := map[int]bool{}
	last := 0
	for _, e := range wrong {
		require.GreaterOrEqual(t, e.Row, last, "errors come in the order of the rows")
		require.NotEmpty(t, e.Message)
		last = e.Row
		bad[e.Row] = true
	}
	require.Equal(t, total, good+len(bad))
}

func fileError(t *testing.T, file, contentType string) *imports.FileError {
	t.Helper()
	_, err := imports.Results(strings.NewReader(file), contentType, 0)
	var broken *imports.FileError
	require.ErrorAs(t, err, &broken, file)
	require.NotEmpty(t, broken.Message)
	return broken
}

func clock(t *testing.T, s string) race.Time {
	t.Helper()
	parsed, err := race.ParseTime(s)
	require.NoError(t, err)
	return parsed
}

// wrong makes a list of "row field" out of the errors.
func wrong(t *testing.T, file string) []imports.RowError {
	t.Helper()
	errs := results(t, file).Errors
	for i := range errs {
		errs[i].Message = ""
	}
	return errs
}
