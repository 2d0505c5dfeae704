package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// The lists of credits.
const (
	ListPending  = "pending"
	ListFailed   = "failed"
	ListRejected = "rejected"
	ListStuck    = "stuck"
)

// Search selects credits.
type Search struct {
	List      string        // one of the four lists
	RaceID    string        // of all races when empty
	Reason    string        // substring of the reason of a rejection
	OlderThan time.Duration // age from which a pending credit counts as stuck
}

// Position is where a page begins: after this record of this race. The zero
// value is the beginning.
type Position struct{ RaceID, RecordID string }

// Hit is a credit that a search found.
type Hit struct {
	Position
	Failed bool // its workflow was closed without completing
}

// Counts are over all credits of the races searched, whichever are listed.
type Counts struct {
	Matching int  `json:"matching" doc:"Credits on the whole list."`
	Pending  int  `json:"pending" doc:"Latest revisions that the ledger does not have."`
	Stuck    int  `json:"stuck" doc:"Pending ones that are older than older_than_s."`
	Failed   *int `json:"failed,omitempty" doc:"Pending ones whose workflow failed, as of the time in as_of. Missing when Temporal does not answer and has not answered lately."`
	Rejected int  `json:"rejected"`
	Credited int  `json:"credited"`
}

// Found is a page of a search.
type Found struct {
	Hits   []Hit
	More   bool
	Counts *Counts // on a first page
	// Oldest is for how long the oldest pending credit has waited; on a first page.
	Oldest time.Duration
	// FailedAsOf is when Temporal said which credits failed, or zero if that is not
	// known.
	FailedAsOf time.Time
	// Unavailable means that Temporal did not answer, so that the failures are those
	// of FailedAsOf and were not checked.
	Unavailable bool
}

// Find returns up to limit credits after a position, ordered by race and record. The
// first page includes the counts. The two databases decide what is pending and what is
// rejected; Temporal knows which pending credits failed, and if it does not answer in
// time, its last answer is used.
func (r *Reader) Find(ctx context.Context, s Search, after Position, limit int) (page Found, err error) {
	sums, err := r.databases.Sums(ctx, s.RaceID)
	if err != nil {
		return Found{}, err
	}
	first := after == Position{}
	var failed failures
	if first || s.List == ListFailed {
		if failed, err = r.failures(ctx, s.RaceID); err != nil {
			return Found{}, err
		}
		page.FailedAsOf, page.Unavailable = failed.asOf, failed.stale
	}
	var total Counts
	var failures int
	for _, raceID := range sums.Races() {
		if raceID < after.RaceID {
			continue
		}
		b, err := r.databases.Balance(ctx, sums, raceID)
		if err != nil {
			return Found{}, err
		}
		lists, err := r.lists(ctx, s, raceID, b, &failed)
		if err != nil {
			return Found{}, err
		}
		total.Pending, total.Credited, total.Rejected = total.Pending+len(b.Pending), total.Credited+b.Credited, total.Rejected+b.Rejected
		page.Oldest = max(page.Oldest, lists.oldest)
		total.Stuck, failures = total.Stuck+len(lists.stuck), failures+len(lists.failed)
		ids, err := r.choose(ctx, s, raceID, b, lists)
		if err != nil {
			return Found{}, err
		}
		total.Matching += len(ids)
		page.add(raceID, ids, after, limit, s.List == ListFailed)
		if page.More && !first {
			break
		}
	}
	page.Unavailable = page.Unavailable || failed.stale
	if first {
		if !failed.asOf.IsZero() {
			total.Failed = &failures
		}
		page.Counts = &total
	}
	return page, nil
}

// add appends the records of a race that come after a position, until the page holds
// limit of them.
func (p *Found) add(raceID string, ids []string, after Position, limit int, failed bool) {
	for _, id := range ids {
		switch {
		case raceID == after.RaceID && id <= after.RecordID:
		case len(p.Hits) == limit:
			p.More = true
			return
		default:
			p.Hits = append(p.Hits, Hit{Position: Position{RaceID: raceID, RecordID: id}, Failed: failed})
		}
	}
}

// FindBib returns up to limit records with a bib after a position, of one race or
// of all when raceID is empty, whatever the status of their credits.
func (r *Reader) FindBib(ctx context.Context, raceID, bib string, after Position, limit int) (page Found, err error) {
	records, err := r.records.RecordsByBib(ctx, raceID, bib, maindb.LatestRevision{RaceID: after.RaceID, RecordID: after.RecordID}, limit+1)
	if err != nil {
		return Found{}, err
	}
	if page.More = len(records) > limit; page.More {
		records = records[:limit]
	}
	ids := make([]string, len(records))
	for i, record := range records {
		ids[i] = record.RecordID
	}
	latest, err := r.records.LatestRevisionsByID(ctx, ids)
	if err != nil {
		return Found{}, err
	}
	credits, err := r.ledger.Credits(ctx, ids)
	if err != nil {
		return Found{}, ofLedger(err)
	}
	failed, err := r.failures(ctx, raceID)
	if err != nil {
		return Found{}, err
	}
	for _, record := range records {
		hit := Hit{Position: Position{RaceID: record.RaceID, RecordID: record.RecordID}}
		revision := latest[record.RecordID].Revision
		if reconcile.Of(revision, "", credits[record.RecordID]) == reconcile.Pending && failed.revisions[record.RecordID] == revision {
			pending := reconcile.Balance{Pending: map[string]int{record.RecordID: revision}}
			still, err := r.stillFailed(ctx, record.RaceID, pending, []string{record.RecordID}, &failed)
			if err != nil {
				return Found{}, err
			}
			hit.Failed = len(still) > 0
		}
		page.Hits = append(page.Hits, hit)
	}
	page.FailedAsOf, page.Unavailable = failed.asOf, failed.stale
	return page, nil
}

