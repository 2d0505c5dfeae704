package racefile

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
	"golang.org/x/net/html/charset"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Workbooks

const (
	// unpackFactor is how much larger than MaxBytes a workbook may unpack.
	unpackFactor = 4
	// maxColumns bounds a row: a cell in column XFD makes one of 16,384 cells.
	maxColumns = 500
	// maxBlankRows bounds the empty rows between two filled ones.
	maxBlankRows = 10_000
	maxSheets    = 200
)

// readWorkbook reads the sheets that have a header. Cells are taken as stored,
// not as displayed: hh:mm:ss shows 26:03:04 as 02:03:04.
func (b *builder) readWorkbook(data []byte) error {
	b.file.Container = "xlsx"
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return &FileError{"the workbook is damaged"}
	}
	if !slices.ContainsFunc(archive.File, func(f *zip.File) bool { return strings.EqualFold(f.Name, "[Content_Types].xml") }) {
		return &FileError{"this is an archive and no workbook: send the file in it"}
	}
	limit := int64(b.options.MaxBytes) * unpackFactor
	book, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: limit, UnzipXMLSizeLimit: limit,
	})
	if err != nil {
		return &FileError{"the workbook cannot be read: it is damaged, locked by a password, or unpacks to too much"}
	}
	defer func() { _ = book.Close() }() // the book is in memory
	if props, err := book.GetWorkbookProps(); err == nil && props.Date1904 != nil {
		b.epoch1904 = *props.Date1904
	}
	return b.readSheets(book)
}

func (b *builder) readSheets(book *excelize.File) error {
	sheets := book.GetSheetList()
	if len(sheets) > maxSheets {
		return &FileError{fmt.Sprintf("the workbook has more than %d sheets", maxSheets)}
	}
	type found struct {
		name  string
		lines []line
		score int
	}
	var tables []found
	best := 0
	for _, name := range sheets {
		lines, err := b.sheetLines(book, name)
		if err != nil {
			return err
		}
		_, score := findHeader(lines, b.options.Mapping)
		if strings.HasPrefix(name, "--") { // settings of CrossMgr
			score = 0
		}
		best = max(best, score)
		tables = append(tables, found{name, lines, score})
	}
	if best == 0 {
		return errNoHeader
	}
	used := 0
	for _, t := range tables {
		if t.score > 0 && t.score*2 >= best {
			used++
		}
	}
	for _, t := range tables {
		if t.score == 0 || t.score*2 < best {
			for _, l := range t.lines {
				b.skip(t.name, l.number, "other sheet")
			}
			continue
		}
		first := len(b.raws)
		if err := b.readTable(t.name, t.lines); err != nil {
			return err
		}
		b.nameSheet(t.name, first, used > 1)
	}
	return nil
}

var (
	plainSheet = regexp.MustCompile(`(?i)^(sheet|tabelle|feuil|feuille|hoja|foglio|시트|results?|ergebnis(se)?|data|registration|entries|participants|startlist|start list|export|기록.*|참가.*|명단)\s*\d*$`)
	raceSheet  = regexp.MustCompile(`(?i)\d\s*(k|km|m|mi|miles?)\b|marathon|half|halb|semi|mezza|maratona|풀|하프|ultra`)
)

// nameSheet makes the name of a sheet the division, or the race, of its rows
// when the rows state none themselves.
func (b *builder) nameSheet(name string, first int, several bool) {
	sex := sexOfDivision(name)
	if plainSheet.MatchString(name) || !several && sex == "" && !strings.Contains(strings.Join(b.signs, " "), "CrossMgr") {
		return
	}
	meaning := DivisionColumn
	if sex == "" && raceSheet.MatchString(name) {
		meaning = EventColumn
	}
	for i := first; i < len(b.raws); i++ {
		r := &b.raws[i]
		if r.cells[meaning] == "" && r.group == "" {
			r.cells[meaning] = name
		}
		if r.groupSex == "" {
			r.groupSex = sex
		}
	}
}

func (b *builder) sheetLines(book *excelize.File, name string) ([]line, error) {
	rows, err := book.Rows(name)
	if err != nil {
		return nil, nil // a chart sheet has no rows
	}
	defer func() { _ = rows.Close() }() // nothing was written
	var lines []line
	blank := 0
	for number := 1; rows.Next(); number++ {
		cells, err := rows.Columns()
		if err != nil {
			return nil, &FileError{fmt.Sprintf("row %d of a sheet is damaged", number)}
		}
		for i := range cells {
			cells[i] = cleanCell(cells[i])
		}
		cells = trimCells(cells)
		if len(cells) > maxColumns {
			return nil, &FileError{fmt.Sprintf("a row of the workbook has more than %d columns", maxColumns)}
		}
		if len(cells) == 0 {
			blank++
			if blank > maxBlankRows {
				break
			}
			continue
		}
		for ; blank > 0; blank-- {
			lines = append(lines, line{number: number - blank})
		}
		lines = append(lines, line{number, slices.Clone(cells)})
		if len(lines) > b.options.MaxRows+2*maxBlankRows {
			return nil, &TooManyRowsError{Limit: b.options.MaxRows}
		}
	}
	return lines, nil
}

