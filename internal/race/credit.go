package race

import "time"

// CreditStatus is the state of a record's points.
type CreditStatus string

// A credit is pending until its outcome is committed to the ledger. A revision that
// a newer one replaced is superseded.
const (
	Pending    CreditStatus = "pending"
	Credited   CreditStatus = "credited"
	Rejected   CreditStatus = "rejected"
	Superseded CreditStatus = "superseded"
)

// Reversed is the status of a credit whose record no longer exists: its points were
// taken back.
const Reversed CreditStatus = "reversed"

// FingerprintBytes is the size of a fingerprint.
const FingerprintBytes = 16

// Fingerprint identifies the inputs that a credit was computed from: 16 bytes in
// hexadecimal, of which the first identifies the form. Empty means unknown, as for
// credits older than fingerprints.
type Fingerprint string

// Differs reports whether f and other identify different inputs. It is false where
// one is unknown or their forms differ, since they cannot be compared.
func (f Fingerprint) Differs(other Fingerprint) bool {
	return len(f) == 2*FingerprintBytes && len(other) == len(f) && f[:2] == other[:2] && f != other
}

// Credit is the committed outcome of one record: the revision last applied to the
// ledger, and its points or the reason for having none.
type Credit struct {
	RecordID   string
	RaceID     string
	Revision   int
	Status     CreditStatus // Credited or Rejected
	UserID     string       // the runner credited; empty when rejected
	Points     int64
	Rule       string // rule without edition, e.g. "agegrade"
	Edition    string // e.g. "2025"
	Reason     string // why rejected, or why it is worth no points; empty otherwise
	WorkflowID string
	Parts      *Parts // what Points were computed from; nil: nothing, or not kept
	// Fingerprint is of the inputs that the credit was computed from.
	Fingerprint Fingerprint
	AppliedAt   time.Time // when it was committed to the ledger; zero when not read
}

// SameOutcome reports whether both credits were computed from the same inputs and
// have the same outcome, so that only the revision differs. It is false where the
// inputs are unknown.
func (c Credit) SameOutcome(other Credit) bool {
	return c.Fingerprint != "" && c.Fingerprint == other.Fingerprint && c.Status == other.Status && c.UserID == other.UserID &&
		c.Points == other.Points && c.Rule == other.Rule && c.Edition == other.Edition && c.Reason == other.Reason
}

// Parts are what a scoring rule computed points from. The ledger keeps them as JSON
// and the API shows them as they are. They hold sex and age, so they must not
// appear in a workflow's history.
type Parts struct {
	Rule      string  `json:"rule" example:"agegrade-2025" doc:"The scoring rule with its edition."`
	Clock     Basis   `json:"clock,omitempty" enum:"gun,net" doc:"The clock whose time was scored: the one that ranks the race."`
	Time      string  `json:"time,omitempty" example:"2:30:00" doc:"The time that was scored."`
	DistanceM float64 `json:"distance_m,omitempty" example:"42195"`
	Sex       Sex     `json:"sex,omitempty" enum:"M,F" doc:"The sex of the table that was used."`

	Age             *int    `json:"age,omitempty" example:"35" doc:"On race day. For age grades."`
	OpenStandard    string  `json:"open_standard,omitempty" example:"2:09:56" doc:"The time worth 100 % at the best age, for the distance and sex. For age grades."`
	AgeFactor       float64 `json:"age_factor,omitempty" example:"0.9903" doc:"The open standard divided by it is the standard for the age. For age grades."`
	AgeGradePercent float64 `json:"age_grade_percent,omitempty" example:"87.46" doc:"100 × open standard ÷ age factor ÷ time, rounded down. Points are ten times it, rounded down."`

	Numerator int64  `json:"numerator,omitempty" doc:"Points are numerator × (cutoff − time)² ÷ divisor in whole seconds, rounded down, the time rounded up. For World Athletics."`
	Divisor   int64  `json:"divisor,omitempty" doc:"For World Athletics."`
	Cutoff    string `json:"cutoff,omitempty" example:"4:16:40" doc:"The slowest time is worth no points. For World Athletics."`

	FixedPoints *int64 `json:"fixed_points,omitempty" doc:"What the race gives every finisher. For the rule fixed."`
}
