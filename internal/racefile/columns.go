package racefile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// layout is what the columns of a table mean.
type layout struct {
	header   []string
	meanings []Meaning
	splits   []string // the name of each split column
	marks    []bool   // columns named DNF or DQ, in which a mark says so
}

// column is what the cells of a column look like.
type columnContent struct {
	filled, sexes, numbers, times, statuses, ranges, zeros int
	fractions                                              int // small numbers, which are times of a workbook if the name says so
	different                                              map[string]bool
}

const inspectedRows = 2000

func inspect(lines []line, place int, workbook bool) columnContent {
	c := columnContent{different: make(map[string]bool)}
	for _, l := range lines {
		if place >= len(l.cells) || l.cells[place] == "" {
			continue
		}
		cell := l.cells[place]
		if noTime(cell) && !allDigits(cell) {
			if strings.Contains(cell, "0") {
				c.filled++
				c.zeros++
				c.times++
			}
			continue
		}
		c.filled++
		if len(c.different) < 3 {
			c.different[cell] = true
		}
		if _, known := parseSex(cell); known {
			c.sexes++
		}
		if numberForm.MatchString(cell) {
			c.numbers++
		}
		if _, _, known := statusWord(cell); known {
			c.statuses++
		} else if looksLikeTime(cell, workbook) {
			c.times++
		} else if workbook && fractionForm.MatchString(cell) {
			c.fractions++
		}
		if ageRange.MatchString(cell) {
			c.ranges++
		}
	}
	return c
}

var (
	numberForm   = regexp.MustCompile(`^\d+([.,]\d+)?$`)
	fractionForm = regexp.MustCompile(`^[0-4](\.\d+)?$`)
	ageRange     = regexp.MustCompile(`^\d{1,2}\s*(-|–|to|bis|à|a)\s*\d{1,2}$|^\d{2}\+$`)
	measure      = regexp.MustCompile(`(?i)^\d+[.,]\d+\s*(k|km|m|mi|miles?)?$`)
	splitSuffix  = regexp.MustCompile(`(?i)^(.+?)[ _](time|elapsed)$`)
	splitParts   = regexp.MustCompile(`(?i)^split - (.+) - (.+)$`)
	pointParts   = regexp.MustCompile(`(?i)^(.+)\.(netto|brutto|net|gun|chip|uhr|tod|abschnitt|sector|gaptop|gap|platz|rank|place|pace|.*pl)$`)
	pointClock   = regexp.MustCompile(`(?i)^(.+?)[ ._-]+(netto|net|gun|chip|brutto|gross|clock)[ ._-]*(?:time|zeit|elapsed)$`)
	splitName    = regexp.MustCompile(`(?i)^((first|last|1st|2nd|3rd|\dth)?[ ._-]?\d+([.,]\d+)?[ _]?(k|km|m|mi|miles?)\b.*|(km|mile|lap|split|aid|cp|tp|vp|runde|tour|giro|vuelta|checkpoint|kontrolle)[ ._-]?\d+.*|half(way|marathon|[ -]marathon)?|halb(marathon)?|hm|semi|mezza|media|하프|반환점?|중간)$`)
	notSplit     = regexp.MustCompile(`(?i)pace|speed|rank|place|posi|\bpos\b|gap|behind|start|départ|depart|partenza|salida|출발|도착|registr|order|date|diff|ecart|écart|rückstand|tempo medio|schnitt`)
)

