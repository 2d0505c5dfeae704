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
		reading race.Time
	}
	at := map[int][]passing{}
	for i := range rows {
		row := &rows[i]
		switch {
		case row.UserID == "", row.Implausible != "",
			row.Result.Status == race.Disqualified, row.Result.Status == race.DidNotStart:
			continue
		}
		for key, reading := range splits[row.RecordID] {
			at[key] = append(at[key], passing{row, reading})
		}
	}
	type state struct {
		n, place int
		last     race.Time
	}
	passages := make(Passages, len(at))
	for key, passed := range at {
		slices.SortFunc(passed, func(a, b passing) int { return cmp.Compare(a.reading, b.reading) })
		places := make(map[string]Passage, len(passed))
		groups := map[group]*state{}
		place := func(in group, reading race.Time) int {
			g := groups[in]
			if g == nil {
				g = &state{}
				groups[in] = g
			}
			g.n++
			if g.last != reading {
				g.place, g.last = g.n, reading
			}
			return g.place
		}
		for _, p := range passed {
			passage := Passage{Reading: p.reading, Place: place(group{field: p.row.Field}, p.reading)}
			if p.row.Sex != "" {
				passage.SexPlace = place(group{p.row.Field, "sex " + string(p.row.Sex)}, p.reading)
			}
			if p.row.Division != "" {
				passage.DivisionPlace = place(group{p.row.Field, "division " + p.row.Division}, p.reading)
			}
			places[p.row.RecordID] = passage
		}
		passages[key] = places
	}
	return passages
}