// XML

type iofPerson struct {
	Sex  string `xml:"sex,attr"`
	Name struct {
		Family string
		Given  string
	}
	BirthDate string
}

type iofResult struct {
	BibNumber string
	Time      string
	Position  string
	Status    string
	Splits    []struct {
		ControlCode string
		Time        string
	} `xml:"SplitTime"`
}

type iofEntry struct {
	Person       iofPerson
	Organisation struct{ Name string }
	Results      []iofResult `xml:"Result"`
	Starts       []iofResult `xml:"Start"`
	BibNumber    string
}

type iofClass struct {
	Sex  string `xml:"sex,attr"`
	Name string
}

// readXML reads an IOF XML 3.0 list of results or starts. Entities other than
// those of XML itself are refused: they are how a small file expands to a huge
// one.
func (b *builder) readXML(data []byte, text, start string) error {
	if lower := strings.ToLower(start); strings.HasPrefix(lower, "<!doctype html") || strings.Contains(lower, "<html") || strings.HasPrefix(lower, "<table") {
		return &FileError{"this is a web page, whatever its name says: save it as .xlsx or as CSV"}
	}
	if strings.Contains(asciiLower(text), "<!entity") {
		return &FileError{"the XML declares entities, which are not read"}
	}
	b.file.Container = "xml"
	b.file.LineEnds = lineEnds(text)
	source := io.Reader(strings.NewReader(text))
	decoder := xml.NewDecoder(source)
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	if !b.file.BOM && !strings.HasPrefix(b.file.Encoding, "utf-16") {
		// The declaration knows the encoding better than a look at the bytes.
		decoder = xml.NewDecoder(bytes.NewReader(data))
		decoder.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
			b.file.Encoding = strings.ToLower(label)
			return charset.NewReaderLabel(label, input)
		}
	}
	if err := b.readIOF(decoder); err != nil {
		if isFileError(err) {
			return err
		}
		if tooMany, is := errors.AsType[*TooManyRowsError](err); is {
			return tooMany
		}
		return &FileError{"the XML is broken or in an encoding that is not read"}
	}
	if b.file.Format == "" {
		return &FileError{"this XML is not IOF XML 3.0, the only kind that is read: export CSV or .xlsx"}
	}
	return nil
}

func (b *builder) readIOF(decoder *xml.Decoder) error {
	var class iofClass
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		element, is := token.(xml.StartElement)
		if !is {
			continue
		}
		switch element.Name.Local {
		case "ResultList":
			b.file.Format, b.file.Kind, b.noKind = "iof_xml_results", Results, true
		case "StartList", "EntryList":
			b.file.Format, b.file.Kind, b.noKind = "iof_xml_startlist", StartList, true
		case "ClassResult", "ClassStart", "Event":
			class = iofClass{}
		case "Class":
			if err := decoder.DecodeElement(&class, &element); err != nil {
				return err
			}
		case "PersonResult", "PersonStart", "PersonEntry", "TeamMemberResult", "TeamMemberStart":
			row, _ := decoder.InputPos()
			var entry iofEntry
			if err := decoder.DecodeElement(&entry, &element); err != nil {
				return err
			}
			if b.file.Format == "" {
				continue
			}
			if err := b.add(iofRow(row, entry, class)); err != nil {
				return err
			}
		}
	}
}

func iofRow(row int, entry iofEntry, class iofClass) raw {
	result := iofResult{}
	switch {
	case len(entry.Results) > 0:
		result = entry.Results[0]
	case len(entry.Starts) > 0:
		result = entry.Starts[0]
	}
	if result.BibNumber == "" {
		result.BibNumber = entry.BibNumber
	}
	clean := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	classSex := class.Sex
	if classSex != "" && sexOfDivision(classSex) == "" { // B is both
		classSex = ""
	}
	sex := entry.Person.Sex
	if _, known := parseSex(sex); !known {
		sex = ""
	}
	r := raw{row: row, cells: map[Meaning]string{
		BibColumn: clean(result.BibNumber), FirstNameColumn: clean(entry.Person.Name.Given), LastNameColumn: clean(entry.Person.Name.Family),
		SexColumn: sex, ClassSexColumn: classSex, BirthDateColumn: clean(entry.Person.BirthDate), DivisionColumn: clean(class.Name),
		TeamColumn: clean(entry.Organisation.Name), TimeColumn: clean(result.Time), PlaceColumn: clean(result.Position),
		StatusColumn: clean(result.Status),
	}}
	for _, split := range result.Splits {
		if split.Time != "" {
			r.splits = append(r.splits, rawSplit{clean(split.ControlCode), clean(split.Time)})
		}
	}
	return r
}

