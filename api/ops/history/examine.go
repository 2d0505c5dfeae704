package history

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	// lookups is how many workflows are described at a time.
	lookups = 8
	// patience is how long an answer waits for a server that it can do without.
	patience = 2 * time.Second
)

// Workflows reads runs of workflows; temporal.Workflows implements it, and tests
// replace it.
type Workflows interface {
	Describe(ctx context.Context, workflowID string) (temporal.Execution, error)
	List(ctx context.Context, query string, limit int) ([]temporal.Run, error)
}

// Reader reads the histories of records.
type Reader struct {
	records   *maindb.Store
	ledger    *userdb.Store
	databases reconcile.Databases
	workflows Workflows
	now       func() time.Time
	log       *slog.Logger
	last      lastFailures
}

// NewReader returns a Reader. now is compared with times in main_db.
func NewReader(records *maindb.Store, ledger *userdb.Store, runs Workflows, now func() time.Time, log *slog.Logger) *Reader {
	return &Reader{
		records: records, ledger: ledger, databases: reconcile.Databases{Records: records, Ledger: ledger},
		workflows: runs, now: now, log: log,
	}
}

// Examine returns the evidence for those of the records that exist, in their
// order. It needs both databases, and Temporal for what is neither in the ledger
// nor in the outbox.
func (r *Reader) Examine(ctx context.Context, recordIDs []string) ([]Evidence, error) {
	latest, err := r.records.LatestRevisionsByID(ctx, recordIDs)
	if err != nil {
		return nil, err
	}
	var found []Evidence
	for _, id := range recordIDs {
		if record, ok := latest[id]; ok {
			found = append(found, Evidence{Record: record})
		}
	}
	all := make([]*Evidence, len(found))
	for i := range found {
		all[i] = &found[i]
	}
	if err := r.readOutbox(ctx, all, recordIDs); err != nil {
		return nil, err
	}
	if err := r.readLedger(ctx, all); err != nil {
		return nil, err
	}
	if err := r.readInputs(ctx, all); err != nil {
		return nil, err
	}
	if err := r.describe(ctx, all); err != nil {
		return nil, err
	}
	// A commit between two reads looks like damage or a loss, and a revision that is
	// made and committed in between looks like a ledger that is ahead. Read again.
	var doubtful []*Evidence
	for _, e := range all {
		if c := e.Condition(); c == Damaged || c == Lost || c == Ahead {
			doubtful = append(doubtful, e)
		}
	}
	if err := r.readLedger(ctx, doubtful); err != nil {
		return nil, err
	}
	return found, r.readInputs(ctx, doubtful)
}

func (r *Reader) readOutbox(ctx context.Context, of []*Evidence, recordIDs []string) error {
	unsent, err := r.records.OutboxOf(ctx, recordIDs)
	if err != nil {
		return err
	}
	rows := make(map[string][]maindb.Unsent, len(unsent))
	for _, row := range unsent {
		rows[row.RecordID] = append(rows[row.RecordID], row)
	}
	for _, e := range of {
		e.findUnsent(rows[e.Record.RecordID])
	}
	return nil
}

// findUnsent looks for the latest revision among the outbox rows of its record.
func (e *Evidence) findUnsent(rows []maindb.Unsent) {
	for _, row := range rows {
		if row.Revision == e.Record.Revision {
			e.Unsent = &row
			return
		}
	}
}

func (r *Reader) readLedger(ctx context.Context, of []*Evidence) error {
	if len(of) == 0 {
		return nil
	}
	ids := make([]string, len(of))
	for i, e := range of {
		ids[i] = e.Record.RecordID
	}
	credits, err := r.ledger.Credits(ctx, ids)
	if err != nil {
		return ofLedger(err)
	}
	lines, err := r.ledger.LinesOfRecords(ctx, ids)
	if err != nil {
		return ofLedger(err)
	}
	for _, e := range of {
		e.Ledger = Entry{Credit: credits[e.Record.RecordID], Lines: lines[e.Record.RecordID]}
	}
	return nil
}

// readInputs reads the latest revisions of records with the inputs of their credits.
func (r *Reader) readInputs(ctx context.Context, of []*Evidence) error {
	ids := make([]string, len(of))
	for i, e := range of {
		ids[i] = e.Record.RecordID
	}
	facts, err := r.records.FactsOf(ctx, ids)
	if err != nil {
		return err
	}
	for _, e := range of {
		e.setInputs(facts)
	}
	return nil
}

func (e *Evidence) setInputs(facts map[string]scoring.Facts) {
	if f, ok := facts[e.Record.RecordID]; ok {
		e.Record.Revision, e.Record.ChangedAt, e.Inputs = f.Record.Revision, f.ChangedAt, f.Fingerprint()
	}
}

// describe asks Temporal about what is neither in the ledger nor in the outbox.
func (r *Reader) describe(ctx context.Context, of []*Evidence) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	for _, e := range of {
		if e.Condition() != NoWorkflow {
			continue
		}
		group.Go(func() error {
			execution, err := r.workflows.Describe(ctx, workflows.CreditWorkflowID(e.Record.RaceID, e.Record.RecordID, e.Record.Revision))
			if errors.Is(err, race.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			e.Workflow = &execution
			return nil
		})
	}
	return group.Wait()
}

// LedgerError is an error of user_db, which lets an answer name the database.
type LedgerError = reconcile.LedgerError

func ofLedger(err error) error { return &LedgerError{Err: err} }
