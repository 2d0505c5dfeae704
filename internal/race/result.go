package race

import (
	"errors"
	"strings"
)

// ResultStatus says how a participant's race ended.
type ResultStatus string

// The statuses of a result. Only Finished has a place and points.
const (
	Finished     ResultStatus = "OK"
	DidNotFinish ResultStatus = "DNF"
	DidNotStart  ResultStatus = "DNS"
	Disqualified ResultStatus = "DQ"
	Overtime     ResultStatus = "OVERTIME" // finished after the cut-off
)

// ParseResultStatus reads a status as timing systems write it; the empty string
// is OK.
func ParseResultStatus(s string) (ResultStatus, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "ok", "finished", "finisher":
		return Finished, nil
	case "dnf", "did not finish":
		return DidNotFinish, nil
	case "dns", "did not start":
		return DidNotStart, nil
	case "dq", "dsq", "disqualified":
		return Disqualified, nil
	case "overtime", "otl", "over time limit":
		return Overtime, nil
	}
	return "", errors.New("must be OK, DNF, DNS, DQ or OVERTIME")
}

// Result is what an official record says of one bib.
type Result struct {
	Bib      string
	Gun      Time // zero: not taken
	Net      Time // zero: not taken
	Status   ResultStatus
	Sequence int // order of finish that the organizer supplied, from 1; 0: none
}

// netTolerance is how much longer than the gun time a net time may be. It should
// never be longer, since nobody starts before the gun, but the two are often
// rounded separately.
const netTolerance = Time(1000)

// MaxSequence is the highest position in a finish sequence that the database column
// holds.
const MaxSequence = 1<<31 - 1

// Check returns everything that is wrong with r, each with the field it is
// about as the API names it; nil when r can be recorded.
func (r Result) Check() []FieldError {
	var wrong []FieldError
	add := func(field, message string) { wrong = append(wrong, FieldError{Field: field, Message: message}) }
	if err := CheckBib(r.Bib); err != nil {
		add("bib", err.Error())
	}
	if r.Sequence < 0 || r.Sequence > MaxSequence {
		add("sequence", "must be from 1 to 2147483647")
	}
	if r.Status == DidNotStart {
		for _, t := range []struct {
			field string
			time  Time
		}{{"gun_time", r.Gun}, {"net_time", r.Net}} {
			if t.time != 0 {
				add(t.field, "must be empty: a runner who did not start (DNS) has no time")
			}
		}
		return wrong
	}
	if r.Gun != 0 && r.Net > r.Gun+netTolerance {
		add("net_time", "must not be longer than the gun time by more than a second")
	}
	return wrong
}

// ResultRow is what one row of a results file says about a bib. Nil means that the
// row says nothing: a missing column or an empty cell leaves what is known
// unchanged. A pointer to the zero value clears it.
type ResultRow struct {
	Row      int // as a person would count it in the file
	Bib      string
	Gun      *Time
	Net      *Time
	Status   *ResultStatus // cleared, it is Finished
	Sequence *int
	Splits   []Reading // a point that is not named keeps its reading
}

// Check returns everything that is wrong with the row itself, regardless of what is
// known.
func (row ResultRow) Check() []FieldError {
	return row.Stated().Check()
}

// Stated returns the result that the row states, with zero values where it says
// nothing.
func (row ResultRow) Stated() Result {
	return Result{
		Bib: row.Bib, Gun: valueOf(row.Gun), Net: valueOf(row.Net), Status: valueOf(row.Status), Sequence: valueOf(row.Sequence),
	}
}

func valueOf[T any](stated *T) (value T) {
	if stated != nil {
		value = *stated
	}
	return value
}

// Apply returns the known result updated by the row, or what is wrong with that. A
// status is only ever changed by a row that states one, so that files of times and
// files of statuses may come in either order. A runner who did not start has no
// times: a row that states DNS clears them, and a row with a time must also state a
// status if the known one is DNS.
func (row ResultRow) Apply(known Result) (Result, []FieldError) {
	result := known
	if row.Status != nil {
		if result.Status = *row.Status; result.Status == "" {
			result.Status = Finished
		}
		if result.Status == DidNotStart {
			result.Gun, result.Net = 0, 0
		}
	}
	for _, clock := range []struct {
		field  string
		stated *Time
		time   *Time
	}{{"gun_time", row.Gun, &result.Gun}, {"net_time", row.Net, &result.Net}} {
		if clock.stated == nil {
			continue
		}
		if row.Status == nil && known.Status == DidNotStart && *clock.stated != 0 {
			return Result{}, []FieldError{{clock.field, "the record's status is DNS, which has no time: state the status too, for example OK"}}
		}
		*clock.time = *clock.stated
	}
	if row.Sequence != nil {
		result.Sequence = *row.Sequence
	}
	if wrong := result.Check(); len(wrong) > 0 {
		return Result{}, wrong
	}
	return result, nil
}

// Cleared names the fields that the row clears.
func (row ResultRow) Cleared() []string {
	var cleared []string
	for _, field := range []struct {
		name string
		is   bool
	}{
		{"gun_time", row.Gun != nil && *row.Gun == 0},
		{"net_time", row.Net != nil && *row.Net == 0},
		{"status", row.Status != nil && *row.Status == ""},
		{"sequence", row.Sequence != nil && *row.Sequence == 0},
	} {
		if field.is {
			cleared = append(cleared, field.name)
		}
	}
	return cleared
}