// Files without a header

var (
	lynxEvent  = regexp.MustCompile(`^\s*\d+[,;\t]\d+[,;\t]\d+[,;\t]`)
	lynxResult = regexp.MustCompile(`^(\d+|[A-Za-z]{2,3})?,[^,]*,\d*,`)
	hytekLine  = regexp.MustCompile(`^[DIEQR];`)
)

// headerless returns the reader of a file that has no header, or nil when the
// file should have one.
func (b *builder) headerless(name, text string) func(string) error {
	first, rest, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n")
	second, _, _ := strings.Cut(rest, "\n")
	entry := second != "" && strings.ContainsAny(second[:1], ",;\t ")
	switch {
	case strings.HasSuffix(name, ".lif"):
		return b.readLIF
	case strings.HasSuffix(name, ".evt"):
		return b.readEVT
	case strings.HasSuffix(name, ".ppl"):
		return b.readPPL
	case hytekLine.MatchString(first):
		return b.readHyTek
	case lynxEvent.MatchString(first) && entry:
		return b.readEVT
	case lynxEvent.MatchString(first) && strings.Count(first, ",") >= 8 && lynxResult.MatchString(second):
		return b.readLIF
	}
	return nil
}

func (b *builder) headless(format, container string, kind Kind, delimiter byte) {
	f := b.file
	f.Format, f.Container, f.Kind, f.Delimiter, b.noKind = format, container, kind, string(delimiter), true
}

// likeliest returns the delimiter that a file without a header has most of.
func likeliest(text string) byte {
	best := byte(',')
	for _, delimiter := range []byte{'\t', ';'} {
		if strings.Count(text, string(delimiter)) > strings.Count(text, string(best)) {
			best = delimiter
		}
	}
	return best
}

func cellAt(cells []string, place int) string {
	if place < len(cells) {
		return cells[place]
	}
	return ""
}

// readLIF reads results: place, ID, lane, last, first, affiliation, time,
// license, delta, reaction, splits. The first line is the event.
func (b *builder) readLIF(text string) error {
	delimiter := likeliest(text)
	b.headless("finishlynx_lif", "finishlynx", Results, delimiter)
	lines, err := b.split(text, delimiter)
	if err != nil {
		return err
	}
	for i, l := range lines {
		switch {
		case len(l.cells) == 0:
			b.skip("", l.number, "blank")
			continue
		case i == 0:
			b.skip("", l.number, "event")
			continue
		}
		r := raw{row: l.number, cells: map[Meaning]string{
			PlaceColumn: cellAt(l.cells, 0), BibColumn: cellAt(l.cells, 1), LastNameColumn: cellAt(l.cells, 3),
			FirstNameColumn: cellAt(l.cells, 4), TeamColumn: cellAt(l.cells, 5), GunTimeColumn: cellAt(l.cells, 6),
		}}
		if len(l.cells) > 10 {
			r.splits = lynxSplits(l.cells[10:])
		}
		if err := b.add(r); err != nil {
			return err
		}
	}
	return nil
}

// lynxSplits reads times since the start, each with that of the lap in brackets:
// 35:12.000 (35:12.000),1:15:01.300 (39:49.300).
func lynxSplits(cells []string) []rawSplit {
	var splits []rawSplit
	for _, cell := range cells {
		for part := range strings.SplitSeq(cell, ",") {
			since, _, _ := strings.Cut(part, "(")
			if since = strings.TrimSpace(since); since != "" && looksLikeTime(since, false) {
				splits = append(splits, rawSplit{fmt.Sprint(len(splits) + 1), since})
			}
		}
	}
	return splits
}

// readEVT reads start lists: a line for each event, and lines that begin with an
// empty cell for its athletes: ID, lane, last, first, affiliation.
func (b *builder) readEVT(text string) error {
	delimiter := likeliest(text)
	b.headless("finishlynx_evt", "finishlynx", StartList, delimiter)
	event := ""
	starts := strings.Split(text, "\n")
	lines, err := b.split(text, delimiter)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if len(l.cells) == 0 {
			b.skip("", l.number, "blank")
			continue
		}
		cells := l.cells
		indented := l.number <= len(starts) && strings.HasPrefix(starts[l.number-1], " ")
		if cells[0] != "" && !indented {
			event = cellAt(cells, 3)
			b.skip("", l.number, "event")
			continue
		}
		if cells[0] == "" {
			cells = cells[1:]
		}
		if err := b.add(raw{row: l.number, cells: map[Meaning]string{
			BibColumn: cellAt(cells, 0), LastNameColumn: cellAt(cells, 2), FirstNameColumn: cellAt(cells, 3),
			TeamColumn: cellAt(cells, 4), EventColumn: event,
		}}); err != nil {
			return err
		}
	}
	return nil
}

