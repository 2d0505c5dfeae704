package records

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type list struct {
	store   *maindb.Store
	ledger  *userdb.Store
	credits credits
	gate    gate
}

type listInput struct {
	server.Page
	RaceID       string            `path:"race_id"`
	Status       race.ResultStatus `query:"status" enum:"OK,DNF,DNS,DQ,OVERTIME" doc:"Only records of this status."`
	Bib          string            `query:"bib" maxLength:"16" doc:"Only records of this bib: the one that holds it and those that wait for it."`
	CreditStatus race.CreditStatus `query:"credit_status" enum:"pending,credited,rejected" doc:"Only records whose credit has this status."`
	Removed      bool              `query:"removed" doc:"Removed records too; for the owner of the race."`
}

type listOutput struct {
	Body struct {
		Items      []Record `json:"items" nullable:"false" doc:"In the order in which they were posted."`
		NextCursor string   `json:"next_cursor,omitempty"`
	}
}

func (l list) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "list-official-records", Method: http.MethodGet, Path: recordsPath,
		Summary: "List the official records of a race with their credits", Tags: []string{tag},
		Description: "For the owner of the race, and for anyone once it is official.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}, l.handle)
}

func (l list) handle(ctx context.Context, in *listInput) (*listOutput, error) {
	_, owner, err := l.gate.open(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	after := ""
	if err := in.Seek(&after); err != nil {
		return nil, err
	}
	if in.Bib != "" && race.CheckBib(in.Bib) != nil {
		return nil, server.Invalid("query.bib", "must be letters and digits, for example 1234 or W16")
	}
	wanted := search{
		raceID: in.RaceID, credit: in.CreditStatus, limit: in.Limit + 1, // one more shows whether there is a next page
		filter: maindb.RecordFilter{Status: in.Status, Bib: in.Bib, Removed: in.Removed && owner},
	}
	found, err := l.find(ctx, wanted, after)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	page, next := server.Cut(in.Page, found.records, func(last race.Record) []any { return []any{last.ID} })
	out.Body.Items, out.Body.NextCursor = make([]Record, len(page)), next
	for i, r := range page {
		out.Body.Items[i] = viewOf(r, found.credits[i].readBy(owner))
	}
	return out, nil
}

// chunk is how many records a search by credit status reads at a time.
const chunk = 1000

// search holds what a list call asks for.
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

// find returns up to limit records after the ID after. A search by credit status
// needs both databases and fails if one is unavailable: credited and rejected
// records are looked up in the ledger, and pending ones are those that the ledger
// does not have.
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
// tenth of a second, and reads only the records of the page.
func (l list) findPending(ctx context.Context, s search, after string) (found hits, err error) {
	waiting, err := l.pendingIDs(ctx, s.raceID, after)
	if err != nil {
		return hits{}, err
	}
	for ids := range slices.Chunk(waiting, chunk) {
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
		credits, err := l.ledger.CreditsOfRace(ctx, s.raceID, s.credit, after, chunk)
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
				continue // no longer has this status: a newer revision is pending
			}
			found.add(r, l.credits.outcome(r, compared[i]))
			if len(found.records) == s.limit {
				return found, nil
			}
		}
		if len(credits) < chunk {
			return found, nil
		}
		after = credits[len(credits)-1].RecordID
	}
}

// matches applies the filter of ListRecords to one record.
func matches(filter maindb.RecordFilter, r race.Record) bool {
	return (filter.Status == "" || filter.Status == r.Result.Status) &&
		(filter.Bib == "" || race.BibKey(filter.Bib) == race.BibKey(r.Result.Bib)) &&
		(filter.Removed || !r.Removed)
}
