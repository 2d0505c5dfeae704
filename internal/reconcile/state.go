// Package reconcile decides what the two databases, which no transaction spans,
// mean together: whether the ledger in user_db has what the records in main_db
// say, and if not, in which way they differ.
//
// The ledger is usually right or a moment behind. It is ahead when main_db lost
// its last seconds, in a restore or a failover, and user_db did not: then it
// holds revisions that no record has, and revision numbers are dealt a second
// time. So a credit is current only when its revision equals the record's and
// both come from the same inputs.
package reconcile

import "github.com/mrmrthon/mrmrthon/internal/race"

// State is how a record and its credit stand to each other.
type State string

const (
	// None means that there is neither a record nor a credit that gives anybody anything.
	None State = "none"
	// Current means that the ledger holds the outcome of the record as it is.
	Current State = "current"
	// Pending means that the ledger holds nothing of the record, or an older revision.
	Pending State = "pending"
	// Ahead means that the ledger holds a revision that the record does not have. No message
	// can change that, because the ledger takes newer revisions only: the record's
	// revision must rise above the ledger's.
	Ahead State = "ahead"
	// Orphaned means that the ledger gives points for a record that does not exist. They are
	// to be reversed.
	Orphaned State = "orphaned"
)

// Of compares a record with its credit. revision is the record's, 0 when it does
// not exist; inputs is the fingerprint of what would be credited now, empty when
// it is not known; credit is zero when the ledger has none. Read the ledger
// before the record, or a credit may seem ahead that is merely newer.
func Of(revision int, inputs race.Fingerprint, credit race.Credit) State {
	switch {
	case revision == 0 && credit.UserID == "":
		return None
	case revision == 0:
		return Orphaned
	case credit.Revision > revision:
		return Ahead
	case credit.Revision < revision:
		return Pending
	case credit.Status == race.Reversed, credit.Fingerprint.Differs(inputs):
		return Ahead
	}
	return Current
}

// Status is what people are shown of a record's credit. One that is ahead is
// pending: the audit revises the record, and then it is credited anew.
func (s State) Status(credit race.Credit) race.CreditStatus {
	if s == Current {
		return credit.Status
	}
	return race.Pending
}
