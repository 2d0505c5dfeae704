package records

import (
	"errors"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// faults collects what is wrong with a body, field by field.
type faults struct{ race.Faults }

// addOthers adds what is wrong with fields that have no fault yet.
func (f *faults) addOthers(wrong []race.FieldError) {
	for _, w := range wrong {
		if !slices.ContainsFunc(f.Faults, func(known race.FieldError) bool { return known.Field == w.Field }) {
			f.Faults = append(f.Faults, w)
		}
	}
}

// parseTime reads a time in the sport's notation. Null and absent are no time;
// the empty string is neither.
func (f *faults) parseTime(field string, in text) race.Time {
	if !in.given || in.null {
		return 0
	}
	t, err := race.ParseTime(in.value)
	f.Add(field, err)
	return t
}

// parseReason reads why a revision is made.
func (f *faults) parseReason(s string) string {
	reason := strings.TrimSpace(s)
	if reason == "" {
		f.Add("reason", errors.New("must say why, in 1 to 500 characters"))
	}
	return reason
}
