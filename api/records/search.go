package records

import (
	"context"
	"maps"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// step is how many records a search by credit status reads at a time.
const step = 1000

// search is what a list asks for.
type search struct {
	raceID string
	filter maindb.RecordFilter
	credit race.CreditStatus // empty: any
	limit  int
}

// hits are records in the order of their IDs, each with its credit.
type hits struct {
	records []race.Record
	credits []credit
}

func (h *hits) add(r race.Record, c credit) {
	h.records = append(h.records, r)
	h.credits = append(h.credits, c)
}

func (h *hits) cut(n int) { h.records, h.credits = h.records[:n], h.credits[:n] }

// find returns up to limit records after the ID after. A search by credit
// status needs both databases, and fails without one: credited and rejected ones
// are looked up in the ledger, pending ones are what the ledger does not have.
func (l list) find(ctx context.Context, s search, after string) (hits, error) {
	switch s.credit {
	case race.Credited, race.Rejected:
		return l.findSettled(ctx, s, after)
	case race.Pending:
		return l.findPending(ctx, s, after)
	default:
		records, err := l.store.ListRecords(ctx, s.raceID, s.filter, after, s.limit)
		if err != nil {
			return hits{}, err
		}
		return hits{records, l.credits.of(ctx, records)}, nil
	}
}

// findPending compares the two databases by their indexes, 50,000 records in a
// tenth of a second, and reads the records of the page alone.
func (l list) findPending(ctx context.Context, s search, after string) (found hits, err error) {
	waiting, err := l.pendingIDs(ctx, s.raceID, after)
	if err != nil {
		return hits{}, err
	}
	for ids := range slices.Chunk(waiting, step) {
		records, err := l.store.RecordsByID(ctx, s.raceID, ids)
		if err != nil {
			return hits{}, err
		}
		for _, id := range ids {
			r, ok := records[id]
			if !ok || !matches(s.filter, r) {
				continue
			}
			found.add(r, l.credits.pending(r))
			if len(found.records) == s.limit {
				return found, nil
			}
		}
	}
	return found, nil
}

// pendingIDs returns the records after the ID after whose latest revision the
// ledger does not have, in their order.
func (l list) pendingIDs(ctx context.Context, raceID, after string) ([]string, error) {
	databases := l.credits.databases
	sums, err := databases.Sums(ctx, raceID)
	if err != nil {
		return nil, err
	}
	balance, err := databases.Balance(ctx, sums, raceID)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(balance.Pending, func(id string, _ int) bool { return id <= after })
	return slices.Sorted(maps.Keys(balance.Pending)), nil
}

func (l list) findSettled(ctx context.Context, s search, after string) (found hits, err error) {
	for {
		credits, err := l.ledger.CreditsOfRace(ctx, s.raceID, s.credit, after, step)
		if err != nil {
			return hits{}, err
		}
		ids := make([]string, len(credits))
		for i, c := range credits {
			ids[i] = c.RecordID
		}
		records, err := l.store.RecordsByID(ctx, s.raceID, ids)
		if err != nil {
			return hits{}, err
		}
		var matching []race.Record
		known := make(map[string]race.Credit, len(credits))
		for _, c := range credits {
			if r, ok := records[c.RecordID]; ok && matches(s.filter, r) {
				matching, known[r.ID] = append(matching, r), c
			}
		}
		compared, err := l.credits.databases.Compare(ctx, matching, known)
		if err != nil {
			return hits{}, err
		}
		for i, r := range matching {
			if compared[i].Status() != s.credit {
				continue // another status by now: a newer revision is on its way
			}
			found.add(r, l.credits.outcome(r, compared[i]))
			if len(found.records) == s.limit {
				return found, nil
			}
		}
		if len(credits) < step {
			return found, nil
		}
		after = credits[len(credits)-1].RecordID
	}
}

// matches says of one record what ListRecords asks of many.
func matches(filter maindb.RecordFilter, r race.Record) bool {
	return (filter.Status == "" || filter.Status == r.Result.Status) &&
		(filter.Bib == "" || race.BibKey(filter.Bib) == race.BibKey(r.Result.Bib)) &&
		(filter.Removed || !r.Removed)
}
