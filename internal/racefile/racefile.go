// Package racefile reads the start lists and results that timing and
// registration software exports: delimited and fixed-width text, workbooks, IOF
// XML, FinishLynx and HY-TEK files. It recognises the encoding, the container,
// the format and what each column means, and returns the rows with everything
// that is wrong with them. What a row means for a race is up to the caller.
//
// Nothing is guessed row by row. What one row leaves open (the order of day and
// month, whether 46.51 is minutes, which numbers stand for which status) is
// decided by its whole column; what the column leaves open is a Question, and an
// error of the rows that depend on it.
package racefile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Limits that apply when Options sets none.
const (
	DefaultMaxRows  = 50_000
	DefaultMaxBytes = 64 << 20
)

// Kind is what a file holds.
type Kind string

// The kinds of file. Results that name their runners hold a start list as well;
// File.HasStartList says so.
const (
	StartList Kind = "start_list"
	Results   Kind = "results"
)

// Options says what the caller knows about a file. The zero value is usable.
type Options struct {
	MaxRows  int       // data rows; 0: DefaultMaxRows
	MaxBytes int       // of the file, and four times that of what it unpacks to; 0: DefaultMaxBytes
	RaceDate race.Date // decides two-digit years; zero: today
	// Mapping overrides what columns mean, by header, whatever its case.
	// IgnoredColumn ignores one.
	Mapping map[string]Meaning
	// DateOrder answers the question about dates such as 03/02/1995: "dmy" or
	// "mdy". Empty: the column decides.
	DateOrder string
}

// File is what was read.
type File struct {
	Format       string // such as "raceresult_results"; "generic_csv" and "generic_xlsx" when no program is recognised
	Kind         Kind
	HasStartList bool   // the rows hold names, which a start list can be made of
	Container    string // delimited, fixed, xlsx, xml, finishlynx or hytek
	Encoding     string // utf-8, utf-16-le, utf-16-be, windows-1252 or cp949; empty for workbooks
	BOM          bool
	Delimiter    string // empty when the container has none
	LineEnds     string // LF, CRLF, CR or CRCRLF
	HeaderRow    int    // 0: the format has none
	Columns      []Column
	Rows         []Row
	Errors       []RowError // in the order of the file
	Skipped      []Skipped  // at most maxSkipped
	Events       []string   // the races that the rows name, in the order of the file
	Questions    []Question
}

// Column is one column of the file and what it was taken for.
type Column struct {
	Sheet   string   `json:"sheet,omitempty"`
	Header  string   `json:"header"`
	Meaning Meaning  `json:"meaning"`
	Samples []string `json:"samples"` // up to three different values
}

// Row is one entry or result. The zero value of a field means that the file does
// not say.
type Row struct {
	Sheet     string
	Row       int // as a spreadsheet numbers it; in XML the line
	Bib       string
	Name      string // first name, then last name, where the file says which is which
	FirstName string // with the middle name; empty when the file does not tell the parts apart
	LastName  string
	Sex       race.Sex
	Age       int // on race day; race.UnknownAge
	BirthDate race.Date
	BirthYear int // when only the year is known
	Gun       race.Time
	Net       race.Time
	Time      race.Time // in place of Gun and Net when the file does not say which clock it shows
	Status    race.ResultStatus
	Implied   bool   // the status is OK because the row has a time and names none
	Place     string // as written
	Team      string
	Division  string
	Event     string
	Field     race.Field // empty unless the file states one
	LoginID   string
	Sequence  string
	Splits    []Split
	Unranked  bool   // finished outside of the ranking
	Undecided string // why another reading is possible
}

// Split is a time at a point of the course or of a lap: the file does not say
// which.
type Split struct {
	Name string
	Time race.Time
}

// RowError is one thing that is wrong with one row. Message holds no value of
// the row, so that equal errors can be grouped.
type RowError struct {
	Sheet   string `json:"sheet,omitempty"`
	Row     int    `json:"row"`
	Field   string `json:"field"` // empty when it is the whole row
	Message string `json:"message"`
	Value   string `json:"value,omitempty"` // the cell, shortened
	Bib     string `json:"bib,omitempty"`
}

// Skipped is a row that is neither an entry nor a result.
type Skipped struct {
	Sheet string `json:"sheet,omitempty"`
	Row   int    `json:"row"`
	Why   string `json:"why"`
}

// Question is something that only the organizer knows.
type Question struct {
	Column  string   `json:"column"`
	Message string   `json:"message"`
	Option  string   `json:"option"` // the setting that answers it
	Answers []string `json:"answers"`
}

// FileError says why nothing of a file could be read.
type FileError struct{ Message string }

func (e *FileError) Error() string { return e.Message }

// TooManyRowsError says that a file has more than Limit data rows.
type TooManyRowsError struct{ Limit int }

func (e *TooManyRowsError) Error() string {
	return fmt.Sprintf("the file has more than %d rows", e.Limit)
}

