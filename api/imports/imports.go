// Package imports reads the files that organizers upload, start lists and
// results as CSV or JSON, into rows. It only parses: what a row means for a
// race is up to the caller.
//
// CSV is read by encoding/csv and a layout of our own. The struct-tag decoders know
// one name per column and stop at the first bad cell of a row; organizers' files
// have many names for the same column, and organizers need to see all mistakes at
// once.
package imports

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// DefaultMaxRows is how many data rows a file may have when the caller sets no
// limit: the largest road races have somewhat more than 50,000 finishers.
const DefaultMaxRows = 50_000

// Sheet is what a file held; its slices are never nil. Every data row is either in
// Rows or has at least one entry in Errors, never both; Total counts all of them.
type Sheet[R any] struct {
	Rows           []R
	Errors         []RowError // in the order of the rows
	Headers        []string   // of a CSV file, as it writes them
	IgnoredColumns []IgnoredColumn
	Total          int
}

// IgnoredColumn is a CSV column that is not a known one.
type IgnoredColumn struct {
	Column string `json:"column" doc:"As the file writes it."`
	Sample string `json:"sample" doc:"Its first value."`
}

// Names returns the headers of the columns.
func Names(columns []IgnoredColumn) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Column
	}
	return names
}

// RowError is one thing that is wrong with one row.
//
// Row is the number that helps a person find it: in CSV the row as a
// spreadsheet shows it, where the header is row 1 and the first data row is
// row 2 (blank lines count, line breaks inside a cell do not); in JSON the
// place in the array, from 1.
type RowError struct {
	Row     int    `json:"row"`
	Field   string `json:"field"` // as the API names it; empty when it is the whole row
	Message string `json:"message"`
}

// FileError says why a file cannot be read at all; none of its rows was used.
type FileError struct {
	Line    int // line of text, from 1; 0 when it is about no single line
	Message string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// BrokenQuotes reports whether the quotes of a file are broken, so that nobody can say
// where its cells end.
func (e *FileError) BrokenQuotes() bool { return e.Message == brokenQuotes }

// TooManyRowsError says that a file has more than Limit data rows.
type TooManyRowsError struct{ Limit int }

func (e *TooManyRowsError) Error() string {
	return fmt.Sprintf("the file has more than %d rows", e.Limit)
}

// record is one data row before its cells are parsed.
type record struct {
	row   int
	cells [columnCount]string // trimmed; empty when absent
	wrong []race.FieldError   // what the format itself found
}

// source yields the data rows of one file. next returns io.EOF after the last,
// and otherwise what read documents.
type source interface {
	next(rec *record) error
	titles() []string
	ignored() []IgnoredColumn
}

// read collects the rows of a file. Its errors are a *FileError, a
// *TooManyRowsError, or what the reader returned.
func read[R any](r io.Reader, contentType string, maxRows int, wanted columnSet,
	convert func(*record) (R, []race.FieldError),
) (*Sheet[R], error) {
	if maxRows <= 0 {
		maxRows = DefaultMaxRows
	}
	src, err := open(r, contentType, wanted)
	if err != nil {
		return nil, err
	}
	collected := collector[R]{errors: []RowError{}, bibs: newDuplicates(), logins: newDuplicates()}
	for {
		var rec record
		err := src.next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if collected.total == maxRows {
			return nil, &TooManyRowsError{Limit: maxRows}
		}
		row, wrong := convert(&rec)
		collected.add(&rec, row, append(rec.wrong, wrong...))
	}
	if collected.total == 0 {
		return nil, &FileError{Message: "the file has no rows"}
	}
	sheet := collected.sheet()
	sheet.Headers, sheet.IgnoredColumns = src.titles(), src.ignored()
	return sheet, nil
}

// collector gathers the rows of a file and what is wrong with them.
type collector[R any] struct {
	total        int
	good         []numbered[R]
	errors       []RowError
	bibs, logins duplicates
}

type numbered[R any] struct {
	number int
	row    R
}

func (c *collector[R]) add(rec *record, row R, wrong []race.FieldError) {
	c.total++
	if bib := rec.cells[bibColumn]; race.CheckBib(bib) == nil {
		c.bibs.add(race.BibKey(bib), rec.row)
	}
	if login := rec.cells[loginIDColumn]; login != "" {
		c.logins.add(loginKey(login), rec.row)
	}
	if len(wrong) == 0 {
		c.good = append(c.good, numbered[R]{rec.row, row})
		return
	}
	for _, w := range firstOfEachField(wrong) {
		c.errors = append(c.errors, RowError{Row: rec.row, Field: w.Field, Message: w.Message})
	}
}

// firstOfEachField drops errors that only follow from an earlier one: a bib of the
// wrong type is not also missing, and an item that is not a row has no fields.
func firstOfEachField(wrong []race.FieldError) []race.FieldError {
	var first []race.FieldError
	for _, w := range wrong {
		if !slices.ContainsFunc(first, func(f race.FieldError) bool { return f.Field == w.Field || f.Field == "" }) {
			first = append(first, w)
		}
	}
	return first
}

// sheet returns what was gathered. If several rows name the same bib or account,
// all of them are errors, since nobody knows which one is right.
func (c *collector[R]) sheet() *Sheet[R] {
	out := &Sheet[R]{Total: c.total, Rows: make([]R, 0, len(c.good))}
	c.errors = append(c.errors, c.bibs.rowErrors(bibColumn)...)
	c.errors = append(c.errors, c.logins.rowErrors(loginIDColumn)...)
	slices.SortStableFunc(c.errors, func(a, b RowError) int { return cmp.Compare(a.Row, b.Row) })
	out.Errors = c.errors
	for _, g := range c.good {
		if !c.bibs.has(g.number) && !c.logins.has(g.number) {
			out.Rows = append(out.Rows, g.row)
		}
	}
	return out
}

// sniffSize is how many bytes of a file are read to detect its format and
// delimiter.
const sniffSize = 64 << 10

var byteOrderMark = []byte("\xef\xbb\xbf")

// open detects the format of a file: from the content type or, if that says
// nothing, from its first character.
func open(r io.Reader, contentType string, wanted columnSet) (source, error) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = ""
	}
	charset := strings.ToLower(params["charset"])
	if charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return nil, &FileError{Message: "the charset must be utf-8"}
	}
	text := bufio.NewReaderSize(&textReader{src: r, line: 1}, sniffSize)
	start, err := text.Peek(sniffSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(start, byteOrderMark) {
		if _, err := text.Discard(len(byteOrderMark)); err != nil {
			return nil, err
		}
		start = start[len(byteOrderMark):]
	}
	switch mediaType {
	case "text/csv":
		return openCSV(text, start, wanted)
	case "application/json":
		return openJSON(text, wanted)
	}
	if first := bytes.TrimSpace(start); len(first) > 0 && (first[0] == '[' || first[0] == '{') {
		return openJSON(text, wanted)
	}
	return openCSV(text, start, wanted)
}

// Problem returns the answer to a file that could not be read, for an error of
// StartList or Results.
func Problem(err error) error {
	var (
		file    *FileError
		tooMany *TooManyRowsError
	)
	switch {
	case errors.As(err, &tooMany):
		return huma.NewError(http.StatusRequestEntityTooLarge, tooMany.Error()+": split it")
	case errors.As(err, &file):
		return huma.Error422UnprocessableEntity("the file cannot be read",
			&huma.ErrorDetail{Location: "body", Message: file.Error()})
	}
	return fmt.Errorf("read the file: %w", err)
}