// layOut assigns a meaning to every column of a header, by names first and then by content.
func (b *builder) layOut(header []string, lines []line) (*layout, error) {
	width := len(header)
	l := &layout{header: header, meanings: make([]Meaning, width), splits: make([]string, width), marks: make([]bool, width)}
	content := make([]columnContent, width)
	ranks := make([]int, width)
	mapped := make([]bool, width)
	workbook := b.file.Container == "xlsx"
	lines = rowsOf(header, lines)
	for i, title := range header {
		content[i] = inspect(lines, i, workbook)
		l.meanings[i] = IgnoredColumn
		if meaning, given := b.options.Mapping[HeaderKey(title)]; given {
			if !slices.Contains(Meanings(), meaning) {
				return nil, &FileError{fmt.Sprintf("the mapping of %q names no meaning that a column can have", shorten(title))}
			}
			l.meanings[i], mapped[i] = meaning, true
			l.splits[i] = title
			continue
		}
		if a, known := findAlias(title); known {
			l.meanings[i], ranks[i] = a.meaning, a.rank
		}
	}
	l.settleNames(mapped, lines)
	for i := range header {
		if !mapped[i] {
			l.meanings[i] = checked(l.meanings[i], header[i], content[i], ranks[i])
		}
	}
	if err := l.choose(mapped, ranks, content, lines); err != nil {
		return nil, err
	}
	for i, title := range header {
		status, _, known := statusWord(title)
		l.marks[i] = known && status != race.Finished && !mapped[i] && l.meanings[i] == IgnoredColumn && content[i].times == 0
	}
	l.settleClocks(mapped)
	if title := l.timesOfDay(mapped, lines); title != "" && !b.timesOfDay {
		b.timesOfDay = true
		b.file.Questions = append(b.file.Questions, Question{
			Column: title, Message: "the column may hold times of day, as the start times beside it do: say by the mapping that it is the time since the start, or ignore it",
			Option: "mapping", Answers: []string{string(TimeColumn), string(IgnoredColumn)},
		})
	}
	if l.isResult() {
		l.findSplits(mapped, content)
	} else {
		b.strangeTimes = append(b.strangeTimes, l.strangeTimes(mapped, content)...)
	}
	l.findSex(mapped, content)
	return l, nil
}

// rowsOf returns the first rows among lines: neither the header of another page nor a
// group line says what a column holds.
func rowsOf(header []string, lines []line) []line {
	rows := make([]line, 0, min(len(lines), inspectedRows))
	for _, l := range lines {
		if filled(l.cells) > 1 && !same(header, l.cells) {
			if rows = append(rows, l); len(rows) == inspectedRows {
				break
			}
		}
	}
	return rows
}

func (l *layout) has(m Meaning) bool { return slices.Contains(l.meanings, m) }

func (l *layout) isResult() bool {
	return l.has(TimeColumn) || l.has(GunTimeColumn) || l.has(NetTimeColumn)
}

// settleNames tells whole names from parts: "Nom" beside "Prénom" is the family
// name, and so is "Name" beside "Vorname" unless it holds the first name too.
func (l *layout) settleNames(mapped []bool, lines []line) {
	for i, title := range l.header {
		if mapped[i] || l.meanings[i] != NameColumn {
			continue
		}
		switch plainName(title) {
		case "nombre", "nome":
			if l.has(LastNameColumn) && !l.has(FirstNameColumn) {
				l.meanings[i] = FirstNameColumn
				continue
			}
		}
		first := slices.Index(l.meanings, FirstNameColumn)
		if first < 0 || l.has(LastNameColumn) {
			continue
		}
		whole, all := 0, 0
		for _, row := range lines {
			if first < len(row.cells) && i < len(row.cells) && row.cells[first] != "" && row.cells[i] != "" {
				all++
				if strings.Contains(row.cells[i], row.cells[first]) && row.cells[i] != row.cells[first] {
					whole++
				}
			}
		}
		if whole*2 <= all {
			l.meanings[i] = LastNameColumn
		}
	}
}

// checked drops a meaning that the cells of the column contradict: a column
// named Sex or Div with numbers holds places.
func checked(m Meaning, header string, c columnContent, rank int) Meaning {
	switch {
	case c.filled == 0:
		return m
	case m == SexColumn && (c.sexes*2 < c.filled || rank > 0 && c.sexes < c.filled):
		return IgnoredColumn
	case m == DivisionColumn && c.numbers == c.filled && plainName(header) != "ak":
		return IgnoredColumn
	case m == AgeColumn && holdsAgeGroups(header, c):
		return DivisionColumn
	case m == EventColumn && rank > 0 && onlyMeasures(c):
		return IgnoredColumn
	case m == TeamColumn && c.numbers == c.filled && plainName(header) == "team":
		return IgnoredColumn
	case plainName(header) == "chip" && c.numbers == c.filled && c.fractions+c.times == 0: // the number of the transponder
		return IgnoredColumn
	}
	return m
}

