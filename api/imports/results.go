package imports

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

var resultColumns = columnSet{bibColumn, gunTimeColumn, netTimeColumn, statusColumn, sequenceColumn}

// clears is the content of a cell that clears the record's value.
const clears = "-"

// Results reads official results of at most maxRows rows (0: DefaultMaxRows). The
// content type may be empty. An empty cell leaves the value unchanged, and - clears
// it. DNF, DNS, DQ or OVERTIME in the cell of a time states the status, and leaves
// the time unchanged. An error is a *FileError, a *TooManyRowsError, or what the
// reader returned.
func Results(r io.Reader, contentType string, maxRows int) (*Sheet[race.ResultRow], error) {
	return read(r, contentType, maxRows, resultColumns, resultRow)
}

// NoRankingTime returns the error for a file that would leave finishers without the
// time that ranks: most likely the name of its column is unknown.
func NoRankingTime(headers []string, basis race.Basis) error {
	column := gunTimeColumn
	if basis == race.Net {
		column = netTimeColumn
	}
	message := "no row has the time that ranks the race, nor a status that needs none (DNF, DNS, DQ, OVERTIME)"
	if len(headers) > 0 {
		message += "; the columns are " + quoted(headers)
	}
	return &FileError{Message: message + "; expected is one of " + strings.Join(columnNames[column], ", ") +
		fmt.Sprintf(", since the race ranks by %s time", basis)}
}

func resultRow(rec *record) (race.ResultRow, []race.FieldError) {
	var wrong faults
	row := race.ResultRow{Row: rec.row, Bib: rec.cells[bibColumn]}
	row.Status = parsed(rec, statusColumn, race.ParseResultStatus, &wrong)
	for _, clock := range []struct {
		column column
		time   **race.Time
	}{{gunTimeColumn, &row.Gun}, {netTimeColumn, &row.Net}} {
		word, isWord := statusWord(rec.cells[clock.column])
		switch {
		case !isWord:
			*clock.time = parsed(rec, clock.column, race.ParseTime, &wrong)
		case row.Status != nil && *row.Status != "" && *row.Status != word:
			wrong.add(clock.column, fmt.Errorf("says %s, but the row is %s", word, *row.Status))
		default:
			row.Status = &word
		}
	}
	row.Sequence = parsed(rec, sequenceColumn, parseSequence, &wrong)
	return row, append(wrong, row.Check()...)
}

// parsed returns what a cell states: nil if it is empty, a pointer to the zero
// value if it clears.
func parsed[T any](rec *record, c column, parse func(string) (T, error), wrong *faults) *T {
	var value T
	switch cell := rec.cells[c]; cell {
	case "":
		return nil
	case clears:
	default:
		var err error
		if value, err = parse(cell); err != nil {
			wrong.add(c, err)
			return nil
		}
	}
	return &value
}

// statusWord returns the status that the cell of a time holds instead of a time.
func statusWord(cell string) (race.ResultStatus, bool) {
	status, err := race.ParseResultStatus(cell)
	return status, err == nil && status != race.Finished
}

func parseSequence(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31) // race.MaxSequence has 31 bits
	if err != nil || n == 0 {
		return 0, errors.New("must be a whole number from 1 to 2147483647")
	}
	return int(n), nil
}
