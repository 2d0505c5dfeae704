package race

import "time"

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