// ErrorGroup is the errors of a file that say the same.
type ErrorGroup struct {
	Sheet   string `json:"sheet,omitempty"`
	Field   string `json:"field"`
	Message string `json:"message"`
	Count   int    `json:"count"`
	Rows    []int  `json:"rows"` // the first ten
}

// GroupErrors gathers equal errors, the most frequent first.
func GroupErrors(rowErrors []RowError) []ErrorGroup {
	const shownRows = 10
	type key struct{ sheet, field, message string }
	places := make(map[key]int)
	groups := []ErrorGroup{}
	for _, e := range rowErrors {
		k := key{e.Sheet, e.Field, e.Message}
		i, seen := places[k]
		if !seen {
			i = len(groups)
			places[k] = i
			groups = append(groups, ErrorGroup{Sheet: e.Sheet, Field: e.Field, Message: e.Message})
		}
		groups[i].Count++
		if len(groups[i].Rows) < shownRows {
			groups[i].Rows = append(groups[i].Rows, e.Row)
		}
	}
	slices.SortStableFunc(groups, func(a, b ErrorGroup) int { return cmp.Compare(b.Count, a.Count) })
	return groups
}

// maxSkipped is how many skipped rows are listed: a web page after the data, or
// a sheet formatted down to its end, has more of them than anybody reads.
const maxSkipped = 1000

// Read reads a file. Its name may be empty; FinishLynx files have no header and
// are best recognised by it. An error is a *FileError, a *TooManyRowsError, or what r
// returned.
func Read(name string, r io.Reader, options Options) (*File, error) {
	if options.MaxRows <= 0 {
		options.MaxRows = DefaultMaxRows
	}
	if options.MaxBytes <= 0 {
		options.MaxBytes = DefaultMaxBytes
	}
	if options.RaceDate.IsZero() {
		options.RaceDate = race.DateOf(time.Now())
	}
	if order := options.DateOrder; order != "" && order != "dmy" && order != "mdy" {
		return nil, &FileError{`the order of dates must be "dmy" or "mdy"`}
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(options.MaxBytes)+1))
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if len(data) > options.MaxBytes {
		return nil, &FileError{fmt.Sprintf("the file is larger than %d bytes", options.MaxBytes)}
	}
	mapping := make(map[string]Meaning, len(options.Mapping))
	for header, meaning := range options.Mapping {
		mapping[HeaderKey(header)] = meaning
	}
	options.Mapping = mapping
	b := &builder{options: options, file: &File{}}
	if err := b.read(strings.ToLower(name), data); err != nil {
		return nil, err
	}
	return b.finish()
}

var oldWorkbook = []byte{0xD0, 0xCF, 0x11, 0xE0}

// isPicture reports whether data begins as a JPEG, PNG or GIF, or as a photo of a phone
// (HEIC).
func isPicture(data []byte) bool {
	for _, start := range []string{"\xFF\xD8\xFF", "\x89PNG", "GIF8"} {
		if bytes.HasPrefix(data, []byte(start)) {
			return true
		}
	}
	return len(data) > 12 && string(data[4:8]) == "ftyp"
}

// read finds the container and collects the rows of the file.
func (b *builder) read(name string, data []byte) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return &FileError{"the file is empty"}
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return b.readWorkbook(data)
	case bytes.HasPrefix(data, []byte("%PDF-")):
		return &FileError{"this is a PDF, which holds no table that can be read for certain: export the results as .xlsx or CSV"}
	case isPicture(data):
		return &FileError{"this is a picture: send the file that the timing software exports, .xlsx or CSV"}
	case bytes.HasPrefix(data, oldWorkbook):
		return &FileError{"this is an old Excel workbook (.xls): save it as .xlsx or as CSV"}
	}
	text, err := b.decode(data)
	if err != nil {
		return err
	}
	if start := strings.TrimSpace(text[:min(len(text), 512)]); strings.HasPrefix(start, "<") {
		return b.readXML(data, text, start)
	}
	b.file.LineEnds = lineEnds(text)
	text = normalLines(text)
	// Cells may hold line breaks, so this only keeps memory bounded.
	if strings.Count(text, "\n") > 4*(b.options.MaxRows+maxOtherLines) {
		return &TooManyRowsError{Limit: b.options.MaxRows}
	}
	if read := b.headerless(name, text); read != nil {
		return read(text)
	}
	return b.readText(text)
}

// add takes a data row, up to the limit on rows.
func (b *builder) add(r raw) error {
	if len(b.raws) >= b.options.MaxRows {
		return &TooManyRowsError{Limit: b.options.MaxRows}
	}
	b.raws = append(b.raws, r)
	return nil
}

func (b *builder) skip(sheet string, row int, why string) {
	if len(b.file.Skipped) < maxSkipped {
		b.file.Skipped = append(b.file.Skipped, Skipped{Sheet: sheet, Row: row, Why: why})
	}
}

var errNoHeader = &FileError{"no header row was found: one of the first rows must name the columns, at least two of them known, " +
	"for example Bib and Name, or Bib and Time"}

// isFileError reports whether err says what is wrong with the file itself.
func isFileError(err error) bool {
	_, ok := errors.AsType[*FileError](err)
	return ok
}
