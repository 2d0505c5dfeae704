package records

import (
	"errors"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// faults collects what is wrong with a body, field by field.
type faults []race.FieldError

func (f *faults) add(field string, err error) {
	if err != nil {
		*f = append(*f, race.FieldError{Field: field, Message: err.Error()})
	}
}

// addOthers adds what is wrong with fields that have no fault yet.
func (f *faults) addOthers(wrong []race.FieldError) {
	for _, w := range wrong {
		if !slices.ContainsFunc(*f, func(known race.FieldError) bool { return known.Field == w.Field }) {
			*f = append(*f, w)
		}
	}
}

// err returns a *race.InvalidError, nil when nothing was wrong.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &race.InvalidError{Fields: f}
}

// parseTime reads a time in the sport's notation. Null and absent are no time;
// the empty string is neither.
func (f *faults) parseTime(field string, in text) race.Time {
	if !in.given || in.null {
		return 0
	}
	t, err := race.ParseTime(in.value)
	f.add(field, err)
	return t
}

// parseReason reads why a revision is made.
func (f *faults) parseReason(s string) string {
	reason := strings.TrimSpace(s)
	if reason == "" {
		f.add("reason", errors.New("must say why, in 1 to 500 characters"))
	}
	return reason
}
