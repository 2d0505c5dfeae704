package race

import (
	"errors"
	"fmt"
	"strconv"
)

// Standard is the qualifying time that a pool demands: an official result over a distance,
// run since a date within a time. The zero value demands nothing.
type Standard struct {
	Distance Distance `json:"distance_mm"`
	Men      Time     `json:"men_ms,omitempty"`   // zero: no time is set for men
	Women    Time     `json:"women_ms,omitempty"` // likewise
	Since    Date     `json:"since"`
}

// IsZero reports whether nothing is demanded.
func (s Standard) IsZero() bool { return s == Standard{} }

// Limit returns the slowest time that qualifies a runner of a sex, zero for none. For
// those who are neither M nor F it is the slower of the two.
func (s Standard) Limit(sex Sex) Time {
	switch sex {
	case Male:
		return s.Men
	case Female:
		return s.Women
	default:
		return max(s.Men, s.Women)
	}
}

// MetBy reports whether a time qualifies a runner of a sex; a time of zero is none.
func (s Standard) MetBy(sex Sex, best Time) bool { return best > 0 && best <= s.Limit(sex) }

// Kilometres writes the distance, as "42.195 km".
func (s Standard) Kilometres() string {
	return strconv.FormatFloat(s.Distance.Metres()/1000, 'f', -1, 64) + " km"
}

// check reports what is wrong with a standard that is set.
func (s Standard) check() (wrong FieldErrors) {
	if s.IsZero() {
		return nil
	}
	if s.Men == 0 && s.Women == 0 {
		wrong.Add("men", errors.New("is required, or the time for women, or both"))
	}
	if s.Since.IsZero() {
		wrong.Add("since", errors.New("is required: older results do not qualify"))
	}
	return wrong
}

// Refusal returns why a runner of a sex who does not meet the standard of a pool cannot
// enter it.
func (s Standard) Refusal(pool string, sex Sex) error {
	limit := s.Limit(sex)
	if limit == 0 {
		return &ConflictError{Field: "pool", Message: fmt.Sprintf("the pool %q sets no qualifying time for your sex: enter another pool, or ask the organizer to admit you", pool)}
	}
	return &ConflictError{Field: "pool", Message: fmt.Sprintf(
		"the pool %q asks for an official result over %s in %s or faster, run on %s or later and linked to your account: claim one that you have, enter another pool, or ask the organizer to admit you",
		pool, s.Kilometres(), limit, s.Since)}
}
