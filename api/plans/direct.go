package plans

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

// The calls that plan and apply in one take plain CSV and JSON as they always did: a
// - clears a value, and an empty cell leaves it. A file that is not plain is read like
// one to plan, where a - says that no time was taken.

// Results reads the results of a file in any format. The error is the answer to the
// caller.
func Results(r race.Race, name, contentType string, data []byte) (*imports.Sheet[race.ResultRow], error) {
	sheet, err := imports.Results(bytes.NewReader(data), contentType, imports.DefaultMaxRows)
	if err == nil && !missesResults(sheet) {
		return sheet, nil
	}
	read := readOther(r, data, err, Options{Name: name, Kind: "results"})
	if read == nil {
		return sheet, problemOf(err)
	}
	return sheetOf(read, read.results), nil
}

// StartList reads the start list of a file in any format. The error is the answer to
// the caller.
func StartList(r race.Race, name, contentType string, data []byte) (*imports.Sheet[imports.StartListRow], error) {
	sheet, err := imports.StartList(bytes.NewReader(data), contentType, imports.DefaultMaxRows)
	if err == nil {
		return sheet, nil
	}
	read := readOther(r, data, err, Options{Name: name, Kind: "startlist"})
	if read == nil || !read.file.HasStartList {
		return nil, problemOf(err)
	}
	return sheetOf(read, read.entries), nil
}

func problemOf(err error) error {
	if err == nil {
		return nil
	}
	return imports.Problem(err)
}

// missesResults reports whether plain CSV has no column of results, or ignores one
// that may hold a time or a status.
func missesResults(sheet *imports.Sheet[race.ResultRow]) bool {
	if len(sheet.Headers) == 0 { // JSON
		return false
	}
	return slices.ContainsFunc(sheet.IgnoredColumns, func(c imports.IgnoredColumn) bool {
		switch meaning, _ := racefile.MeaningOf(c.Column); meaning {
		case racefile.TimeColumn, racefile.GunTimeColumn, racefile.NetTimeColumn, racefile.StatusColumn, racefile.RemarksColumn:
			return true
		default:
			return false
		}
	})
}

// readOther reads a file that is not plain; nil if that gives no rows either, or leaves
// a question that only a plan can ask.
func readOther(r race.Race, data []byte, plain error, options Options) *reading {
	start := strings.TrimSpace(string(data[:min(len(data), 64)]))
	if unreadable, ok := errors.AsType[*imports.FileError](plain); plain != nil && (!ok || unreadable.BrokenQuotes() && namesBibs(data)) {
		return nil
	}
	if strings.HasPrefix(start, "[") || strings.HasPrefix(start, "{") {
		return nil // JSON
	}
	file, err := parse(r, data, options)
	if err != nil {
		return nil
	}
	read, err := newReading(r, file, options)
	if err != nil || len(read.results)+len(read.entries) == 0 || read.undecidedEvent() {
		return nil
	}
	return read
}

// namesBibs reports whether the first line of a file is a header with a column of
// bibs. When such a file has broken quotes, where its cells end is anybody's guess.
func namesBibs(data []byte) bool {
	line, _, _ := bytes.Cut(data[:min(len(data), maxLine)], []byte("\n"))
	return slices.ContainsFunc(strings.FieldsFunc(string(line), func(r rune) bool { return strings.ContainsRune(",;\t\r", r) }), func(header string) bool {
		meaning, _ := racefile.MeaningOf(header)
		return meaning == racefile.BibColumn
	})
}

// maxLine is how much of a file its first line may take.
const maxLine = 16 << 10

func sheetOf[R any](read *reading, rows []R) *imports.Sheet[R] {
	sheet := &imports.Sheet[R]{Rows: append([]R{}, rows...), Errors: []imports.RowError{}, IgnoredColumns: []imports.IgnoredColumn{}, Total: len(read.rows)}
	for _, e := range read.errors {
		sheet.Errors = append(sheet.Errors, imports.RowError{Row: e.Row, Field: e.Field, Message: e.Message})
	}
	for _, c := range read.file.Columns {
		sheet.Headers = append(sheet.Headers, c.Header)
		if c.Meaning == racefile.IgnoredColumn {
			sample := ""
			if len(c.Samples) > 0 {
				sample = c.Samples[0]
			}
			sheet.IgnoredColumns = append(sheet.IgnoredColumns, imports.IgnoredColumn{Column: c.Header, Sample: sample})
		}
	}
	return sheet
}
