// Package reconcile decides what the two databases, which no transaction spans,
// mean together: whether the ledger in user_db matches the records in main_db, and
// if not, how they differ.
//
// The ledger is usually right or a moment behind. It is ahead when main_db lost its
// last seconds, in a restore or a failover, and user_db did not: then it holds
// revisions that no record has, and revision numbers are used a second time. So a
// credit is current only when its revision equals the record's and both come from
// the same inputs.
package reconcile

import "github.com/mrmrthon/mrmrthon/internal/race"

// State is the state of a credit relative to its record.
type State string

const (
	// None means that there is neither a record nor a credit with points.
	None State = "none"
	// Current means that the ledger holds the outcome of the record as it is.
	Current State = "current"
	// Pending means that the ledger holds no revision of the record, or an older
	// one.
	Pending State = "pending"
	// Ahead means that the ledger holds a revision that the record does not have.
	// No message can change that, because the ledger accepts only newer revisions:
	// the record's revision must rise above the ledger's.
	Ahead State = "ahead"
	// Orphaned means that the ledger gives points for a record that does not exist.
	// They must be reversed.
	Orphaned State = "orphaned"
)

// Of compares a record with its credit. revision is the record's, 0 when it does
// not exist; inputs is the fingerprint of what would be credited now, empty when it
// is not known; credit is zero when the ledger has none. Read the ledger before the
// record; otherwise a credit that is merely newer may seem ahead.
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

// Status is a record's credit status as people are shown it. One that is ahead is
// pending: the audit revises the record, and then it is credited again.
func (s State) Status(credit race.Credit) race.CreditStatus {
	if s == Current {
		return credit.Status
	}
	return race.Pending
}
