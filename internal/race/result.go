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

// netTolerance is how much longer than the gun time a net time may be: the two
// are often rounded apart, and nobody starts before the gun.
const netTolerance = Time(1000)

// MaxSequence is the highest place in a finish sequence that a store holds.
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
				add(t.field, "must be empty: who did not start (DNS) has no time")
			}
		}
		return wrong
	}
	if r.Gun != 0 && r.Net > r.Gun+netTolerance {
		add("net_time", "must not be longer than the gun time by more than a second")
	}
	return wrong
}