// readPPL reads people: ID, last, first, affiliation, license.
func (b *builder) readPPL(text string) error {
	delimiter := likeliest(text)
	b.headless("finishlynx_ppl", "finishlynx", StartList, delimiter)
	lines, err := b.split(text, delimiter)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if len(l.cells) == 0 {
			b.skip("", l.number, "blank")
			continue
		}
		if err := b.add(raw{row: l.number, cells: map[Meaning]string{
			BibColumn: cellAt(l.cells, 0), LastNameColumn: cellAt(l.cells, 1), FirstNameColumn: cellAt(l.cells, 2),
			TeamColumn: cellAt(l.cells, 3),
		}}); err != nil {
			return err
		}
	}
	return nil
}

// readHyTek reads entries (D) of a semicolon file. Information records (I)
// repeat the athletes; the mark is the seed and no result.
func (b *builder) readHyTek(text string) error {
	b.headless("hytek_semicolon", "hytek", StartList, ';')
	entered := make(map[string]bool)
	lines, err := b.split(text, ';')
	if err != nil {
		return err
	}
	for _, l := range lines {
		if len(l.cells) == 0 {
			b.skip("", l.number, "blank")
			continue
		}
		athlete := strings.Join(l.cells[1:min(len(l.cells), 6)], ";")
		record := cellAt(l.cells, 0)
		switch {
		case record == "D", record == "I" && !entered[athlete]:
			entered[athlete] = true
		case record == "I":
			b.skip("", l.number, "information record of an athlete above")
			continue
		default:
			b.skip("", l.number, "record of another kind")
			continue
		}
		cells := map[Meaning]string{
			LastNameColumn: cellAt(l.cells, 1), FirstNameColumn: cellAt(l.cells, 2), MiddleNameColumn: cellAt(l.cells, 3),
			SexColumn: cellAt(l.cells, 4), BirthDateColumn: cellAt(l.cells, 5), TeamColumn: cellAt(l.cells, 7), AgeColumn: cellAt(l.cells, 8),
		}
		if record == "D" {
			cells[EventColumn], cells[BibColumn] = cellAt(l.cells, 10), cellAt(l.cells, 14)
		}
		if err := b.add(raw{row: l.number, cells: cells}); err != nil {
			return err
		}
	}
	return nil
}

// A file with a row for each athlete and interval

var fullCourse = regexp.MustCompile(`(?i)full|finish|overall|total|ziel`)

// gatherIntervals makes one row of the rows of each athlete. The result is the
// interval that covers the course, the others are splits.
func (b *builder) gatherIntervals() {
	full := b.fullInterval()
	var (
		gathered []raw
		places   = make(map[string]int)
	)
	for _, r := range b.raws {
		interval := r.cells[intervalColumn]
		time := r.cells[NetTimeColumn]
		if noTime(time) {
			time = r.cells[GunTimeColumn]
		}
		key := strings.Join([]string{r.cells[EventColumn], r.cells[BibColumn], r.cells[FirstNameColumn], r.cells[LastNameColumn]}, "\x00")
		at, seen := places[key]
		if !seen {
			at = len(gathered)
			places[key] = at
			first := raw{sheet: r.sheet, row: r.row, cells: make(map[Meaning]string)}
			for m, cell := range r.cells {
				switch m {
				// The bracket is a listing that the row is for, and the place is within it.
				case GunTimeColumn, NetTimeColumn, TimeColumn, DivisionColumn, PlaceColumn, intervalColumn:
				default:
					first.cells[m] = cell
				}
			}
			gathered = append(gathered, first)
		}
		athlete := &gathered[at]
		if interval == full {
			athlete.cells[GunTimeColumn], athlete.cells[NetTimeColumn] = r.cells[GunTimeColumn], r.cells[NetTimeColumn]
			continue
		}
		if !slices.ContainsFunc(athlete.splits, func(s rawSplit) bool { return s.name == interval }) {
			athlete.splits = append(athlete.splits, rawSplit{interval, time})
		}
	}
	b.raws = gathered
}

// fullInterval finds the interval that covers the course, by its name or as the
// longest.
func (b *builder) fullInterval() string {
	longest := make(map[string]race.Time)
	for _, r := range b.raws {
		interval := r.cells[intervalColumn]
		if _, seen := longest[interval]; !seen && fullCourse.MatchString(interval) {
			return interval
		}
		for _, m := range []Meaning{GunTimeColumn, NetTimeColumn} {
			if t, err := parseTime(r.cells[m], timeStyle{}); err == nil {
				longest[interval] = max(longest[interval], t)
			}
		}
	}
	best := ""
	for interval, t := range longest {
		if t > longest[best] {
			best = interval
		}
	}
	return best
}
