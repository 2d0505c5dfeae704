package racefile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// finish decides what the columns leave open and turns every row into a Row or
// into errors.
func (b *builder) finish() (*File, error) {
	f := b.file
	b.recognise()
	if f.Format == "chronotrack_ctlive" {
		b.gatherIntervals()
	}
	if len(b.raws) == 0 {
		return nil, &FileError{"the file has no rows"}
	}
	if !b.noKind {
		f.Kind = b.kind()
	}
	if f.Kind == StartList {
		for _, title := range b.strangeTimes {
			f.Questions = append(f.Questions, Question{
				Column: title, Message: "the column holds times, which are not read: if they are results, say by the mapping of which clock",
				Option: "mapping", Answers: []string{string(GunTimeColumn), string(NetTimeColumn)},
			})
		}
	}
	b.settleDates()
	i := b.newInterpreter()
	good := make([]Row, 0, len(b.raws))
	for at := range b.raws {
		row, wrong, skip := i.row(&b.raws[at])
		b.raws[at].cells, b.raws[at].splits = nil, nil
		switch {
		case skip != "":
			b.skip(row.Sheet, row.Row, skip)
		case len(wrong) > 0:
			f.Errors = append(f.Errors, wrong...)
		default:
			good = append(good, row)
		}
		if row.Name != "" {
			f.HasStartList = true
		}
	}
	b.dropDuplicates(good)
	order := make(map[string]int)
	for _, c := range f.Columns {
		if _, seen := order[c.Sheet]; !seen {
			order[c.Sheet] = len(order)
		}
	}
	slices.SortStableFunc(f.Errors, func(a, b RowError) int {
		return cmp.Or(cmp.Compare(order[a.Sheet], order[b.Sheet]), cmp.Compare(a.Row, b.Row))
	})
	slices.SortStableFunc(f.Skipped, func(a, b Skipped) int {
		return cmp.Or(cmp.Compare(order[a.Sheet], order[b.Sheet]), cmp.Compare(a.Row, b.Row))
	})
	for _, row := range f.Rows {
		if row.Event != "" && !slices.Contains(f.Events, row.Event) && len(f.Events) < 100 {
			f.Events = append(f.Events, row.Event)
		}
	}
	b.raws = nil
	return f, nil
}

// dropDuplicates reports every row of a bib that several rows of a race name as an
// error: which of them is right is not known.
func (b *builder) dropDuplicates(good []Row) {
	type key struct{ event, bib string }
	events := make(map[string]bool)
	for _, row := range good {
		if row.Event != "" {
			events[row.Event] = true
		}
	}
	keyOf := func(row Row) key {
		if len(events) == 1 { // rows that name no race belong to the only one too
			row.Event = ""
		}
		return key{row.Event, race.BibKey(row.Bib)}
	}
	rows := make(map[key]int, len(good))
	for _, row := range good {
		rows[keyOf(row)]++
	}
	firsts := make(map[key]Row)
	differ := make(map[key]bool)
	for _, row := range good {
		k := keyOf(row)
		if first, seen := firsts[k]; !seen {
			firsts[k] = row
		} else if !sameResult(first, row) {
			differ[k] = true
		}
	}
	b.file.Rows = slices.DeleteFunc(good, func(row Row) bool {
		k := keyOf(row)
		if rows[k] == 1 {
			return false
		}
		if !differ[k] { // the first sheet has all, others those of one sex
			if first := firsts[k]; first.Sheet == row.Sheet {
				return false
			}
			b.skip(row.Sheet, row.Row, "again, as on another sheet")
			return true
		}
		b.file.Errors = append(b.file.Errors, RowError{
			Sheet: row.Sheet, Row: row.Row, Field: "bib", Bib: row.Bib,
			Message: "several rows have this bib: only one of them can be right",
		})
		return true
	})
}

// sameResult reports whether two rows of different sheets say the same.
func sameResult(one, other Row) bool {
	return one.Sheet != other.Sheet && one.Name == other.Name && one.Gun == other.Gun && one.Net == other.Net && one.Time == other.Time &&
		one.Status == other.Status
}

// kind is Results when any row has a time, a status or a place.
func (b *builder) kind() Kind {
	timed := false
	for _, r := range b.raws {
		for _, m := range []Meaning{TimeColumn, GunTimeColumn, NetTimeColumn} {
			cell := r.cells[m]
			_, _, status := statusWord(cell)
			if status || !noTime(cell) {
				return Results
			}
			timed = timed || cell != ""
		}
		if len(r.splits) > 0 {
			return Results
		}
		for _, m := range []Meaning{StatusColumn, PlaceColumn} {
			status, _, known := statusWord(r.cells[m])
			if known && status != noEntry && status != race.Finished {
				return Results
			}
		}
	}
	if timed {
		return Results
	}
	return StartList
}

