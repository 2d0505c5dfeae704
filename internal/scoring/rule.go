package scoring

import (
	"errors"
	"fmt"
	"strings"
)

// Rule names a scoring rule together with its edition, as a race names it
// ("agegrade-2025"). The zero value means no rule.
type Rule string

// The rules that can be computed. A published edition never changes, so a
// credit kept with its rule and edition can be recomputed for ever.
const (
	AgeGrade2020       Rule = "agegrade-2020" // Alan Jones's road tables, approved 2020-05-20
	AgeGrade2025       Rule = "agegrade-2025" // Alan Jones's road tables, approved 2025-01-10
	WorldAthletics2022 Rule = "wa-2022"       // World Athletics scoring tables, 2022 edition
	WorldAthletics2025 Rule = "wa-2025"       // World Athletics scoring tables, 2025 edition
	Fixed              Rule = "fixed"         // the race's own value for every finisher
)

// Default is the rule of a race that names none.
const Default = AgeGrade2025

// fixedEdition is what the ledger keeps as the edition of Fixed, which has no
// published one.
const fixedEdition = "1"

// Offered lists the rules that a new race may choose, the default first. The
// superseded AgeGrade2020 is not among them: it is kept for recomputation.
func Offered() []Rule {
	return []Rule{AgeGrade2025, WorldAthletics2025, WorldAthletics2022, Fixed}
}

// ParseRule returns the rule of that exact name, offered or superseded, or an
// error that matches ErrUnknownRule.
func ParseRule(s string) (Rule, error) {
	switch r := Rule(s); r {
	case AgeGrade2020, AgeGrade2025, WorldAthletics2022, WorldAthletics2025, Fixed:
		return r, nil
	default:
		return "", fmt.Errorf("%w: %q", ErrUnknownRule, s)
	}
}

// RuleOf joins a name and an edition as the ledger keeps them ("agegrade",
// "2025") to the rule again, or returns an error that matches ErrUnknownRule.
func RuleOf(name, edition string) (Rule, error) {
	if name == string(Fixed) && edition == fixedEdition {
		return Fixed, nil
	}
	return ParseRule(name + "-" + edition)
}

// Name returns the rule without its edition: "agegrade", "wa" or "fixed".
func (r Rule) Name() string {
	name, _, _ := strings.Cut(string(r), "-")
	return name
}

// Edition returns the edition alone: "2025", "2022", "2020", or "1" for Fixed.
func (r Rule) Edition() string {
	_, edition, found := strings.Cut(string(r), "-")
	if !found {
		return fixedEdition
	}
	return edition
}

// ErrUnknownRule reports a rule that does not exist. It is a mistake of the caller,
// not a property of the performance.
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
