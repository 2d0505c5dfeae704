package ops

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// The lists of credits.
const (
	listPending  = "pending"
	listFailed   = "failed"
	listRejected = "rejected"
	listStuck    = "stuck"
)

// search selects credits.
type search struct {
	list      string        // which of the four
	raceID    string        // empty: of all races
	reason    string        // part of the reason of a rejected one
	olderThan time.Duration // from when on a pending one is stuck
}

// position is where a page begins: behind this record of this race. The zero
// value is the beginning.
type position struct{ raceID, recordID string }

// hit is a credit that a search found.
type hit struct {
	position
	failed bool // its workflow ended otherwise than by completing
}

// counts are over all credits of the races searched, whatever is listed.
type counts struct {
	Matching int  `json:"matching" doc:"Credits that the whole list has."`
	Pending  int  `json:"pending" doc:"Latest revisions that the ledger does not have."`
	Stuck    int  `json:"stuck" doc:"Of the pending ones, those that have been for longer than older_than_s."`
	Failed   *int `json:"failed,omitempty" doc:"Of the pending ones, those whose workflow failed. From Temporal's search, which may be a second or so behind; none while Temporal does not answer."`
	Rejected int  `json:"rejected"`
	Credited int  `json:"credited"`
}

// found is a page of a search.
type found struct {
	hits   []hit
	more   bool
	counts *counts // of a first page
}

// finder searches credits. Both databases say exactly what is pending and what
// is rejected; Temporal's search adds which of the pending ones failed.
type finder struct {
	records    comparedRecords
	ledger     comparedCredits
	workflows  Workflows
	workflowID func(raceID, recordID string, revision int) string
	now        func() time.Time
}

// find returns up to limit credits behind a position, by race and record, with
// the counts when that is the beginning. Without Temporal it fails only if
// failed credits are asked for; down then says so.
func (f finder) find(ctx context.Context, s search, after position, limit int) (page found, down, err error) {
	sums, err := f.sums(ctx, s.raceID)
	if err != nil {
		return found{}, nil, err
	}
	first := after == position{}
	var failed map[string]int
	if first || s.list == listFailed {
		if failed, down = f.failedRuns(ctx, s); down != nil && s.list == listFailed {
			return found{}, nil, down
		}
	}
	var total counts
	var failures int
	for _, raceID := range sums.races() {
		if raceID < after.raceID {
			continue
		}
		b, err := f.balance(ctx, sums, raceID)
		if err != nil {
			return found{}, nil, err
		}
		lists, err := f.lists(ctx, s, raceID, b, failed)
		if err != nil {
			return found{}, nil, err
		}
		total.Pending, total.Credited, total.Rejected = total.Pending+len(b.pending), total.Credited+b.credited, total.Rejected+b.rejected
		total.Stuck, failures = total.Stuck+len(lists.stuck), failures+len(lists.failed)
		ids, err := f.choose(ctx, s, raceID, b, lists)
		if err != nil {
			return found{}, nil, err
		}
		total.Matching += len(ids)
		page.add(raceID, ids, after, limit, s.list == listFailed)
		if page.more && !first {
			break
		}
	}
	if first {
		if down == nil {
			total.Failed = &failures
		}
		page.counts = &total
	}
	return page, down, nil
}

// add appends those records of a race that are behind a position, up to a page
// of limit.
func (p *found) add(raceID string, ids []string, after position, limit int, failed bool) {
	for _, id := range ids {
		switch {
		case raceID == after.raceID && id <= after.recordID:
		case len(p.hits) == limit:
			p.more = true
			return
		default:
			p.hits = append(p.hits, hit{position: position{raceID: raceID, recordID: id}, failed: failed})
		}
	}
}

// sublists are parts of what is pending in a race.
type sublists struct{ stuck, failed []string }

func (f finder) lists(ctx context.Context, s search, raceID string, b balance, failed map[string]int) (lists sublists, err error) {
	if len(b.pending) == 0 {
		return sublists{}, nil
	}
	ids := make([]string, 0, len(b.pending))
	for id, revision := range b.pending {
		ids = append(ids, id)
		if failed[id] == revision {
			lists.failed = append(lists.failed, id)
		}
	}
	latest, err := f.records.LatestRevisionsByID(ctx, ids)
	if err != nil {
		return sublists{}, err
	}
	for id, revision := range latest {
		if f.now().Sub(revision.ChangedAt) > s.olderThan {
			lists.stuck = append(lists.stuck, id)
		}
	}
	lists.failed, err = f.stillFailed(ctx, raceID, b, lists.failed)
	return lists, err
}

// choose returns the records of a race that are on the list, in order.
func (f finder) choose(ctx context.Context, s search, raceID string, b balance, lists sublists) (ids []string, err error) {
	switch s.list {
	case listPending:
		for id := range b.pending {
			ids = append(ids, id)
		}
	case listStuck:
		ids = lists.stuck
	case listFailed:
		ids = lists.failed
	case listRejected:
		if b.rejected == 0 {
			return nil, nil
		}
		rejected, err := f.ledger.RejectedOfRace(ctx, raceID, s.reason)
		if err != nil {
			return nil, err
		}
		for _, credit := range rejected {
			if _, behind := b.pending[credit.RecordID]; !behind {
				ids = append(ids, credit.RecordID)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// failedRuns returns the newest revision of each record of which a workflow has
// failed at any time.
func (f finder) failedRuns(ctx context.Context, s search) (map[string]int, error) {
	if s.list != listFailed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	runs, err := f.workflows.Failed(ctx, s.raceID)
	if err != nil {
		return nil, err
	}
	failed := make(map[string]int, len(runs))
	for _, run := range runs {
		failed[run.RecordID] = max(failed[run.RecordID], run.Revision)
	}
	return failed, nil
}

// stillFailed keeps those whose latest run failed: an earlier one may have been
// followed by a better one, which search does not tell.
func (f finder) stillFailed(ctx context.Context, raceID string, b balance, ids []string) ([]string, error) {
	var mu sync.Mutex
	var still []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, id := range ids {
		group.Go(func() error {
			latest, err := f.workflows.Latest(ctx, f.workflowID(raceID, id, b.pending[id]))
			switch {
			case errors.Is(err, race.ErrNotFound):
				return nil
			case err != nil:
				return err
			case latest.Status != Running && latest.Status != Completed:
				mu.Lock()
				defer mu.Unlock()
				still = append(still, id)
			}
			return nil
		})
	}
	return still, group.Wait()
}