// holdsAgeGroups reports whether a column named as that of ages holds groups. AG is a
// short name of either.
func holdsAgeGroups(header string, c columnContent) bool {
	return c.ranges*2 > c.filled || plainName(header) == "ag" && c.numbers == 0
}

// onlyMeasures reports whether a column holds exact lengths such as "42.20 km",
// which name no race.
func onlyMeasures(c columnContent) bool {
	for value := range c.different {
		if !measure.MatchString(value) {
			return false
		}
	}
	return len(c.different) > 0
}

// choose keeps one column of each meaning that can have only one.
func (l *layout) choose(mapped []bool, ranks []int, content []columnContent, lines []line) error {
	taken := make(map[Meaning]int)
	for i, m := range l.meanings {
		if m == IgnoredColumn || m == SplitColumn || m == RemarksColumn || m == PaceColumn {
			continue
		}
		j, twice := taken[m]
		if !twice {
			taken[m] = i
			continue
		}
		keep, drop := j, i
		switch {
		case mapped[i] && mapped[j]:
			return sameMeaning(l.header[j], l.header[i], m)
		case mapped[i] || !mapped[j] && content[j].filled == 0 && content[i].filled > 0,
			!mapped[j] && ranks[i] < ranks[j] && content[i].filled > 0:
			keep, drop = i, j
		case !mapped[j] && ranks[i] == ranks[j] && content[i].filled > 0 && matters(m) && !agree(lines, i, j):
			return sameMeaning(l.header[j], l.header[i], m)
		}
		taken[m] = keep
		l.meanings[drop] = IgnoredColumn
	}
	return nil
}

// matters reports whether a column of the meaning says who ran or how fast.
func matters(m Meaning) bool {
	return slices.Contains([]Meaning{BibColumn, NameColumn, FirstNameColumn, LastNameColumn, GunTimeColumn, NetTimeColumn, TimeColumn}, m)
}

func agree(lines []line, i, j int) bool {
	for _, l := range lines {
		if i < len(l.cells) && j < len(l.cells) && l.cells[i] != "" && l.cells[j] != "" && l.cells[i] != l.cells[j] {
			return false
		}
	}
	return true
}

func sameMeaning(one, other string, m Meaning) error {
	if HeaderKey(one) == HeaderKey(other) {
		return &FileError{fmt.Sprintf("two columns have the header %q and disagree: give one of them another name", shorten(one))}
	}
	return &FileError{fmt.Sprintf("the columns %q and %q both mean %s and disagree: say by the mapping which one to take",
		shorten(one), shorten(other), m)}
}

// settleClocks: an unnamed time beside a named clock is the other clock.
func (l *layout) settleClocks(mapped []bool) {
	i := slices.Index(l.meanings, TimeColumn)
	if i < 0 || mapped[i] {
		return
	}
	switch gun, net := l.has(GunTimeColumn), l.has(NetTimeColumn); {
	case gun && net:
		l.meanings[i] = IgnoredColumn
	case gun:
		l.meanings[i] = NetTimeColumn
	case net:
		l.meanings[i] = GunTimeColumn
	}
}

// timesOfDay returns the header of a column of finishes that are all later on the same
// day than the start times beside them.
func (l *layout) timesOfDay(mapped []bool, lines []line) string {
	startOf := func(title string) bool {
		return slices.Contains([]string{"start", "starttime", "startzeit", "startuhrzeit", "heuredepart", "depart", "출발시간", "출발시각"}, plainName(title))
	}
	finish, start := slices.Index(l.meanings, TimeColumn), slices.IndexFunc(l.header, startOf)
	if finish < 0 || start < 0 || mapped[finish] {
		return ""
	}
	switch plainName(l.header[finish]) {
	case "finish", "finishtime", "ziel", "arrivee", "arrivo", "llegada", "meta":
	default:
		return ""
	}
	const earliest, day = 4 * 3600_000, 24 * 3600_000
	found := false
	for _, row := range lines {
		if finish >= len(row.cells) || start >= len(row.cells) {
			continue
		}
		from, wrongStart := parseTime(row.cells[start], timeStyle{})
		to, wrongFinish := parseTime(row.cells[finish], timeStyle{})
		switch {
		case wrongStart != nil || wrongFinish != nil || from == 0 || to == 0:
		case from < earliest || to <= from || to >= day:
			return ""
		default:
			found = true
		}
	}
	if !found {
		return ""
	}
	return l.header[finish]
}

