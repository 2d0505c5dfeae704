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
	// Decided reports whether the result stands by a person's decision: a
	// correction, a removal, a confirmation. A results file does not override it.
	Decided bool
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

// Origin says what made a revision. It is empty where nobody noted it.
type Origin string

// The origins of revisions.
const (
	ByHand   Origin = "hand"   // a person decided
	ByPost   Origin = "post"   // a record was posted by itself, as timing software does
	ByFile   Origin = "file"   // a results file
	ByUndo   Origin = "undo"   // an import was undone
	BySystem Origin = "system" // the result is the same: its points are computed anew
)

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
	Origin        Origin
	Decided       bool   // as of Record
	ImportID      string // the import that made or undid it; empty: none did
}

// SystemActor stands in Revision.ChangedBy where no person made the change, as
// when a corrected start list has points computed anew.
const SystemActor = "system"

// UnofficialRecord is what a runner keeps of a run of their own. It earns no
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
