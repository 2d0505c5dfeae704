package race

import "time"

// CreditStatus is what has become of the points of a record.
type CreditStatus string

// A credit is pending until its outcome is committed to the ledger. A revision
// that a newer one overtook is superseded.
const (
	Pending    CreditStatus = "pending"
	Credited   CreditStatus = "credited"
	Rejected   CreditStatus = "rejected"
	Superseded CreditStatus = "superseded"
)

// Credit is the committed outcome of one record: the revision last applied to
// the ledger and what it came to.
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
	AppliedAt  time.Time // when the ledger took it; zero when not read
}
