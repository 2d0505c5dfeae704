package imports

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// column is something that a cell can mean. Its String is the name that the
// API uses.
type column int

const (
	bibColumn column = iota
	nameColumn
	firstNameColumn
	lastNameColumn
	sexColumn
	ageColumn
	birthDateColumn
	fieldColumn
	loginIDColumn
	teamColumn
	gunTimeColumn
	netTimeColumn
	statusColumn
	sequenceColumn
	columnCount
)

// columnNames lists what a header may call each column, the API's own name
// first. A column named class or category is none of these: in organizers'
// files it holds age groups, not the field.
var columnNames = [columnCount][]string{
	bibColumn:       {"bib", "bib_number", "bib_no", "number", "race_number", "start_number"},
	nameColumn:      {"name", "full_name", "athlete", "runner"},
	firstNameColumn: {"first_name", "given_name", "forename"},
	lastNameColumn:  {"last_name", "surname", "family_name"},
	sexColumn:       {"sex", "gender"},
	ageColumn:       {"age"},
	birthDateColumn: {"birth_date", "dob", "date_of_birth"},
	fieldColumn:     {"field"},
	loginIDColumn:   {"login_id", "login", "account"},
	teamColumn:      {"team", "team_name", "club"},
	gunTimeColumn:   {"gun_time", "gun", "clock_time", "clock", "official_time", "gross_time"},
	netTimeColumn:   {"net_time", "net", "chip_time", "chip", "real_time"},
	statusColumn:    {"status"},
	sequenceColumn:  {"sequence", "finish_sequence", "seq"},
}

// columnsByName finds a column by any of its names in their plain form.
var columnsByName = func() map[string]column {
	byName := make(map[string]column)
	for c, names := range columnNames {
		for _, name := range names {
			byName[plainName(name)] = column(c)
		}
	}
	return byName
}()

func (c column) String() string { return columnNames[c][0] }

// columnSet is the set of columns that one kind of file may have.
type columnSet []column

func (s columnSet) has(c column) bool { return slices.Contains(s, c) }

// findColumn returns the column that a header or a property name means.
func findColumn(name string) (column, bool) {
	c, known := columnsByName[plainName(name)]
	return c, known
}

// plainName keeps the letters and digits of a name, in lower case, so that "Bib
// No.", "bib-no" and "BIB_NO" are the same.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// given holds the name that a file uses for each column.
type given [columnCount]string

// isResults reports whether a start list has nothing of one but the bib.
func (g *given) isResults(wanted columnSet) bool {
	return wanted.has(nameColumn) && !slices.ContainsFunc(wanted, func(c column) bool { return c != bibColumn && g[c] != "" })
}

func notAStartList(name string) string {
	return fmt.Sprintf("%q belongs in a results file, and nothing of a start list is there but the bib: send results to official-records/import", name)
}

// add records that the file calls column c name. It returns an error message if
// another name already stands for the same column.
func (g *given) add(c column, name string) (conflict string) {
	rivals := []column{c}
	if c == nameColumn {
		rivals = []column{nameColumn, firstNameColumn, lastNameColumn}
	}
	if c == firstNameColumn || c == lastNameColumn {
		rivals = []column{c, nameColumn}
	}
	for _, rival := range rivals {
		if g[rival] != "" {
			return fmt.Sprintf("%q and %q mean the same; keep one of them", g[rival], name)
		}
	}
	g[c] = name
	return ""
}

// duplicates finds rows that name the same thing.
type duplicates struct {
	first map[string]int // the first row of each key
	other map[int]int    // for a duplicate row: the number of another one
}

func newDuplicates() duplicates {
	return duplicates{first: make(map[string]int), other: make(map[int]int)}
}

func (t duplicates) add(key string, row int) {
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

func (t duplicates) has(row int) bool {
	_, has := t.other[row]
	return has
}

func (t duplicates) rowErrors(c column) []RowError {
	out := make([]RowError, 0, len(t.other))
	for row, other := range t.other {
		out = append(out, RowError{Row: row, Field: c.String(), Message: fmt.Sprintf("is also in row %d", other)})
	}
	return out
}
