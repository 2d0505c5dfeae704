package racefile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// raw is one data row before its cells are understood.
type raw struct {
	sheet    string
	row      int
	cells    map[Meaning]string
	splits   []rawSplit
	group    string // of the group line, or the sheet, above the row
	groupSex race.Sex
	tooMany  bool // more cells than the header
}

type rawSplit struct{ name, cell string }

// builder collects the rows of a file.
type builder struct {
	options   Options
	file      *File
	raws      []raw
	page      string // a web page after the data
	epoch1904 bool
	noKind    bool // the container has stated the kind
	repeated  bool // a header came again within a table
	signs     []string
	// strangeTimes are columns of times whose names say nothing.
	strangeTimes []string
	timesOfDay   bool // the times may be times of day
}

// readTable reads the rows of one table, in which a header may come again and
// lines between the rows may name a group.
func (b *builder) readTable(sheet string, lines []line) error {
	place, score := findHeader(lines, b.options.Mapping)
	if score == 0 {
		return errNoHeader
	}
	t := &table{b: b, sheet: sheet, lines: lines, layouts: make(map[string]*layout)}
	if err := t.header(place); err != nil {
		return err
	}
	t.titles(place)
	if b.file.HeaderRow == 0 {
		b.file.HeaderRow = lines[place].number
	}
	for i := place + 1; i < len(lines); i++ {
		if err := t.row(i); err != nil {
			return err
		}
	}
	if b.page != "" {
		number := 1
		if len(lines) > 0 {
			number = lines[len(lines)-1].number + 1
		}
		for range strings.SplitSeq(strings.TrimSuffix(b.page, "\n"), "\n") {
			b.skip(sheet, number, "html")
			number++
		}
	}
	return nil
}

type table struct {
	b           *builder
	sheet       string
	lines       []line
	layout      *layout
	layouts     map[string]*layout // by header
	group       string
	groupSex    race.Sex
	above       []string // the titles above the header
	groupRace   string   // which the group line names
	groupStatus string   // word of status that the group line is
}

// maxLayouts bounds the work for a file in which headers come again and again.
const maxLayouts = 30

func (t *table) header(place int) error {
	key := strings.Join(t.lines[place].cells, "\x00")
	if known, seen := t.layouts[key]; seen {
		t.layout = known
		return nil
	}
	if len(t.layouts) == maxLayouts {
		return &FileError{"the file has too many tables with different columns: split it"}
	}
	header := slices.Clone(t.lines[place].cells)
	for i, title := range header {
		header[i] = strings.Join(strings.Fields(title), " ")
	}
	layout, err := t.b.layOut(header, t.lines[place+1:])
	if err != nil {
		return err
	}
	t.layout, t.layouts[key] = layout, layout
	t.b.describe(t.sheet, layout, t.lines[place+1:])
	return nil
}

// titles lists what stands above the header. A line right above it may name a
// group, when headers come again under others.
func (t *table) titles(place int) {
	again := false
	for i := place + 1; i < len(t.lines) && !again; i++ {
		again = place > 0 && slices.Equal(t.lines[i].cells, t.lines[place].cells) && !slices.Equal(t.lines[i-1].cells, t.lines[place-1].cells)
	}
	for i, l := range t.lines[:place] {
		title := strings.Join(l.cells, " ")
		switch {
		case len(l.cells) == 0:
			t.b.skip(t.sheet, l.number, "blank")
			continue
		case i == place-1 && filled(l.cells) == 1 && (again || strings.HasPrefix(l.cells[0], "***")):
			t.startGroup(title)
			t.b.skip(t.sheet, l.number, "group")
			continue
		}
		t.b.signs = append(t.b.signs, title)
		t.above = append(t.above, strings.TrimSpace(title))
		if sex, known := parseSex(title); known && len(title) > 1 && t.groupSex == "" {
			t.groupSex = sex
		}
		t.b.skip(t.sheet, l.number, "title")
	}
}