// sublists are the pending records of a race that are stuck and that failed.
type sublists struct {
	stuck, failed []string
	oldest        time.Duration // for how long the oldest pending one has waited
}

func (r *Reader) lists(ctx context.Context, s Search, raceID string, b reconcile.Balance, failed *failures) (lists sublists, err error) {
	if len(b.Pending) == 0 {
		return sublists{}, nil
	}
	ids := make([]string, 0, len(b.Pending))
	for id, revision := range b.Pending {
		ids = append(ids, id)
		if failed.revisions[id] == revision {
			lists.failed = append(lists.failed, id)
		}
	}
	latest, err := r.records.LatestRevisionsByID(ctx, ids)
	if err != nil {
		return sublists{}, err
	}
	for id, revision := range latest {
		waited := r.now().Sub(revision.ChangedAt)
		lists.oldest = max(lists.oldest, waited)
		if waited > s.OlderThan {
			lists.stuck = append(lists.stuck, id)
		}
	}
	lists.failed, err = r.stillFailed(ctx, raceID, b, lists.failed, failed)
	return lists, err
}

// choose returns the records of a race that are on the list, in order.
func (r *Reader) choose(ctx context.Context, s Search, raceID string, b reconcile.Balance, lists sublists) (ids []string, err error) {
	switch s.List {
	case ListPending:
		for id := range b.Pending {
			ids = append(ids, id)
		}
	case ListStuck:
		ids = lists.stuck
	case ListFailed:
		ids = lists.failed
	case ListRejected:
		if b.Rejected == 0 {
			return nil, nil
		}
		rejected, err := r.ledger.RejectedOfRace(ctx, raceID, s.Reason)
		if err != nil {
			return nil, ofLedger(err)
		}
		for _, credit := range rejected {
			if _, behind := b.Pending[credit.RecordID]; !behind {
				ids = append(ids, credit.RecordID)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// failures are the revisions that had a workflow which was closed without completing,
// as Temporal listed them at asOf.
type failures struct {
	revisions map[string]int // the newest such revision, by record ID
	asOf      time.Time      // zero if Temporal never answered
	stale     bool           // Temporal does not answer at the moment
}

const (
	// failuresKeptFor is how long the last answer is used when Temporal does not
	// answer. An older one would mislead.
	failuresKeptFor = time.Hour
	// failuresKept is the number of races whose last answer is kept.
	failuresKept = 100
)

// lastFailures keeps Temporal's last answers by race ID; the empty ID stands for all
// races.
type lastFailures struct {
	mu sync.Mutex
	of map[string]failures
}

func (l *lastFailures) put(raceID string, f failures) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || len(l.of) >= failuresKept {
		l.of = map[string]failures{}
	}
	l.of[raceID] = f
}

// get returns the last answer for a race, or else the one for all races, unless
// it is too old.
func (l *lastFailures) get(raceID string, now time.Time) failures {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := l.of[raceID]
	if all := l.of[""]; all.asOf.After(newest.asOf) {
		newest = all
	}
	if now.Sub(newest.asOf) > failuresKeptFor {
		newest = failures{}
	}
	newest.stale = true
	return newest
}

// failures asks Temporal which workflows failed, or returns its last answer.
func (r *Reader) failures(ctx context.Context, raceID string) (failures, error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	query := "WorkflowType = 'CreditRecord' AND ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut', 'Canceled')"
	if raceID != "" {
		query += fmt.Sprintf(" AND %s = '%s'", workflows.RaceIDKey.GetName(), raceID)
	}
	at := r.now()
	runs, err := r.workflows.List(bounded, query, 0)
	if errors.Is(err, temporal.ErrUnavailable) && ctx.Err() == nil {
		r.log.WarnContext(ctx, "cannot list failed workflows: using Temporal's last answer", "error", err)
		return r.last.get(raceID, at), nil
	}
	if err != nil {
		return failures{}, err
	}
	failed := failures{revisions: make(map[string]int, len(runs)), asOf: at}
	for _, run := range runs {
		if of, ok := workflows.ParseCreditWorkflowID(run.WorkflowID); ok {
			failed.revisions[of.RecordID] = max(failed.revisions[of.RecordID], of.Revision)
		}
	}
	r.last.put(raceID, failed)
	return failed, nil
}

// stillFailed returns the records whose latest run failed. A failed run may have been
// followed by one that did not, which visibility does not show. Records that Temporal
// does not describe in time are included.
func (r *Reader) stillFailed(ctx context.Context, raceID string, b reconcile.Balance, ids []string, failed *failures) ([]string, error) {
	if failed.stale {
		return ids, nil
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mu sync.Mutex
	var still []string
	var group errgroup.Group
	group.SetLimit(lookups)
	for _, id := range ids {
		group.Go(func() error {
			latest, err := r.workflows.Describe(bounded, workflows.CreditWorkflowID(raceID, id, b.Pending[id]))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, race.ErrNotFound):
				return nil
			case errors.Is(err, temporal.ErrUnavailable) && ctx.Err() == nil:
				failed.stale = true
			case err != nil:
				return err
			case !latest.Ended():
				return nil
			}
			still = append(still, id)
			return nil
		})
	}
	return still, group.Wait()
}
