package race

import "time"

// DisputeState is how far a dispute has got.
type DisputeState string

// A dispute is open until the organizer upholds it by a correction or rejects it with
// a reason, or the runner withdraws it.
const (
	DisputeOpen      DisputeState = "open"
	DisputeUpheld    DisputeState = "upheld"
	DisputeRejected  DisputeState = "rejected"
	DisputeWithdrawn DisputeState = "withdrawn"
)

// Dispute is what a runner says is wrong with their result, and how it was decided.
type Dispute struct {
	ID               string
	RaceID           string
	RecordID         string
	Revision         int    // of the record when it was disputed
	RunnerID         string // user ID
	State            DisputeState
	Wrong            string // what is wrong, in the runner's words; at most 1,000 characters
	RightWouldBe     string // likewise what would be right; may be empty
	OpenedAt         time.Time
	ClosedAt         time.Time // zero while it is open
	ClosedBy         string    // user ID
	Answer           string    // the reason of the decision, public; at most 500 characters
	AnsweredRevision int       // the correction that upholds it; 0: none
}
