package racefile

import (
	"fmt"
	"regexp"
	"strings"
)

// Files without a header

var (
	lynxEvent  = regexp.MustCompile(`^\s*\d+[,;\t]\d+[,;\t]\d+[,;\t]`)
	lynxResult = regexp.MustCompile(`^(\d+|[A-Za-z]{2,3})?,[^,]*,\d*,`)
	hytekLine  = regexp.MustCompile(`^[DIEQR];`)
	hytekFirst = regexp.MustCompile(`^[A-Z]\d?;`) // of another record
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
	case hytekLine.MatchString(first), hytekFirst.MatchString(first) && hytekLine.MatchString(second):
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
	event, several := "", false
	for i, l := range lines {
		switch {
		case len(l.cells) == 0:
			b.skip("", l.number, "blank")
			continue
		case i == 0, isLynxEvent(l.cells):
			for at := range b.raws { // a file of one event does not need its name
				if i > 0 && !several {
					b.raws[at].cells[EventColumn] = event
				}
			}
			event, several = cellAt(l.cells, 3), i > 0
			b.skip("", l.number, "event")
			continue
		}
		r := raw{row: l.number, cells: map[Meaning]string{
			PlaceColumn: cellAt(l.cells, 0), BibColumn: cellAt(l.cells, 1), LastNameColumn: cellAt(l.cells, 3),
			FirstNameColumn: cellAt(l.cells, 4), TeamColumn: cellAt(l.cells, 5), GunTimeColumn: cellAt(l.cells, 6),
		}}
		if several {
			r.cells[EventColumn] = event
		}
		if len(l.cells) > 10 {
			r.splits = lynxSplits(l.cells[10:])
		}
		if err := b.add(r); err != nil {
			return err
		}
	}
	return nil
}

// isLynxEvent reports whether a line of results is that of another event: three numbers
// and a name, no time, and the time of the start in place of splits.
func isLynxEvent(cells []string) bool {
	return len(cells) > 10 && allDigits(cells[0]) && allDigits(cells[1]) && allDigits(cells[2]) && cells[3] != "" && cells[6] == "" &&
		strings.Count(cells[10], ":") == 2
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
