package imports

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// The longest texts that the stores can hold, in characters.
const (
	maxNameLength  = 200
	maxLoginLength = 190
)

// StartListRow is one entry of a start list.
type StartListRow struct {
	Row       int // numbered as in RowError
	Bib       string
	Name      string // empty when the list has none
	Sex       race.Sex
	Age       int        // on race day as the list states it; race.UnknownAge when it does not
	BirthDate race.Date  // zero when the list has none
	Field     race.Field // empty when the list has none
	LoginID   string     // lower case; empty: a runner without an account
	Team      string

	ClearsName, ClearsSex, ClearsAge, ClearsBirthDate, ClearsTeam bool // by a -
}

var startListColumns = columnSet{
	bibColumn, nameColumn, firstNameColumn, lastNameColumn, sexColumn, ageColumn, birthDateColumn, fieldColumn, loginIDColumn, teamColumn,
}

// StartList reads a start list of at most maxRows entries (0: DefaultMaxRows).
// The content type may be empty. An error is a *FileError, a
// *TooManyRowsError, or what the reader returned.
func StartList(r io.Reader, contentType string, maxRows int) (*Sheet[StartListRow], error) {
	return read(r, contentType, maxRows, startListColumns, startListRow)
}

func startListRow(rec *record) (StartListRow, []race.FieldError) {
	var wrong faults
	row := StartListRow{Row: rec.row, Bib: rec.cells[bibColumn], LoginID: loginKey(rec.cells[loginIDColumn])}
	row.noteCleared(rec)
	var err error
	wrong.add(bibColumn, race.CheckBib(row.Bib))
	row.Name, err = parseName(rec)
	wrong.add(nameColumn, err)
	row.Sex, err = race.ParseSex(rec.cells[sexColumn])
	wrong.add(sexColumn, err)
	row.Age, err = parseAge(rec.cells[ageColumn])
	wrong.add(ageColumn, err)
	if date := rec.cells[birthDateColumn]; date != "" {
		row.BirthDate, err = race.ParseDate(date)
		wrong.add(birthDateColumn, err)
	}
	switch field := rec.cells[fieldColumn]; field {
	case "": // unchanged
	case clears:
		row.Field = race.Runner
	default:
		row.Field, err = race.ParseField(field)
		wrong.add(fieldColumn, err)
	}
	row.Team, err = race.ParseTeam(rec.cells[teamColumn])
	wrong.add(teamColumn, err)
	row.ClearsName = row.ClearsName && row.Name == "" // a - for one half of a name leaves the other
	if utf8.RuneCountInString(row.LoginID) > maxLoginLength {
		wrong.add(loginIDColumn, errors.New("must have at most 190 characters"))
	}
	return row, wrong
}

// noteCleared notes the cells that clear what is known, and empties them.
func (row *StartListRow) noteCleared(rec *record) {
	for c, cleared := range map[column]*bool{
		nameColumn: &row.ClearsName, firstNameColumn: &row.ClearsName, lastNameColumn: &row.ClearsName,
		sexColumn: &row.ClearsSex, ageColumn: &row.ClearsAge, birthDateColumn: &row.ClearsBirthDate, teamColumn: &row.ClearsTeam,
	} {
		if rec.cells[c] == clears {
			rec.cells[c], *cleared = "", true
		}
	}
}

// parseName joins the parts of a name with single spaces, and replaces the line
// breaks that a quoted cell may hold.
func parseName(rec *record) (string, error) {
	whole := rec.cells[nameColumn] + " " + rec.cells[firstNameColumn] + " " + rec.cells[lastNameColumn]
	name, err := race.Line(strings.Join(strings.Fields(whole), " "))
	if err != nil {
		return "", err
	}
	name = race.Visible(name)
	if utf8.RuneCountInString(name) > maxNameLength {
		return "", errors.New("must have at most 200 characters")
	}
	return name, nil
}

func parseAge(s string) (int, error) {
	if s == "" {
		return race.UnknownAge, nil
	}
	age, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return race.UnknownAge, errors.New("must be a whole number from 0 to 120")
	}
	return int(age), race.CheckAge(int(age))
}

// loginKey is the form in which login IDs are kept and compared.
func loginKey(login string) string { return strings.ToLower(login) }

// faults collects what is wrong with a row.
type faults []race.FieldError

func (f *faults) add(c column, err error) {
	if err != nil {
		*f = append(*f, race.FieldError{Field: c.String(), Message: err.Error()})
	}
}
