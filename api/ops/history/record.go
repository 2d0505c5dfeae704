package history

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// The servers that a history may have to do without.
const (
	Temporal = "temporal"
	UserDB   = "user_db"
)

// Record is everything that is known about a record and its credit.
type Record struct {
	Evidence
	Live        race.Record // only the ID is set when main_db does not have it
	RaceName    string
	Unmatched   []maindb.Unmatched // revisions that were rejected because main_db did not have them
	Revisions   []race.Revision    // the first one first
	Outbox      []maindb.Unsent
	Committed   *userdb.CommittedCredit
	Executions  map[int]temporal.Execution // the latest run of each revision's workflow
	Runs        []temporal.Run             // of all revisions, as far as visibility lists them
	Standings   *maindb.StandingsHead      // the first version with the credit
	Unavailable []string                   // servers that did not answer
}

// Has reports whether a server answered.
func (h *Record) Has(part string) bool { return !slices.Contains(h.Unavailable, part) }

// Verdict returns the condition and an explanation, as far as the servers that
// answered can tell.
func (h *Record) Verdict() (Condition, string) {
	switch {
	case !h.Has(UserDB):
		return Unknown, "user_db does not answer, so it is not known what is credited. Credits wait for it and resume without help."
	case !h.Has(Temporal) && h.Condition() == NoWorkflow:
		return Unknown, "The ledger does not have the latest revision, and Temporal does not answer, so the state of the workflow is not known."
	}
	return h.Condition(), h.Explain()
}

// Record returns the history of a record. It needs main_db; when another server does
// not answer, its part is left out and the server is named in Unavailable. Of a record
// that main_db has lost, only the credit is known. It returns race.ErrNotFound when
// neither database has the record.
func (r *Reader) Record(ctx context.Context, recordID string) (*Record, error) {
	h := &Record{}
	var err error
	if h.Unmatched, err = r.records.UnmatchedOfRecord(ctx, recordID); err != nil {
		return nil, err
	}
	if h.Live, err = r.records.RecordByID(ctx, recordID); errors.Is(err, race.ErrNotFound) {
		return r.withoutRecord(ctx, recordID, h)
	} else if err != nil {
		return nil, err
	}
	labels, err := r.records.RecordLabels(ctx, []string{recordID})
	if err != nil {
		return nil, err
	}
	h.RaceName = labels[recordID].RaceName
	if h.Revisions, err = r.records.Revisions(ctx, recordID); err != nil {
		return nil, err
	}
	if h.Outbox, err = r.records.OutboxOf(ctx, []string{recordID}); err != nil {
		return nil, err
	}
	h.Record = maindb.LatestRevision{RecordID: recordID, RaceID: h.Live.RaceID, Revision: h.Live.Revision}
	h.findUnsent(h.Outbox)
	facts, err := r.records.FactsOf(ctx, []string{recordID})
	if err != nil {
		return nil, err
	}
	if f, ok := facts[recordID]; ok && f.Record.Revision == h.Live.Revision {
		h.Inputs = f.Fingerprint()
	}
	r.addWorkflows(ctx, h) // before the ledger, which has what completed
	r.addLedger(ctx, h)
	if h.Has(UserDB) && h.Condition() == Damaged {
		r.addLedger(ctx, h) // a commit between two reads looks like damage
	}
	if h.Has(UserDB) && h.Condition() == Ahead {
		if again, err := r.records.RecordByID(ctx, recordID); err == nil && again.Revision != h.Live.Revision {
			return r.Record(ctx, recordID) // it was revised while this was read
		}
	}
	if h.Standings, err = r.includedIn(ctx, h); err != nil {
		return nil, err
	}
	return h, nil
}

// withoutRecord returns what is known of a record that main_db does not have: what
// messages named, and what the ledger kept when main_db lost it.
func (r *Reader) withoutRecord(ctx context.Context, recordID string, h *Record) (*Record, error) {
	h.Live.ID = recordID
	r.addLedger(ctx, h)
	switch {
	case h.Committed != nil:
		h.Live.RaceID = h.Committed.RaceID
	case len(h.Ledger.Lines) > 0 || len(h.Unmatched) > 0:
	case !h.Has(UserDB):
		return nil, ofLedger(context.DeadlineExceeded) // only user_db may know it
	default:
		return nil, race.ErrNotFound
	}
	if h.Live.RaceID == "" && len(h.Unmatched) > 0 {
		h.Live.RaceID = h.Unmatched[0].RaceID
	}
	h.Record = maindb.LatestRevision{RecordID: recordID, RaceID: h.Live.RaceID}
	var err error
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if h.Runs, err = r.workflows.List(bounded, workflows.RecordIDKey.GetName()+" = '"+recordID+"'", 0); err != nil {
		h.Unavailable = append(h.Unavailable, Temporal)
	}
	return h, nil
}

