package ops

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type comparedRecords interface {
	latestRevisions
	// RevisionSums sums up the latest revisions of a race, or of every race when
	// raceID is empty.
	RevisionSums(ctx context.Context, raceID string) (map[string]maindb.RevisionSum, error)
	// RevisionsOfRecords returns the latest revision of each record where it is
	// above the given one.
	RevisionsOfRecords(ctx context.Context, raceID string, above int) (map[string]int, error)
}

type comparedCredits interface {
	creditReader
	// CreditSums sums up the credits of a race, or of every race when raceID is
	// empty.
	CreditSums(ctx context.Context, raceID string) (map[string]userdb.CreditSum, error)
	// SettledRevisions returns what the ledger holds of revisions below that one.
	SettledRevisions(ctx context.Context, raceID string, below int) ([]userdb.Settled, error)
	// RejectedOfRace returns the credits that are rejected for a reason that
	// contains the given one, whatever revision they are of, by record ID.
	RejectedOfRace(ctx context.Context, raceID, reason string) ([]userdb.Settled, error)
}

// sums are what the two databases hold of races, summed up: enough to tell that
// a race has nothing pending.
type sums struct {
	records map[string]maindb.RevisionSum
	credits map[string]userdb.CreditSum
}

// sums reads the ledger first, so that it sees no credit of a record that it
// does not see.
func (f finder) sums(ctx context.Context, raceID string) (sums, error) {
	credits, err := f.ledger.CreditSums(ctx, raceID)
	if err != nil {
		return sums{}, err
	}
	records, err := f.records.RevisionSums(ctx, raceID)
	return sums{records: records, credits: credits}, err
}

// races returns the races that have records, in the order of their IDs.
func (s sums) races() []string { return slices.Sorted(maps.Keys(s.records)) }

// agree tells whether the ledger has the latest revision of every record of a
// race, and nothing besides.
func (s sums) agree(raceID string) bool {
	records, credits := s.records[raceID], s.credits[raceID]
	return records.Records == credits.Credited+credits.Rejected && records.Fingerprint == credits.Fingerprint
}

// balance is how far the credits of a race are.
type balance struct {
	pending  map[string]int // latest revision by record ID
	credited int
	rejected int
}

// balance compares a race record by record, but only where the sums differ. With
// 50,000 pending among a million records a page took 1.5 s, of one race 0.4 s.
func (f finder) balance(ctx context.Context, s sums, raceID string) (balance, error) {
	if s.agree(raceID) {
		sum := s.credits[raceID]
		return balance{credited: sum.Credited, rejected: sum.Rejected}, nil
	}
	settled, err := f.ledger.SettledRevisions(ctx, raceID, math.MaxInt32)
	if err != nil {
		return balance{}, err
	}
	latest, err := f.records.RevisionsOfRecords(ctx, raceID, 0)
	if err != nil {
		return balance{}, err
	}
	b := balance{pending: latest}
	for _, credit := range settled {
		revision, known := latest[credit.RecordID]
		if !known || credit.Revision < revision {
			continue
		}
		delete(b.pending, credit.RecordID)
		if credit.Status == race.Rejected {
			b.rejected++
		} else {
			b.credited++
		}
	}
	return b, nil
}
