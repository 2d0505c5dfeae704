package racefile

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/width"
)

// span is a range of characters in a line.
type span struct{ from, to int }

// dataColumn is a range of characters that no data row leaves blank throughout.
type dataColumn struct {
	span
	digits bool // in any row
}

var (
	ordinal   = regexp.MustCompile(`(?i)^(\d+(st|nd|rd|th)|first|last)$`)
	rulerForm = regexp.MustCompile(`^[=\-_ ]+$`)
	// pageForm is how group lines and the first and last lines of a page begin.
	pageForm = regexp.MustCompile(`(?i)^\s*(\*\*|--|==|(page|seite|printed|gedruckt|results by|timed by|timing by|total|www)\b)`)
)

// maxFixedWidth is the longest line of a listing.
const maxFixedWidth = 1000

// fixedWidth reads a listing in columns, when its header is better than that of
// delimited text. A column is where no data row has a blank, and the headings
// are matched to them in order: numbers stand under, left of or right of theirs.
func (b *builder) fixedWidth(text string, toBeat int) ([]line, int) {
	rows := strings.Split(strings.TrimRight(text, "\n"), "\n")
	place, score := b.fixedHeader(rows, toBeat)
	if place < 0 || len(rows) > b.options.MaxRows+maxOtherLines {
		return nil, 0
	}
	if wide := widened(rows); wide != nil && misfit(wide, place) <= misfit(rows, place) {
		rows = wide
	}
	header := headings(rows[place])
	titles := texts(rows[place], header)
	upper := ""
	if place > 0 {
		if stacked := stackedTitles(rows[place-1], titles, header); headerScore(stacked, b.options.Mapping) > score {
			titles, upper = stacked, rows[place-1]
			score = headerScore(stacked, b.options.Mapping)
		}
	}
	data := dataRows(rows, place)
	spans, ruled := columnSpans(rows, data, place, header)
	lines := make([]line, 0, len(rows))
	for i, row := range rows {
		l := line{number: i + 1}
		switch {
		case upper != "" && row == upper:
			b.skip("", l.number, "header")
			continue
		case i == place || i > place && sameWords(row, rows[place]):
			l.cells = titles
		case i == ruled:
		case strings.TrimSpace(row) == "":
		case data[i]:
			l.cells = trimCells(texts(row, spans))
		default:
			l.cells = []string{cleanCell(strings.ReplaceAll(row, filler, ""))}
		}
		lines = append(lines, l)
	}
	return lines, score
}

// fixedHeader returns the place of the line that names columns and its score, or -1 when
// none is better than that of delimited text.
func (b *builder) fixedHeader(rows []string, toBeat int) (place, score int) {
	place, score = -1, toBeat
	for i, row := range rows[:min(len(rows), probedRows)] {
		if len(row) > maxFixedWidth || isDelimited(row) {
			continue
		}
		if s := headerScore(texts(row, headings(row)), b.options.Mapping); s > score && s >= 3 {
			place, score = i, s
		}
	}
	return place, score
}

// filler follows a letter that is as wide as two others, where columns are aligned by
// width: so do Korean programs, in whose encoding such a letter has two bytes.
const filler = "\x00"

// widened returns the lines with fillers, or nil when they have no wide letters.
func widened(rows []string) []string {
	wide := make([]string, len(rows))
	found := false
	for i, row := range rows {
		var letters strings.Builder
		for _, r := range row {
			letters.WriteRune(r)
			if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
				letters.WriteString(filler)
				found = true
			}
		}
		wide[i] = letters.String()
	}
	if !found {
		return nil
	}
	return wide
}

// misfit returns by how many the columns that the blanks common to all rows of data
// leave differ from the headings.
func misfit(rows []string, place int) int {
	columns, names := len(dataColumns(rows, dataRows(rows, place))), len(headings(rows[place]))
	return max(columns, names) - min(columns, names)
}

// isDelimited reports whether a line is a header of delimited text, in which blanks
// stand between the words of one name.
func isDelimited(row string) bool {
	return strings.Contains(row, "\t") || strings.Count(row, ",") > 2 || strings.Count(row, ";") > 1 || strings.Count(row, "|") > 1
}

func sameWords(one, other string) bool {
	return slices.Equal(strings.Fields(one), strings.Fields(other))
}

// stackedTitles puts the words of the line above a header before the headings that
// they stand over: Chip over Time. It returns nil when one stands over none.
func stackedTitles(above string, titles []string, header []span) []string {
	stacked := slices.Clone(titles)
	letters := []rune(above)
	for _, word := range headings(above) {
		at := slices.IndexFunc(header, func(h span) bool { return word.from < h.to && h.from < word.to })
		if at < 0 {
			return nil
		}
		stacked[at] = string(letters[word.from:word.to]) + " " + titles[at]
	}
	return stacked
}

// dataRows says which lines are rows of the table. A new page repeats the header and
// the titles above it.
func dataRows(rows []string, place int) []bool {
	titles := make(map[string]bool)
	for _, row := range rows[:place+1] {
		titles[strings.Join(strings.Fields(row), " ")] = true
	}
	data := make([]bool, len(rows))
	for i := place + 1; i < len(rows); i++ {
		data[i] = len(rows[i]) <= maxFixedWidth && isData(rows[i]) && !titles[strings.Join(strings.Fields(rows[i]), " ")]
	}
	return data
}