// findSplits takes for splits what is named like one or holds nothing but times.
func (l *layout) findSplits(mapped []bool, content []columnContent) {
	netto := make(map[string]bool)
	for _, title := range l.header {
		if point, clock := pointOf(title); clock == NetTimeColumn {
			netto[point] = true
		}
	}
	for i, title := range l.header {
		if mapped[i] || l.meanings[i] != IgnoredColumn || title == "" {
			continue
		}
		c := content[i]
		if splitName.MatchString(title) {
			c.times += c.fractions
		}
		timed := c.filled == 0 || c.times+c.statuses == c.filled && c.times > 0
		if plainName(title) == "start" && c.zeros > 0 && timed {
			l.meanings[i], l.splits[i] = SplitColumn, title
			continue
		}
		if _, known := findAlias(title); known || !timed {
			continue
		}
		name, isSplit := splitOf(title, c, netto)
		if isSplit {
			l.meanings[i], l.splits[i] = SplitColumn, name
		}
	}
}

// strangeTimes returns the columns that hold nothing but times under a name that says
// nothing: they may be the results of what else is a start list.
func (l *layout) strangeTimes(mapped []bool, content []columnContent) (titles []string) {
	for i, title := range l.header {
		c := content[i]
		if _, known := findAlias(title); known || mapped[i] || l.meanings[i] != IgnoredColumn || notSplit.MatchString(title) {
			continue
		}
		if c.times > 0 && c.times+c.statuses == c.filled || c.numbers > 0 && c.numbers+c.statuses == c.filled && namesTime(title) {
			titles = append(titles, title)
		}
	}
	return titles
}

// pointOf parts the name of a point from what the column says about it: the time of a
// clock, or anything else. The point is empty when the title names none.
func pointOf(title string) (point string, clock Meaning) {
	m := pointParts.FindStringSubmatch(title)
	if m == nil {
		m = pointClock.FindStringSubmatch(title)
	}
	if m == nil {
		return "", ""
	}
	switch strings.ToLower(m[2]) {
	case "netto", "net", "chip":
		return m[1], NetTimeColumn
	case "brutto", "gun", "gross", "clock":
		return m[1], GunTimeColumn
	}
	return m[1], ""
}

// splitOf returns the name of the split that a column holds.
func splitOf(title string, c columnContent, netto map[string]bool) (name string, isSplit bool) {
	if m := splitParts.FindStringSubmatch(title); m != nil {
		return m[1], strings.HasPrefix(plainName(m[2]), "cumulative")
	}
	if point, clock := pointOf(title); point != "" {
		return point, clock == NetTimeColumn || clock == GunTimeColumn && !netto[point]
	}
	if notSplit.MatchString(title) {
		return "", false
	}
	name = title
	if m := splitSuffix.FindStringSubmatch(title); m != nil {
		name = m[1]
	}
	return name, splitName.MatchString(name) || c.times > 0
}

// findSex takes a column of an unknown name that holds nothing but sexes.
func (l *layout) findSex(mapped []bool, content []columnContent) {
	if l.has(SexColumn) {
		return
	}
	for i := range l.header {
		if _, known := findAlias(l.header[i]); known || mapped[i] || l.meanings[i] != IgnoredColumn {
			continue
		}
		if c := content[i]; c.filled > 1 && c.sexes == c.filled && len(c.different) > 1 {
			l.meanings[i] = SexColumn
			return
		}
	}
}

func shorten(s string) string {
	const longest = 40
	letters := []rune(s)
	return string(letters[:min(len(letters), longest)])
}
