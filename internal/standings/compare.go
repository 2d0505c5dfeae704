package standings

import (
	"math"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Limits of what Comparison.Because reports.
const (
	maxCauses  = 10  // of one change
	maxRevised = 500 // records; beyond that, only an entry's own revision is reported as a cause
)

// Change is an entry that differs between two rankings.
type Change struct {
	From *Row // nil: the entry is new
	To   *Row // nil: the record was removed
}

// Comparison is what differs between two rankings of a race.
type Comparison struct {
	// Changes are in the order of the later ranking, followed by the entries that
	// it lacks, in the order of the earlier one.
	Changes []Change
	revised []Change // those that may have caused others
}

// Compare compares two rankings of a race. Its cost is linear in their length; the
// causes, up to 500 comparisons per change, are left to Because.
func Compare(from, to []Row) Comparison {
	all := pairs(from, to)
	var compared Comparison
	for _, change := range all {
		if change.revised() {
			compared.revised = append(compared.revised, change)
		}
	}
	if len(compared.revised) > maxRevised {
		compared.revised = nil
	}
	compared.Changes = slices.DeleteFunc(all, Change.same)
	return compared
}

// Because returns the records whose revisions caused a change, at most ten: the
// entry's own first, then those that passed it or fell behind it.
func (c *Comparison) Because(change Change) []Change {
	var because []Change
	if change.revised() {
		because = append(because, change)
	}
	for _, other := range c.revised {
		if len(because) == maxCauses {
			break
		}
		if other.Row().RecordID != change.Row().RecordID && crossed(other, change) {
			because = append(because, other)
		}
	}
	return because
}

// Revised returns the entries whose own record differs: these cause every other
// difference.
func Revised(from, to []Row) []Change {
	return slices.DeleteFunc(pairs(from, to), func(c Change) bool { return !c.revised() || c.same() })
}

// pairs matches the rows of both rankings by their record.
func pairs(from, to []Row) []Change {
	earlier := make(map[string]*Row, len(from))
	for i := range from {
		earlier[from[i].RecordID] = &from[i]
	}
	all := make([]Change, 0, len(to))
	for i := range to {
		all = append(all, Change{From: earlier[to[i].RecordID], To: &to[i]})
		delete(earlier, to[i].RecordID)
	}
	for i := range from {
		if earlier[from[i].RecordID] != nil {
			all = append(all, Change{From: &from[i]})
		}
	}
	return all
}

// Row returns the later row, or the earlier one of a removed record.
func (c Change) Row() *Row {
	if c.To != nil {
		return c.To
	}
	return c.From
}

func (c Change) revised() bool {
	return c.From == nil || c.To == nil || c.From.Revision != c.To.Revision
}

// same reports whether both rows are equal except for the revision, which alone
// changes no place.
func (c Change) same() bool {
	if c.From == nil || c.To == nil {
		return false
	}
	from := *c.From
	from.Revision = c.To.Revision
	return from == *c.To
}

// Span returns the revision of the record in the earlier ranking, 0 when it is
// new, and the one in the later ranking; math.MaxInt for a removed record.
func (c Change) Span() [2]int {
	span := [2]int{0, math.MaxInt}
	if c.From != nil {
		span[0] = c.From.Revision
	}
	if c.To != nil {
		span[1] = c.To.Revision
	}
	return span
}

// crossed reports whether other came before c or fell behind it, in any of the
// rankings that both are in. A new or removed entry has its own reason.
func crossed(other, c Change) bool {
	return c.From != nil && c.To != nil && ahead(other.From, c.From) != ahead(other.To, c.To)
}

// rankings says in which rankings one entry is placed before another.
type rankings struct{ overall, sex, division bool }

// ahead compares a, which may be missing, with b.
func ahead(a, b *Row) rankings {
	if a == nil || a.Field != b.Field {
		return rankings{}
	}
	before := func(a, b int) bool { return a != 0 && (b == 0 || a < b) }
	return rankings{
		overall:  before(a.Place, b.Place),
		sex:      a.Sex == b.Sex && before(a.SexPlace, b.SexPlace),
		division: a.Division == b.Division && before(a.DivisionPlace, b.DivisionPlace),
	}
}

// Finishers counts the rows of a field that have a place.
func Finishers(rows []Row, field race.Field) int {
	n := 0
	for i := range rows {
		if rows[i].Field == field && rows[i].Place != 0 {
			n++
		}
	}
	return n
}