// headings finds the column headings of a line. Two words are one heading when
// together they are a known name, or the first is an ordinal.
func headings(row string) []span {
	var words []span
	letters := []rune(row)
	for i := 0; i < len(letters); {
		if letters[i] == ' ' || letters[i] == '\t' {
			i++
			continue
		}
		from := i
		for i < len(letters) && letters[i] != ' ' && letters[i] != '\t' {
			i++
		}
		words = append(words, span{from, i})
	}
	var found []span
	for i := 0; i < len(words); i++ {
		joined := words[i]
		if i+1 < len(words) && words[i+1].from-words[i].to == 1 {
			one, two := string(letters[words[i].from:words[i].to]), string(letters[words[i+1].from:words[i+1].to])
			_, known := findAlias(one + " " + two)
			if known || ordinal.MatchString(one) {
				joined.to = words[i+1].to
				i++
			}
		}
		found = append(found, joined)
	}
	return found
}

func texts(row string, spans []span) []string {
	letters := []rune(row)
	cells := make([]string, len(spans))
	for i, s := range spans {
		if s.from < len(letters) && s.from < s.to {
			cells[i] = cleanCell(strings.ReplaceAll(string(letters[s.from:min(s.to, len(letters))]), filler, ""))
		}
	}
	return cells
}

// isData reports whether a line is a row of the table and not a title or a
// footer: several numbers stand in it, each by itself.
func isData(row string) bool {
	numbers := 0
	words := strings.Fields(row)
	if pageForm.MatchString(row) {
		return false
	}
	for _, word := range words {
		if word[0] >= '0' && word[0] <= '9' {
			numbers++
		}
	}
	return numbers >= 2 && len(words) >= 3
}

// columnSpans returns the range of characters of each heading, and the line that
// rules the columns, or -1.
func columnSpans(rows []string, data []bool, place int, header []span) (spans []span, ruled int) {
	if next := place + 1; next < len(rows) && strings.TrimSpace(rows[next]) != "" && rulerForm.MatchString(rows[next]) {
		if ruler := headings(rows[next]); len(ruler) == len(header) {
			return ruler, next
		}
	}
	columns := dataColumns(rows, data)
	if next := place + 1; next < len(rows) && rulerForm.MatchString(rows[next]) && strings.TrimSpace(rows[next]) != "" {
		return matchSpans(columns, header), next
	}
	return matchSpans(columns, header), -1
}

// dataColumns returns the ranges of characters that some row of data uses.
func dataColumns(rows []string, data []bool) (columns []dataColumn) {
	var used, digits [maxFixedWidth]bool
	end := 0
	for at, row := range rows {
		if !data[at] {
			continue
		}
		for i, r := range []rune(row) {
			if r != ' ' && r != '\t' {
				used[i] = true
				digits[i] = digits[i] || r >= '0' && r <= '9'
				end = max(end, i+1)
			}
		}
	}
	for i := 0; i < end; i++ {
		if !used[i] {
			continue
		}
		c := dataColumn{span: span{from: i}}
		for i < end && used[i] {
			c.digits = c.digits || digits[i]
			i++
		}
		c.to = i
		columns = append(columns, c)
	}
	return columns
}

// matchSpans assigns the columns of the data to the headings in order, at the
// least distance. Columns that share a heading are parts of it: words of a name.
func matchSpans(columns []dataColumn, header []span) []span {
	const sharedWords, shared = 0.5, 20
	n, m := len(columns), len(header)
	spans := make([]span, m)
	if n == 0 || n > maxFixedWidth || m == 0 {
		return spans
	}
	distance := func(c dataColumn, h span) float64 {
		apart := max(0, c.from-h.to, h.from-c.to)
		return float64(apart) + math.Abs(float64(c.from+c.to-h.from-h.to))/100
	}
	// best[i][j] is the least cost of the first i+1 columns with the last one
	// under heading j.
	best := make([][]float64, n)
	from := make([][]int, n)
	for i := range columns {
		best[i], from[i] = make([]float64, m), make([]int, m)
		for j := range header {
			best[i][j], from[i][j] = math.Inf(1), -1
			d := distance(columns[i], header[j])
			if i == 0 {
				best[i][j] = d
				continue
			}
			for k := 0; k <= j; k++ {
				cost := best[i-1][k] + d
				if one, other := columns[i-1], columns[i]; k == j {
					if one.digits || other.digits || other.from-one.to > 2 {
						cost += shared
					} else {
						cost += sharedWords
					}
				}
				if cost < best[i][j] {
					best[i][j], from[i][j] = cost, k
				}
			}
		}
	}
	at := 0
	for j := range header {
		if best[n-1][j] < best[n-1][at] {
			at = j
		}
	}
	for i := n - 1; i >= 0; i-- {
		if spans[at] == (span{}) {
			spans[at] = columns[i].span
		} else {
			spans[at].from = columns[i].from
		}
		if i > 0 {
			at = from[i][at]
		}
	}
	return spans
}
