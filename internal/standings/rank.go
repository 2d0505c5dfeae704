// Package standings ranks a race: a pure function from its records and rules to
// places. It reads no store and no clock, so that anybody can repeat a ranking and
// get the same result.
package standings

import (
	"cmp"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Edition numbers the ranking rules of this package. Raise it in a release that
// would rank the same entries differently, so that its rankings are not taken for
// those of an earlier release.
const Edition = 1

// Rules are a race's rules for places.
type Rules struct {
	Ranking   race.Ranking    `json:"ranking"`
	Divisions []race.Division `json:"divisions"` // a participant is in the first one that admits them
	Teams     []race.TeamRule `json:"teams,omitempty"`
}

// Entry is a live official record together with who ran and what the record
// earned.
type Entry struct {
	RecordID string
	Revision int    // of the record; no place depends on it
	UserID   string // empty if nobody is entered with the bib, or if another record holds it
	Sex      race.Sex
	Age      int // on race day, or race.UnknownAge
	Field    race.Field
	Team     string // only in a race that ranks teams
	Result   race.Result
	Credited bool // this revision is credited to this runner
	Points   int64
	// Implausible says why the time is not believed until somebody confirms it;
	// empty when it is believed. An implausible entry has no place.
	Implausible string
}

// Row is an entry with its places. A place is one more than the number of
// entries of the same field that are better; zero means no place.
type Row struct {
	Entry
	Place         int
	SexPlace      int    // zero also when the sex is unknown
	Division      string // empty when no division admits the participant
	DivisionPlace int
}

// Rank returns a row for every entry: the ranked ones of each field first, in
// the order of their places, then those without a place. The order of entries
// does not matter.
func Rank(rules Rules, entries []Entry) []Row {
	overall := ordering(rules.Ranking.Basis, rules.Ranking.Ties)
	order := make([]listed, len(entries)) // rows are large: sort small keys instead
	for i := range entries {
		order[i] = rules.list(&entries[i])
	}
	slices.SortFunc(order, func(a, b listed) int { return a.compare(&b, overall) })

	rows := make([]Row, len(entries))
	ranked := make([]*Row, 0, len(rows))
	for i, l := range order {
		rows[i] = Row{Entry: *l.entry}
		if division := rules.divisionOf(l.entry); division != nil {
			rows[i].Division = division.Name
		}
		if l.placed {
			ranked = append(ranked, &rows[i])
		}
	}
	count(ranked, overall, func(r *Row) (group, bool) { return group{field: r.Field}, true },
		func(r *Row, place int) { r.Place = place })
	count(ranked, overall, func(r *Row) (group, bool) { return group{field: r.Field, name: string(r.Sex)}, r.Sex != "" },
		func(r *Row, place int) { r.SexPlace = place })

	within := overall
	if basis := rules.Ranking.DivisionsBasis; basis != "" && basis != rules.Ranking.Basis {
		within = ordering(basis, rules.Ranking.Ties)
		ranked = slices.DeleteFunc(ranked, func(r *Row) bool { return timeOf(basis, &r.Result) == 0 })
		slices.SortStableFunc(ranked, func(a, b *Row) int { return within(&a.Result, &b.Result) })
	}
	count(ranked, within, func(r *Row) (group, bool) { return group{field: r.Field, name: r.Division}, r.Division != "" },
		func(r *Row, place int) { r.DivisionPlace = place })
	return rows
}

// placed reports whether an entry can have a place: somebody ran, finished, and
// has a time that ranks overall and is believed.
func (r *Rules) placed(e *Entry) bool {
	return e.UserID != "" && e.Result.Status == race.Finished && r.Ranking.RankingTime(e.Result) != 0 && e.Implausible == ""
}

func (r *Rules) divisionOf(e *Entry) *race.Division {
	for i := range r.Divisions {
		if r.Divisions[i].Admits(e.Field, e.Sex, e.Age) {
			return &r.Divisions[i]
		}
	}
	return nil
}

// order compares two results for ranking: negative when a is better, zero when
// they share a place.
type order func(a, b *race.Result) int

// ordering orders by the time of the basis, and equal times by the race's rule for
// ties. An entry that lacks what the rule compares comes last.
func ordering(basis race.Basis, ties race.Ties) order {
	return func(a, b *race.Result) int {
		if c := cmp.Compare(timeOf(basis, a), timeOf(basis, b)); c != 0 {
			return c
		}
		switch ties {
		case race.TiesNet:
			return missingLast(a.Net, b.Net)
		case race.TiesSequence:
			return missingLast(a.Sequence, b.Sequence)
		case race.TiesShare:
		}
		return 0
	}
}

func timeOf(basis race.Basis, result *race.Result) race.Time {
	return race.Ranking{Basis: basis}.RankingTime(*result)
}

// missingLast compares two numbers; zero means missing and comes last.
func missingLast[T ~int | ~int64](a, b T) int {
	if (a == 0) != (b == 0) {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// group is a separate ranking: of a field, or of a sex or division within it.
type group struct {
	field race.Field
	name  string
}

// count assigns the places within each group to rows, which are sorted by better.
// Rows that share a place are followed by a gap: 1, 2, 2, 4.
func count(rows []*Row, better order, groupOf func(*Row) (group, bool), set func(*Row, int)) {
	type state struct {
		n, place int
		last     *race.Result
	}
	groups := map[group]*state{}
	for _, row := range rows {
		key, in := groupOf(row)
		if !in {
			continue
		}
		g := groups[key]
		if g == nil {
			g = &state{}
			groups[key] = g
		}
		g.n++
		if g.n == 1 || better(g.last, &row.Result) != 0 {
			g.place = g.n
		}
		g.last = &row.Result
		set(row, g.place)
	}
}

// fields is the order in which the fields of a race are listed.
var fields = []race.Field{race.Runner, race.Wheelchair, race.Handcycle}

// statuses is the order in which entries without a place are listed.
var statuses = []race.ResultStatus{race.Finished, race.Overtime, race.DidNotFinish, race.Disqualified, race.DidNotStart}

// listed is the sort key of an entry. It is computed once per entry, since a sort
// compares each entry some fifteen times.
type listed struct {
	entry  *Entry
	field  int // in fields
	placed bool
	status int    // in statuses; only without a place
	bib    string // as bibs are compared
}

func (r *Rules) list(e *Entry) listed {
	l := listed{entry: e, field: slices.Index(fields, e.Field), placed: r.placed(e), bib: race.BibKey(e.Result.Bib)}
	if !l.placed {
		l.status = slices.Index(statuses, e.Result.Status)
	}
	return l
}

// compare is a total order: entries that share a place are ordered by bib, so that
// the list of a race is always the same.
func (l *listed) compare(other *listed, better order) int {
	if c := cmp.Compare(l.field, other.field); c != 0 {
		return c
	}
	if l.placed != other.placed {
		if l.placed {
			return -1
		}
		return 1
	}
	byOutcome := cmp.Compare(l.status, other.status)
	if l.placed {
		byOutcome = better(&l.entry.Result, &other.entry.Result)
	}
	if byOutcome != 0 {
		return byOutcome
	}
	// 9 comes before 10.
	return cmp.Or(cmp.Compare(len(l.bib), len(other.bib)), cmp.Compare(l.bib, other.bib),
		cmp.Compare(l.entry.RecordID, other.entry.RecordID))
}