// settleDates decides the order of day and month for the whole file.
func (b *builder) settleDates() {
	if b.options.DateOrder != "" {
		return
	}
	if slash, _ := b.dateOrders(); slash == orderUnknown && b.statedOrder() == orderUnknown && b.hasSlashes() {
		b.file.Questions = append(b.file.Questions, Question{
			Column:  b.headerOf(BirthDateColumn),
			Message: "the dates of birth do not say which part is the day and which the month",
			Option:  "date_order", Answers: []string{"dmy", "mdy"},
		})
	}
}

// statedOrder is the order of day and month where the dates leave it open: by the
// header, by the program, or by the ages beside.
func (b *builder) statedOrder() dateOrder {
	header := plainName(b.headerOf(BirthDateColumn))
	switch {
	case strings.Contains(header, "ddmm"), strings.Contains(header, "ttmm"), strings.Contains(header, "jjmm"), strings.Contains(header, "ggmm"):
		return dayFirst
	case strings.Contains(header, "mmdd"), b.isAmerican():
		return monthFirst
	}
	return b.orderByAge()
}

// isAmerican reports whether the program that wrote the file always puts the month
// first. The headers of RunSignup's results are not its own enough to say so.
func (b *builder) isAmerican() bool {
	for _, program := range []string{"ultrasignup", "runsignup_participants", "opensplittime", "hytek"} {
		if strings.HasPrefix(b.file.Format, program) {
			return true
		}
	}
	return false
}

func (b *builder) headerOf(m Meaning) string {
	for _, c := range b.file.Columns {
		if c.Meaning == m {
			return c.Header
		}
	}
	return string(m)
}

// dateOrders looks for values above 12, among the dates with slashes or dashes
// and among those with dots.
func (b *builder) dateOrders() (slash, dots dateOrder) {
	if b.bornInKorea() {
		slash, dots = yearFirst, yearFirst
	}
	for _, r := range b.raws {
		first, second, dotted, found := slashed(r.cells[BirthDateColumn])
		if !found {
			continue
		}
		order := &slash
		if dotted {
			order = &dots
		}
		switch {
		case first > 31 && (*order == orderUnknown || *order == dayFirst):
			*order = yearFirst
		case *order == yearFirst && second <= 12: // its first part is a year, not a day above 12
		case first > 12 && *order != dayFirst:
			*order = mixed(*order, dayFirst)
		case second > 12 && *order != monthFirst:
			*order = mixed(*order, monthFirst)
		}
	}
	if dots == orderUnknown {
		dots = dayFirst
	}
	return slash, dots
}

// bornInKorea reports whether the header of the dates is Korean: the year comes first.
func (b *builder) bornInKorea() bool {
	return strings.ContainsFunc(b.headerOf(BirthDateColumn), func(r rune) bool { return unicode.Is(unicode.Hangul, r) })
}

// hasPackedDates reports whether the column holds YYMMDD, alone or as the beginning of
// a resident number. No other country writes dates so.
func (b *builder) hasPackedDates() bool {
	return b.bornInKorea() && slices.ContainsFunc(b.raws, func(r raw) bool {
		cell := r.cells[BirthDateColumn]
		return shortPacked.MatchString(cell) || residentNumber.MatchString(cell) && !packedDate.MatchString(cell)
	})
}

func mixed(known, other dateOrder) dateOrder {
	if known == orderUnknown {
		return other
	}
	return orderMixed
}

func (b *builder) hasSlashes() bool {
	for _, r := range b.raws {
		if first, second, dotted, found := slashed(r.cells[BirthDateColumn]); found && !dotted && first != second {
			return true
		}
	}
	return false
}

// orderByAge compares the ages that the file states with those of either order.
func (b *builder) orderByAge() dateOrder {
	var fits [2]int
	all := 0
	for _, r := range b.raws {
		first, second, dotted, found := slashed(r.cells[BirthDateColumn])
		age, err := strconv.Atoi(r.cells[AgeColumn])
		if !found || dotted || first == second || err != nil || age <= 0 {
			continue
		}
		all++
		for i, order := range []dateOrder{dayFirst, monthFirst} {
			reader := birthReader{order: order, raceDate: b.options.RaceDate}
			if born, err := reader.read(r.cells[BirthDateColumn], age); err == nil && born.date.AgeOn(b.options.RaceDate) == age {
				fits[i]++
			}
		}
	}
	switch {
	case all > 0 && fits[0] == all && fits[1] < all:
		return dayFirst
	case all > 0 && fits[1] == all && fits[0] < all:
		return monthFirst
	}
	return orderUnknown
}
