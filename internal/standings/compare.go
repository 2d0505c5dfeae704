package standings

import "github.com/mrmrthon/mrmrthon/internal/race"

// Bounds of what Compare tells.
const (
	maxCauses  = 10  // of one change
	maxRevised = 500 // records, beyond which only an entry's own revisions are told
)

// Change is an entry of which two rankings say something else.
type Change struct {
	From *Row // nil: the entry is new
	To   *Row // nil: the record was removed
	// Because lists the records whose revisions brought the change about, at
	// most ten: the entry's own, and those that passed it or fell behind it.
	Because []string
}

// Compare returns what differs between two rankings of a race, in the order of
// the later one, then what it lacks in the order of the earlier one.
func Compare(from, to []Row) []Change {
	earlier := make(map[string]*Row, len(from))
	for i := range from {
		earlier[from[i].RecordID] = &from[i]
	}
	var changes, pairs []Change
	for i := range to {
		pairs = append(pairs, Change{From: earlier[to[i].RecordID], To: &to[i]})
		delete(earlier, to[i].RecordID)
	}
	for i := range from {
		if earlier[from[i].RecordID] != nil {
			pairs = append(pairs, Change{From: &from[i]})
		}
	}
	var revised []Change
	for _, pair := range pairs {
		if pair.revised() {
			revised = append(revised, pair)
		}
		if pair.From == nil || pair.To == nil || !pair.same() {
			changes = append(changes, pair)
		}
	}
	if len(revised) > maxRevised {
		revised = nil
	}
	for i := range changes {
		changes[i].Because = changes[i].causes(revised)
	}
	return changes
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

// same reports whether both rows say the same; a revision alone says nothing.
func (c Change) same() bool {
	from := *c.From
	from.Revision = c.To.Revision
	return from == *c.To
}

func (c Change) causes(revised []Change) []string {
	var because []string
	if c.revised() {
		because = append(because, c.Row().RecordID)
	}
	for i := range revised {
		if len(because) == maxCauses {
			break
		}
		if r := revised[i]; r.Row().RecordID != c.Row().RecordID && crossed(r, c) {
			because = append(because, r.Row().RecordID)
		}
	}
	return because
}

// crossed reports whether other came before c or fell behind it, in any of the
// rankings that both are in. A new or removed entry has its own reason.
func crossed(other, c Change) bool {
	return c.From != nil && c.To != nil && ahead(other.From, c.From) != ahead(other.To, c.To)
}

// rankings says in which of its rankings one entry stands before another.
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
