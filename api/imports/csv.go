package imports

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// unused marks a header cell that is not a known column.
const unused = column(-1)

// csvSource reads a table whose first line names its columns.
type csvSource struct {
	reader  *csv.Reader
	columns []column // by position; unused where the column is unknown
	headers []string
	unknown []IgnoredColumn
	places  []int // of the unknown columns
	breaks  int   // line breaks inside cells so far
}

// openCSV reads the header. start is a preview of the beginning of the file, which
// r still yields.
func openCSV(r io.Reader, start []byte, wanted columnSet) (*csvSource, error) {
	s := &csvSource{reader: csv.NewReader(r), unknown: []IgnoredColumn{}}
	s.reader.Comma = sniffDelimiter(start)
	s.reader.FieldsPerRecord = -1
	s.reader.ReuseRecord = true
	// With tabs as delimiters, the reader would take empty cells for leading space.
	s.reader.TrimLeadingSpace = s.reader.Comma != '\t'
	header, line, _, err := s.cells()
	if errors.Is(err, io.EOF) {
		return nil, &FileError{Message: "the file is empty"}
	}
	if err != nil {
		return nil, err
	}
	if problem := s.lay(header, wanted); problem != "" {
		return nil, &FileError{Line: line, Message: problem}
	}
	return s, nil
}

// sniffDelimiter returns the delimiter of the header: comma, semicolon or tab,
// whichever is most frequent outside quotes.
func sniffDelimiter(start []byte) rune {
	header, _, _ := bytes.Cut(bytes.TrimLeft(start, "\r\n"), []byte("\n"))
	counts := make(map[byte]int)
	quoted := false
	for _, b := range header {
		if b == '"' {
			quoted = !quoted
		}
		if !quoted {
			counts[b]++
		}
	}
	best := byte(',')
	for _, delimiter := range []byte{';', '\t'} {
		if counts[delimiter] > counts[best] {
			best = delimiter
		}
	}
	return rune(best)
}

// lay assigns a column to each position of the header, or returns what is wrong.
func (s *csvSource) lay(header []string, wanted columnSet) (problem string) {
	var taken given
	results := "" // a column that only results have
	for i, title := range header {
		c, known := findColumn(title)
		switch {
		case !known && strings.TrimSpace(title) == "":
			title = fmt.Sprintf("(column %d)", i+1)
			s.ignore(i, title)
			c = unused
		case !known:
			s.ignore(i, strings.TrimSpace(title))
			c = unused
		case !wanted.has(c):
			if resultColumns.has(c) {
				results = strings.TrimSpace(title)
			}
			c = unused
		default:
			if conflict := taken.add(c, strings.TrimSpace(title)); conflict != "" {
				return "the columns " + conflict
			}
		}
		s.columns = append(s.columns, c)
		s.headers = append(s.headers, strings.TrimSpace(title))
	}
	if results != "" && taken.isResults(wanted) {
		return notAStartList(results)
	}
	if taken[bibColumn] == "" {
		return "there is no column for the bib; the header must have one of " +
			strings.Join(columnNames[bibColumn], ", ") + "; it has " + quoted(s.headers)
	}
	return ""
}

// textOf strips the apostrophe by which our exports keep a spreadsheet from running
// a cell as a formula, so that an exported file can be imported unchanged.
func textOf(cell string) string {
	text, quoted := strings.CutPrefix(cell, "'")
	if first := strings.TrimSpace(text); quoted && first != "" && strings.ContainsAny(first[:1], "=+-@") {
		return text
	}
	return cell
}

func (s *csvSource) ignore(place int, title string) {
	s.unknown = append(s.unknown, IgnoredColumn{Column: title})
	s.places = append(s.places, place)
}

func (s *csvSource) titles() []string { return s.headers }

func (s *csvSource) ignored() []IgnoredColumn { return s.unknown }

func (s *csvSource) next(rec *record) error {
	cells, line, row, err := s.cells()
	if err != nil {
		return err
	}
	if len(cells) > len(s.columns) {
		return &FileError{Line: line, Message: "the row has more cells than the header"}
	}
	rec.row = row
	for i, cell := range cells {
		if c := s.columns[i]; c != unused {
			rec.cells[c] = textOf(strings.TrimSpace(cell))
		}
	}
	for i, place := range s.places {
		if sample := &s.unknown[i].Sample; *sample == "" && place < len(cells) {
			*sample = sampleOf(cells[place])
		}
	}
	return nil
}

// maxSample is how many characters of a cell are shown as a sample.
const maxSample = 40

func sampleOf(cell string) string {
	sample := []rune(strings.TrimSpace(cell))
	return string(sample[:min(len(sample), maxSample)])
}

// quoted lists titles for a person to read, at most the first 30.
func quoted(titles []string) string {
	list := make([]string, 0, len(titles))
	for _, title := range titles[:min(len(titles), 30)] {
		list = append(list, strconv.Quote(sampleOf(title)))
	}
	return strings.Join(list, ", ")
}

// cells returns the next row that is not blank, without the empty cells at its
// end, with the line of text that it begins on and its number in a spreadsheet.
func (s *csvSource) cells() (cells []string, line, row int, err error) {
	for {
		cells, err = s.reader.Read()
		if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			return nil, 0, 0, &FileError{Line: broken.StartLine, Message: brokenQuotes}
		}
		if err != nil {
			return nil, 0, 0, err
		}
		line, _ = s.reader.FieldPos(0)
		row = line - s.breaks
		for _, cell := range cells {
			s.breaks += strings.Count(cell, "\n")
		}
		for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
			cells = cells[:len(cells)-1]
		}
		if len(cells) > 0 {
			return cells, line, row, nil
		}
	}
}

const brokenQuotes = `the quotes are broken: a cell with quotes in it is written between quotes, and each quote inside twice ("")`
