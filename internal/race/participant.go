package race

// EntryStatus is where a participant's entry stands.
type EntryStatus string

// An entry is entered until it is cancelled.
const (
	Entered   EntryStatus = "entered"
	Cancelled EntryStatus = "cancelled"
)

// Participant is somebody's entry in a race. It holds no name: names belong to
// the account.
type Participant struct {
	ID     string
	RaceID string
	UserID string
	Bib    string // empty until one is given out
	Sex    Sex
	Age    int // on race day, in whole years, or UnknownAge
	Field  Field
	Status EntryStatus
}
