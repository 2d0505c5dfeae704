package records

import (
	"context"

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

// find returns up to limit records behind the ID after. A search by credit
// status needs both databases, and fails without one. It reads on the side where
// such records are few: rejected and credited ones from the ledger, pending ones,
// which the ledger does not have, from the records.
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

func (l list) findPending(ctx context.Context, s search, after string) (found hits, err error) {
	for {
		records, err := l.store.ListRecords(ctx, s.raceID, s.filter, after, step)
		if err != nil {
			return hits{}, err
		}
		ids := make([]string, len(records))
		for i, r := range records {
			ids[i] = r.ID
		}
		credits, err := l.ledger.Credits(ctx, ids)
		if err != nil {
			return hits{}, err
		}
		for _, r := range records {
			if statusOf(r, credits[r.ID]) != race.Pending {
				continue
			}
			found.add(r, l.credits.pending(r))
			if len(found.records) == s.limit {
				return found, nil
			}
		}
		if len(records) < step {
			return found, nil
		}
		after = records[len(records)-1].ID
	}
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
		for _, c := range credits {
			r, ok := records[c.RecordID]
			if !ok || !matches(s.filter, r) || statusOf(r, c) != s.credit {
				continue // of another status since: a newer revision is on its way
			}
			found.add(r, l.credits.outcome(r, c))
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
