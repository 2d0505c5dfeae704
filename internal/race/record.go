package race

import "time"

// Record is an official record as of its latest revision.
type Record struct {
	ID       string
	RaceID   string
	Revision int // from 1
	Result   Result
	Removed  bool
	HoldsBib bool // false while another live record of the race has the bib
	// Decided reports whether a person has set the result: by a correction, a
	// removal or a confirmation. A results file does not override it.
	Decided bool
	// TimeConfirmed says that somebody has confirmed times that are implausible.
	TimeConfirmed bool
}

// Correct replaces the result. A confirmation covers only the times that it was
// given for: other times need a new one.
func (r *Record) Correct(result Result) {
	if result.Gun != r.Result.Gun || result.Net != r.Result.Net {
		r.TimeConfirmed = false
	}
	r.Result = result
}

// Origin says what made a revision. It is empty for revisions from before origins
// were kept.
type Origin string

// The origins of revisions.
const (
	ByHand   Origin = "hand"   // by a person
	ByPost   Origin = "post"   // a single record was posted, as timing software does
	ByFile   Origin = "file"   // a results file
	ByUndo   Origin = "undo"   // an import was undone
	BySystem Origin = "system" // the result is the same; its points are computed again
)

// Revision is one immutable state of a record.
type Revision struct {
	RecordID string
	Number   int
	Result   Result
	Removed  bool
	// TimeConfirmed is as in Record.
	TimeConfirmed bool
	Reason        string // why it was made; empty for the first
	ChangedBy     string // user ID of the organizer, or SystemActor
	ChangedAt     time.Time
	Origin        Origin
	Decided       bool   // as in Record
	ImportID      string // the import that made or undid it; empty: none did
}

// SystemActor stands in Revision.ChangedBy where no person made the change, as when
// a corrected start list makes the system compute points again.
const SystemActor = "system"

// UnofficialRecord is a run that a runner recorded for themselves. It earns no
// points.
type UnofficialRecord struct {
	ID        string
	UserID    string
	Date      Date
	Distance  Distance
	Time      Time
	Title     string
	Note      string
	CreatedAt time.Time
}
