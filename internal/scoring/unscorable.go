package scoring

import "errors"

// ErrUnknownRule reports a rule that does not exist. It is a fault of the
// caller, not of the performance.
var ErrUnknownRule = errors.New("unknown scoring rule")

// Unscorable is the error of a performance that a rule cannot score. Reason
// says why in plain words and holds no personal data, so that it can be shown
// as the reason of a rejection.
type Unscorable struct{ Reason string }

// Error returns the reason.
func (u *Unscorable) Error() string { return u.Reason }

// Every reason for which Points gives no points. Match them with errors.Is, or
// all of them with errors.As and *Unscorable.
var (
	ErrAgeUnknown          = &Unscorable{"the runner's age is unknown and the scoring rule needs it"}
	ErrAgeOutOfRange       = &Unscorable{"the age-grade tables cover ages 5 to 100"}
	ErrSexUnknown          = &Unscorable{"the runner's sex is unknown or not covered by the scoring rule"}
	ErrDistanceNotListed   = &Unscorable{"the scoring rule does not cover the race's distance"}
	ErrTimeNotPositive     = &Unscorable{"there is no time to score"}
	ErrFixedPointsNegative = &Unscorable{"the race's fixed points are negative"}
)