func (r *Reader) addLedger(ctx context.Context, h *Record) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lines, err := r.ledger.LinesOfRecords(ctx, []string{h.Live.ID})
	if err == nil {
		var credit userdb.CommittedCredit
		credit, err = r.ledger.CreditOf(ctx, h.Live.ID)
		if err == nil {
			h.Committed = &credit
		}
		if errors.Is(err, race.ErrNotFound) {
			err = nil
		}
	}
	if err != nil {
		r.log.WarnContext(ctx, "cannot read the ledger: showing the history without it", "record_id", h.Live.ID, "error", err)
		h.Unavailable = append(h.Unavailable, UserDB)
		return
	}
	h.Ledger = Entry{Lines: lines[h.Live.ID]}
	if h.Committed != nil {
		h.Ledger.Credit = h.Committed.Credit
	}
}

// addWorkflows describes the latest run of each revision's workflow, and lists
// earlier runs as far as visibility has them.
func (r *Reader) addWorkflows(ctx context.Context, h *Record) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	executions := make([]*temporal.Execution, len(h.Revisions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	for i, revision := range h.Revisions {
		group.Go(func() error {
			found, err := r.workflows.Describe(ctx, workflows.CreditWorkflowID(h.Live.RaceID, h.Live.ID, revision.Number))
			if errors.Is(err, race.ErrNotFound) {
				return nil
			}
			executions[i] = &found
			return err
		})
	}
	group.Go(func() (err error) {
		h.Runs, err = r.workflows.List(ctx, workflows.RecordIDKey.GetName()+" = '"+h.Live.ID+"'", 0)
		return err
	})
	if err := group.Wait(); err != nil {
		r.log.WarnContext(ctx, "cannot describe workflows: showing the history without them", "record_id", h.Live.ID, "error", err)
		h.Unavailable = append(h.Unavailable, Temporal)
		h.Runs = nil
		return
	}
	h.Executions = map[int]temporal.Execution{}
	for i, execution := range executions {
		if execution != nil {
			h.Executions[h.Revisions[i].Number] = *execution
		}
	}
	if latest, ok := h.Executions[h.Live.Revision]; ok {
		h.Workflow = &latest
	}
}

// versionsSearched bounds the search for the standings that include a credit: the
// version whose inputs were read first after the commit has it, unless clocks
// differ.
const versionsSearched = 4

// includedIn returns the first version of the standings that has the settled
// revision, nil when there is none yet.
func (r *Reader) includedIn(ctx context.Context, h *Record) (*maindb.StandingsHead, error) {
	if h.Committed == nil || h.Condition() != Settled {
		return nil, nil //nolint:nilnil // none is an answer
	}
	heads, err := r.records.StandingsAround(ctx, h.Live.RaceID, h.Committed.CommittedAt, versionsSearched)
	if err != nil {
		return nil, err
	}
	for _, head := range heads {
		_, rows, err := r.records.Standings(ctx, h.Live.RaceID, head.Version)
		if _, gone := errors.AsType[*maindb.NotKeptError](err); gone {
			if head.ComputedAt.After(h.Committed.CommittedAt) {
				return &head, nil // its rows were dropped, but it read the ledger after the commit
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if h.isIn(rows) {
			return &head, nil
		}
	}
	return nil, nil //nolint:nilnil // none is an answer
}

// isIn reports whether standings list the record with its latest revision and points,
// or, if the record was removed, do not list it.
func (h *Record) isIn(rows []standings.Row) bool {
	for _, row := range rows {
		if row.RecordID != h.Live.ID {
			continue
		}
		return !h.Live.Removed && row.Revision == h.Live.Revision &&
			row.Credited == (h.Ledger.Credit.Status == race.Credited) && row.Points == h.Ledger.Credit.Points
	}
	return h.Live.Removed
}

// RunsOf returns the runs of a revision's workflow, the oldest first.
func (h *Record) RunsOf(revision int) []temporal.Run {
	id := workflows.CreditWorkflowID(h.Live.RaceID, h.Live.ID, revision)
	latest, started := h.Executions[revision]
	runs := slices.DeleteFunc(slices.Clone(h.Runs), func(run temporal.Run) bool {
		return run.WorkflowID != id || started && run.RunID == latest.RunID // visibility may lag behind Describe
	})
	if started {
		runs = append(runs, latest.Run)
	}
	slices.SortFunc(runs, func(a, b temporal.Run) int { return a.StartedAt.Compare(b.StartedAt) })
	return runs
}

// Message returns the state of a revision's message: in_outbox, sent, received (it has
// a workflow), or unknown while Temporal does not answer.
func (h *Record) Message(revision int) string {
	for _, row := range h.Outbox {
		if row.Revision == revision {
			return string(InOutbox)
		}
	}
	if _, started := h.Executions[revision]; started {
		return "received"
	}
	if !h.Has(Temporal) {
		return string(Unknown)
	}
	return "sent"
}
