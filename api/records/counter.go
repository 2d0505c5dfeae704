package records

import "context"

// Tally counts the revisions of a race's records by what became of them.
type Tally = tally

// Counter returns what the progress of a race's credits is counted by, for
// those who show it live.
func Counter(store Store, ledger Ledger, ahead Ahead) func(ctx context.Context, raceID string) (Tally, error) {
	return progress{store: store, ledger: ledger, ahead: ahead}.count
}
