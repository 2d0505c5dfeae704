package race

import "time"

// Record is an official record as its latest revision has it.
type Record struct {
	ID       string
	RaceID   string
	Revision int // from 1
	Result   Result
	Removed  bool
	HoldsBib bool // false while another live record of the race has the bib
	// TimeConfirmed says that somebody vouched for times that are implausible.
	TimeConfirmed bool
}

// Correct replaces the result. A confirmation is of the times that were there:
// other times need one of their own.
func (r *Record) Correct(result Result) {
	if result.Gun != r.Result.Gun || result.Net != r.Result.Net {
		r.TimeConfirmed = false
	}
	r.Result = result
}

// Revision is one immutable step in the life of a record.
type Revision struct {
	RecordID string
	Number   int
	Result   Result
	Removed  bool
	// TimeConfirmed is as of Record.
	TimeConfirmed bool
	Reason        string // why it was made; empty for the first
	ChangedBy     string // user ID of the organizer, or SystemActor
	ChangedAt     time.Time
}

// SystemActor stands in Revision.ChangedBy where no person made the change, as
// when a corrected start list sends a record on its way again.
const SystemActor = "system"