// startGroup notes what a line says about the rows after it: a division, a sex, a
// race, or that they did not finish.
func (t *table) startGroup(title string) {
	t.group = strings.TrimSpace(strings.Trim(title, "*-=:# "))
	t.groupSex = sexOfDivision(t.group)
	t.groupRace = strings.Join(raceWords.FindAllString(t.group, -1), " ")
	if t.groupStatus = groupStatus(t.group); t.groupStatus != "" {
		t.group, t.groupSex = "", ""
	}
}

// raceWords are the words of a group line that name a race; others name a division.
var raceWords = regexp.MustCompile(`(?i)\b\d+([.,]\d+)?\s*(km?|mi|miles?)\b|\b(ultra|half|halb|semi|mezza)?[ -]?(marathon|maratona|maratón)\b|` +
	`\b(relay|staffel|relais|staffetta|relevos)\b|풀코스|하프`)

// groupStatus returns the word of status in a group line, as in "not in the ranking
// (DNF)".
func groupStatus(group string) string {
	if status, _, known := statusWord(group); known && status != race.Finished {
		return group
	}
	for _, word := range wordEdges.Split(group, -1) {
		switch word {
		case "DNF", "DNS", "DQ", "DSQ", "OTL":
			return word
		}
	}
	return ""
}

func filled(cells []string) int {
	n := 0
	for _, cell := range cells {
		if cell != "" {
			n++
		}
	}
	return n
}

func (t *table) row(i int) error {
	l := t.lines[i]
	switch {
	case len(l.cells) == 0:
		t.b.skip(t.sheet, l.number, "blank")
		return nil
	case t.isHeader(l.cells):
		t.b.repeated = true
		t.b.skip(t.sheet, l.number, "header again")
		if same(t.layout.header, l.cells) {
			return nil
		}
		return t.header(i)
	case filled(l.cells) == 1 && !t.isBareBib(l.cells):
		t.single(i)
		return nil
	}
	r := t.collect(l)
	if why := skipReason(r); why != "" {
		t.b.skip(t.sheet, l.number, why)
		return nil
	}
	return t.b.add(r)
}

func same(header, cells []string) bool {
	if len(header) != len(cells) {
		return false
	}
	for i, cell := range cells {
		if plainName(header[i]) != plainName(cell) {
			return false
		}
	}
	return true
}

// isHeader reports whether a row names columns. Most rows are recognised
// by their first cell alone.
func (t *table) isHeader(cells []string) bool {
	known := 0
	for _, cell := range cells[:min(len(cells), 3)] {
		if _, is := findAlias(cell); is && cell != "" && len(cell) > 1 {
			known++
		}
	}
	if known == 0 {
		return false
	}
	if same(t.layout.header, cells) {
		return true
	}
	return headerScore(cells, t.b.options.Mapping) >= 3 && filled(cells) > 3 && known > 1
}

// isBareBib reports whether the only cell of a row is a bib in its column, and
// not the text of a group or a footer.
func (t *table) isBareBib(cells []string) bool {
	place := slices.Index(t.layout.meanings, BibColumn)
	return place >= 0 && place < len(cells) && allDigits(strings.TrimPrefix(cells[place], "#"))
}

var footerForm = regexp.MustCompile(`(?i)\bpage\b|seite \d|www\.|https?:|total|powered|copyright|©|teilnehmer|finishers|starters|gesamt|` +
	`results? by|timed by|timekeep|총|합계|참가자|chronom|classés|partecipanti|participantes|^\W*$|\d{4}-\d\d-\d\d|\d{1,2}:\d\d`)

// single handles a row with one cell: the name of a group when data rows follow,
// else a footer.
func (t *table) single(i int) {
	l := t.lines[i]
	title := strings.TrimSpace(strings.Join(l.cells, ""))
	if slices.Contains(t.above, title) { // on another page
		t.b.skip(t.sheet, l.number, "title")
		return
	}
	follows := false
	for _, next := range t.lines[i+1 : min(len(t.lines), i+8)] {
		if filled(next.cells) > 1 {
			follows = true
			break
		}
	}
	sexed := sexOfDivision(title) != ""
	if follows && len(title) <= 80 && (sexed || !footerForm.MatchString(title)) {
		t.startGroup(title)
		t.b.skip(t.sheet, l.number, "group")
		return
	}
	t.b.signs = append(t.b.signs, title)
	t.b.skip(t.sheet, l.number, "footer")
}

