package racefile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

var fullCourse = regexp.MustCompile(`(?i)full|finish|overall|total|ziel`)

// gatherIntervals makes one row of the rows of each athlete. The result is the
// interval that covers the course, the others are splits.
func (b *builder) gatherIntervals() {
	full := b.fullIntervals()
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
		if interval == full[r.cells[EventColumn]] {
			athlete.cells[GunTimeColumn], athlete.cells[NetTimeColumn] = r.cells[GunTimeColumn], r.cells[NetTimeColumn]
			continue
		}
		if !slices.ContainsFunc(athlete.splits, func(s rawSplit) bool { return s.name == interval }) {
			athlete.splits = append(athlete.splits, rawSplit{interval, time})
		}
	}
	b.raws = gathered
}

// fullIntervals finds the interval that covers the course of each race, by its name or
// as the longest.
func (b *builder) fullIntervals() map[string]string {
	full := make(map[string]string)
	named := make(map[string]bool)
	longest := make(map[string]race.Time)
	for _, r := range b.raws {
		event, interval := r.cells[EventColumn], r.cells[intervalColumn]
		switch {
		case named[event]:
			continue
		case fullCourse.MatchString(interval):
			full[event], named[event] = interval, true
			continue
		}
		for _, m := range []Meaning{GunTimeColumn, NetTimeColumn} {
			if t, err := parseTime(r.cells[m], timeStyle{}); err == nil && t > longest[event] {
				full[event], longest[event] = interval, t
			}
		}
	}
	return full
}
