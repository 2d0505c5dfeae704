package reconcile

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Records is what a comparison reads from main_db.
type Records interface {
	// CountRevisions counts the records of a race, removed ones included, and
	// their revisions.
	CountRevisions(ctx context.Context, raceID string) (records, revisions int, err error)
	// RevisionSums sums up the latest revisions of a race, or of up to limit races
	// after the ID after when raceID is empty.
	RevisionSums(ctx context.Context, raceID, after string, limit int) (map[string]maindb.RevisionSum, error)
	// RevisionsOfRecords returns the latest revision of each record of a race.
	RevisionsOfRecords(ctx context.Context, raceID string) (map[string]int, error)
	// FactsOf returns what decides the credits of those records that exist.
	FactsOf(ctx context.Context, recordIDs []string) (map[string]scoring.Facts, error)
}

// Ledger is what a comparison reads from user_db.
type Ledger interface {
	// CreditTotals counts the credits of a race, whatever revision they are of.
	CreditTotals(ctx context.Context, raceID string) (userdb.CreditTotals, error)
	// CreditSums sums up the credits of a race, or of up to limit races after the ID
	// after when raceID is empty.
	CreditSums(ctx context.Context, raceID, after string, limit int) (map[string]userdb.CreditSum, error)
	// SettledRevisions returns what the ledger holds about a race's records.
	SettledRevisions(ctx context.Context, raceID string) ([]userdb.Settled, error)
	// Credits returns the credits of those records that have one, by record ID.
	Credits(ctx context.Context, recordIDs []string) (map[string]race.Credit, error)
}

// Databases compares main_db with user_db. It reads the ledger before the records,
// so that a revision made in between can make a credit seem outdated, which it then
// is, but never ahead.
//
// Whole races are compared by their revisions alone, from indexes. Fingerprints
// need the rows, so Credits compares them, for records by their IDs.
type Databases struct {
	Records Records
	Ledger  Ledger
}

// LedgerError is an error of user_db. It lets callers distinguish which of the two
// databases does not answer.
type LedgerError struct{ Err error }

func (e *LedgerError) Error() string { return "user_db: " + e.Err.Error() }

// Unwrap returns the error of the store.
func (e *LedgerError) Unwrap() error { return e.Err }

// Sums summarize what the two databases hold about races: enough to see whether
// they agree.
type Sums struct {
	records map[string]maindb.RevisionSum
	credits map[string]userdb.CreditSum
}

// Sums returns the sums of a race, or of all races when raceID is empty.
func (d Databases) Sums(ctx context.Context, raceID string) (Sums, error) {
	return d.sums(ctx, raceID, "", math.MaxInt32)
}

func (d Databases) sums(ctx context.Context, raceID, after string, limit int) (Sums, error) {
	credits, err := d.Ledger.CreditSums(ctx, raceID, after, limit)
	if err != nil {
		return Sums{}, &LedgerError{err}
	}
	records, err := d.Records.RevisionSums(ctx, raceID, after, limit)
	return Sums{records: records, credits: credits}, err
}

// SumsAfter returns the sums of about limit races after the ID after, and the ID
// after which the next page starts; that is empty at the end.
func (d Databases) SumsAfter(ctx context.Context, after string, limit int) (sums Sums, next string, err error) {
	if sums, err = d.sums(ctx, "", after, limit); err != nil {
		return Sums{}, "", err
	}
	// A full page of one database says nothing about races after its last one.
	for _, side := range [][]string{slices.Sorted(maps.Keys(sums.records)), slices.Sorted(maps.Keys(sums.credits))} {
		if len(side) == limit && (next == "" || side[limit-1] < next) {
			next = side[limit-1]
		}
	}
	if next != "" {
		maps.DeleteFunc(sums.records, func(id string, _ maindb.RevisionSum) bool { return id > next })
		maps.DeleteFunc(sums.credits, func(id string, _ userdb.CreditSum) bool { return id > next })
	}
	return sums, next, nil
}

// Races returns the races that have records or credits, in the order of their IDs.
func (s Sums) Races() []string {
	races := slices.AppendSeq(slices.Collect(maps.Keys(s.records)), maps.Keys(s.credits))
	slices.Sort(races)
	return slices.Compact(races)
}

// Credits returns how many credits were summed up.
func (s Sums) Credits() int {
	n := 0
	for _, sum := range s.credits {
		n += sum.Credited + sum.Rejected
	}
	return n
}

// Agree reports whether the ledger has the latest revision of every record of a
// race, and nothing else.
func (s Sums) Agree(raceID string) bool {
	records, credits := s.records[raceID], s.credits[raceID]
	return records.Records == credits.Credited+credits.Rejected && records.Fingerprint == credits.Fingerprint
}

