package standings

import (
	"cmp"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Passage is a runner's place at a timing point, among the entries of the same
// field, sex and division that have a reading there.
type Passage struct {
	Reading       race.Time
	Place         int
	SexPlace      int // zero also when the sex is unknown
	DivisionPlace int // zero also without a division
}

// Passages are the places at timing points, by the key of the point and the record.
type Passages map[int]map[string]Passage

// RankSplits returns the places at every timing point. Whoever passed one has a
// place there, whether they finished or not; not somebody who was disqualified, did
// not start, or whose time is implausible. Equal readings share a place.
func RankSplits(rows []Row, splits map[string]race.Splits) Passages {
	type passing struct {
		row     *Row
		in      [3]int // the rankings that the row is in: of its field, sex and division; 0: none
		reading race.Time
	}
	numbers := map[ranking]int{}
	number := func(r ranking) int {
		n, known := numbers[r]
		if !known {
			n = len(numbers) + 1
			numbers[r] = n
		}
		return n
	}
	at := map[int][]passing{}
	for i := range rows {
		row := &rows[i]
		switch {
		case row.UserID == "", row.Implausible != "",
			row.Result.Status == race.Disqualified, row.Result.Status == race.DidNotStart:
			continue
		}
		in := [3]int{number(ranking{field: row.Field})}
		if row.Sex != "" {
			in[1] = number(ranking{row.Field, row.Sex, ""})
		}
		if row.Division != "" {
			in[2] = number(ranking{row.Field, "", row.Division})
		}
		for key, reading := range splits[row.RecordID] {
			at[key] = append(at[key], passing{row, in, reading})
		}
	}
	type state struct {
		n, place int
		last     race.Time
	}
	passages := make(Passages, len(at))
	for key, passed := range at {
		slices.SortFunc(passed, func(a, b passing) int { return cmp.Compare(a.reading, b.reading) })
		places, states := make(map[string]Passage, len(passed)), make([]state, len(numbers)+1)
		for i := range passed {
			p := &passed[i]
			var got [3]int
			for kind, in := range p.in {
				if in == 0 {
					continue
				}
				s := &states[in]
				s.n++
				if s.last != p.reading {
					s.place, s.last = s.n, p.reading
				}
				got[kind] = s.place
			}
			places[p.row.RecordID] = Passage{Reading: p.reading, Place: got[0], SexPlace: got[1], DivisionPlace: got[2]}
		}
		passages[key] = places
	}
	return passages
}

// ranking identifies a separate ranking at a timing point: of a field, or of a sex
// or division within it.
type ranking struct {
	field    race.Field
	sex      race.Sex
	division string
}