// collect sorts the cells of a row by their meaning.
func (t *table) collect(l line) raw {
	r := raw{sheet: t.sheet, row: l.number, cells: make(map[Meaning]string, 12), group: t.group, groupSex: t.groupSex}
	for i, cell := range l.cells {
		if i >= len(t.layout.meanings) {
			r.tooMany = r.tooMany || cell != ""
			continue
		}
		switch m := t.layout.meanings[i]; m {
		case IgnoredColumn:
			if t.layout.marks[i] && isMark(cell) {
				r.cells[StatusColumn] = t.layout.header[i]
			}
		case SplitColumn:
			if cell != "" {
				r.splits = append(r.splits, rawSplit{t.layout.splits[i], cell})
			}
		case RemarksColumn, PaceColumn:
			if _, _, known := remarkStatus(cell); known || r.cells[m] == "" {
				r.cells[m] = cell
			}
		default:
			if cell != "" {
				r.cells[m] = cell
			}
		}
	}
	if t.groupStatus != "" && r.cells[StatusColumn] == "" {
		r.cells[StatusColumn] = t.groupStatus
	}
	if t.groupRace != "" && !t.layout.has(EventColumn) {
		r.cells[EventColumn] = t.groupRace
	}
	return r
}

// isMark reports whether a cell under a header such as DNF says that it applies.
func isMark(cell string) bool {
	switch strings.ToLower(cell) {
	case "x", "1", "y", "yes", "true", "j", "ja", "o", "oui", "v", "✓", "✔", "예", "●", "○":
		return true
	}
	_, _, known := statusWord(cell)
	return known
}

// skipReason says why a row with several cells is neither an entry nor a result.
func skipReason(r raw) string {
	switch strings.ToLower(r.cells[RemovedColumn]) {
	case "true", "yes", "1", "y":
		return "removed"
	}
	name := r.cells[NameColumn] + r.cells[FirstNameColumn] + r.cells[LastNameColumn]
	timed := r.cells[TimeColumn]+r.cells[GunTimeColumn]+r.cells[NetTimeColumn] != ""
	if place := r.cells[PlaceColumn]; place != "" && !hasLetters(name) && !timed && len(r.splits) == 0 {
		_, _, status := statusWord(place)
		if !status && !placeForm.MatchString(place) && hasLetters(place) {
			return "footer"
		}
	}
	if !hasLetters(name) && !timed && r.cells[BibColumn] == "" {
		return "footer"
	}
	return ""
}

var placeForm = regexp.MustCompile(`(?i)^[=tT]?\s*\d+\s*[.=°ºªe]?(er|ère|st|nd|rd|th|위|\s*[/|].*)?$`)

func hasLetters(s string) bool { return plainName(strings.Trim(s, "0123456789 .,-")) != "" }

// maxSamples is how many different values of a column are shown.
const maxSamples = 3

// describe adds the columns of a layout to those that the answer shows.
func (b *builder) describe(sheet string, l *layout, lines []line) {
	if b.repeated && slices.ContainsFunc(b.file.Columns, func(c Column) bool { return c.Sheet == sheet }) {
		for i, title := range l.header {
			if !slices.ContainsFunc(b.file.Columns, func(c Column) bool { return c.Sheet == sheet && c.Header == title }) {
				b.file.Columns = append(b.file.Columns, Column{sheet, title, l.meanings[i], []string{}})
			}
		}
		return
	}
	for i, title := range l.header {
		c := Column{Sheet: sheet, Header: title, Meaning: l.meanings[i], Samples: []string{}}
		if l.marks[i] {
			c.Meaning = StatusColumn
		}
		for _, row := range lines[:min(len(lines), inspectedRows)] {
			if i < len(row.cells) && row.cells[i] != "" && !residentNumber.MatchString(row.cells[i]) && !slices.Contains(c.Samples, shorten(row.cells[i])) {
				if c.Samples = append(c.Samples, shorten(row.cells[i])); len(c.Samples) == maxSamples {
					break
				}
			}
		}
		b.file.Columns = append(b.file.Columns, c)
	}
}