// Balance lists how the credits of a race differ from its records.
type Balance struct {
	Pending  map[string]int // the latest revisions that are not credited as they are, by record ID
	Ahead    map[string]int // of these, the revision of the credits that are ahead
	Strays   []string       // records that exist only in the ledger; not those already reversed
	Credited int
	Rejected int
}

// Balance compares a race record by record, but only where the sums differ. With
// 50,000 pending among a million records a page took 1.5 s, of one race 0.4 s.
func (d Databases) Balance(ctx context.Context, s Sums, raceID string) (Balance, error) {
	if s.Agree(raceID) {
		sum := s.credits[raceID]
		return Balance{Credited: sum.Credited, Rejected: sum.Rejected}, nil
	}
	return d.compare(ctx, raceID)
}

func (d Databases) compare(ctx context.Context, raceID string) (Balance, error) {
	settled, err := d.Ledger.SettledRevisions(ctx, raceID)
	if err != nil {
		return Balance{}, &LedgerError{err}
	}
	latest, err := d.Records.RevisionsOfRecords(ctx, raceID)
	if err != nil {
		return Balance{}, err
	}
	b := Balance{Pending: latest, Ahead: map[string]int{}}
	for _, s := range settled {
		revision, exists := latest[s.RecordID]
		if !exists {
			if s.Status != race.Reversed {
				b.Strays = append(b.Strays, s.RecordID)
			}
			continue
		}
		switch Of(revision, "", race.Credit{Revision: s.Revision, Status: s.Status}) {
		case Ahead:
			b.Ahead[s.RecordID] = s.Revision
		case Current:
			delete(b.Pending, s.RecordID)
			if s.Status == race.Rejected {
				b.Rejected++
			} else {
				b.Credited++
			}
		case Pending, None, Orphaned:
		}
	}
	return b, nil
}

// Tally counts the revisions of a race's records by their state.
type Tally struct {
	Pending, Credited, Rejected int // latest revisions
	Superseded                  int // revisions that a newer one of their record replaced
	Total                       int // all revisions
}

// Count is cheap enough for a progress bar: it reads more than two sums only
// while corrected records are pending.
func (d Databases) Count(ctx context.Context, raceID string) (Tally, error) {
	totals, err := d.Ledger.CreditTotals(ctx, raceID)
	if err != nil {
		return Tally{}, &LedgerError{err}
	}
	records, revisions, err := d.Records.CountRevisions(ctx, raceID)
	if err != nil {
		return Tally{}, err
	}
	counted := Tally{
		Credited: totals.Credited, Rejected: totals.Rejected, Superseded: revisions - records, Total: revisions,
	}
	settled := totals.Credited + totals.Rejected
	// If both sides have only first revisions, as in a burst, the counts are enough.
	agree := revisions == records && totals.Revisions == settled && settled <= records
	if !agree && settled == records {
		sums, err := d.Sums(ctx, raceID)
		if err != nil {
			return Tally{}, err
		}
		agree = sums.Agree(raceID)
	}
	if !agree {
		b, err := d.compare(ctx, raceID)
		if err != nil {
			return Tally{}, err
		}
		counted.Credited, counted.Rejected, records = b.Credited, b.Rejected, len(b.Pending)+b.Credited+b.Rejected
	}
	counted.Pending = records - counted.Credited - counted.Rejected
	return counted, nil
}

// Credit is the credit of a record, zero when there is none, and its state relative
// to the record.
type Credit struct {
	race.Credit
	State State
}

// Status is the credit's status as people are shown it.
func (c Credit) Status() race.CreditStatus { return c.State.Status(c.Credit) }

// Credits returns the credits of records, in their order.
func (d Databases) Credits(ctx context.Context, records []race.Record) ([]Credit, error) {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	found, err := d.Ledger.Credits(ctx, ids)
	if err != nil {
		return nil, &LedgerError{err}
	}
	return d.Compare(ctx, records, found)
}

// Compare is Credits for callers that have already read the ledger.
func (d Databases) Compare(ctx context.Context, records []race.Record, found map[string]race.Credit) ([]Credit, error) {
	var doubtful []string
	for _, r := range records {
		if credit := found[r.ID]; credit.Revision == r.Revision && credit.Fingerprint != "" {
			doubtful = append(doubtful, r.ID)
		}
	}
	facts, err := d.Records.FactsOf(ctx, doubtful)
	if err != nil {
		return nil, err
	}
	credits := make([]Credit, len(records))
	for i, r := range records {
		credit := found[r.ID]
		var inputs race.Fingerprint
		if f, ok := facts[r.ID]; ok && f.Record.Revision == r.Revision { // otherwise it was revised a moment ago
			inputs = f.Fingerprint()
		}
		credits[i] = Credit{Credit: credit, State: Of(r.Revision, inputs, credit)}
	}
	return credits, nil
}
