package imports

import "fmt"

// twins finds rows that name the same thing.
type twins struct {
	first map[string]int // the first row of each key
	other map[int]int    // for a row that has twins: one of them
}

func newTwins() twins {
	return twins{first: make(map[string]int), other: make(map[int]int)}
}

func (t twins) add(key string, row int) {
	first, seen := t.first[key]
	if !seen {
		t.first[key] = row
		return
	}
	t.other[row] = first
	if _, named := t.other[first]; !named {
		t.other[first] = row
	}
}

func (t twins) has(row int) bool {
	_, has := t.other[row]
	return has
}

func (t twins) rowErrors(c column) []RowError {
	out := make([]RowError, 0, len(t.other))
	for row, other := range t.other {
		out = append(out, RowError{Row: row, Field: c.String(), Message: fmt.Sprintf("is also in row %d", other)})
	}
	return out
}
