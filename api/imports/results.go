package imports

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// ResultRow is one line of a results file.
type ResultRow struct {
	Row    int // as in RowError
	Result race.Result
}

var resultColumns = columnSet{bibColumn, gunTimeColumn, netTimeColumn, statusColumn, sequenceColumn}

// Results reads official results of at most maxRows rows (0: DefaultMaxRows).
// The content type may be empty. DNF, DNS, DQ or OVERTIME in the place of a
// time sets the status. An error is a *FileError, a *TooManyRowsError, or what
// the reader returned.
func Results(r io.Reader, contentType string, maxRows int) (*Sheet[ResultRow], error) {
	return read(r, contentType, maxRows, resultColumns, resultRow)
}

func resultRow(rec *record) (ResultRow, []race.FieldError) {
	var wrong faults
	result := race.Result{Bib: rec.cells[bibColumn]}
	var err error
	result.Status, err = race.ParseResultStatus(rec.cells[statusColumn])
	wrong.add(statusColumn, err)
	stated := rec.cells[statusColumn] != ""
	for _, clock := range []struct {
		column column
		time   *race.Time
	}{{gunTimeColumn, &result.Gun}, {netTimeColumn, &result.Net}} {
		cell := rec.cells[clock.column]
		if word, isWord := statusWord(cell); isWord {
			if stated && result.Status != "" && result.Status != word {
				wrong.add(clock.column, fmt.Errorf("says %s, but the row is %s", word, result.Status))
				continue
			}
			result.Status, stated = word, true
			continue
		}
		if cell != "" {
			*clock.time, err = race.ParseTime(cell)
			wrong.add(clock.column, err)
		}
	}
	result.Sequence, err = parseSequence(rec.cells[sequenceColumn])
	wrong.add(sequenceColumn, err)
	return ResultRow{Row: rec.row, Result: result}, append(wrong, result.Check()...)
}

// statusWord tells whether the cell of a time holds a status in its place.
func statusWord(cell string) (race.ResultStatus, bool) {
	status, err := race.ParseResultStatus(cell)
	return status, err == nil && status != race.Finished
}

func parseSequence(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31) // race.MaxSequence has 31 bits
	if err != nil || n == 0 {
		return 0, errors.New("must be a whole number from 1 to 2147483647")
	}
	return int(n), nil
}
