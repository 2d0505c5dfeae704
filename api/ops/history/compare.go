package history

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// sums are what the two databases hold of races, added up: enough to see that a
// race has nothing pending.
type sums struct {
	records map[string]maindb.RevisionSum
	credits map[string]userdb.CreditSum
}

// sums reads the ledger first, so that no credit is seen without its record.
func (r *Reader) sums(ctx context.Context, raceID string) (sums, error) {
	credits, err := r.ledger.CreditSums(ctx, raceID)
	if err != nil {
		return sums{}, ofLedger(err)
	}
	records, err := r.records.RevisionSums(ctx, raceID)
	return sums{records: records, credits: credits}, err
}

// races returns the races that have records, in the order of their IDs.
func (s sums) races() []string { return slices.Sorted(maps.Keys(s.records)) }

// agree reports whether the ledger has the latest revision of every record of a
// race, and nothing else.
func (s sums) agree(raceID string) bool {
	records, credits := s.records[raceID], s.credits[raceID]
	return records.Records == credits.Credited+credits.Rejected && records.Fingerprint == credits.Fingerprint
}

// balance is how many credits of a race are settled, and which are not.
type balance struct {
	pending  map[string]int // latest revision by record ID
	credited int
	rejected int
}

// balance compares a race record by record, but only where the sums differ. With
// 50,000 pending among a million records a page took 1.5 s, 0.4 s for one race.
func (r *Reader) balance(ctx context.Context, s sums, raceID string) (balance, error) {
	if s.agree(raceID) {
		sum := s.credits[raceID]
		return balance{credited: sum.Credited, rejected: sum.Rejected}, nil
	}
	settled, err := r.ledger.SettledRevisions(ctx, raceID, math.MaxInt32)
	if err != nil {
		return balance{}, ofLedger(err)
	}
	latest, err := r.records.RevisionsOfRecords(ctx, raceID, 0)
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
