package wake

import (
	"context"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Ledger is a ledger whose commits wake the standings of their race.
type Ledger struct {
	activities.Ledger
	Nudge func(raceID string)
}

// ApplyCredit applies the credit, then nudges. It nudges for a credit that was
// there already too: the process that committed it may have died before it did.
func (l Ledger) ApplyCredit(ctx context.Context, c race.Credit) (userdb.Applied, error) {
	applied, err := l.Ledger.ApplyCredit(ctx, c)
	if err == nil {
		l.Nudge(c.RaceID)
	}
	return applied, err
}
