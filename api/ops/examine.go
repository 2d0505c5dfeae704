package ops

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// atOnce is how many workflows are looked at or reset at a time.
const atOnce = 8

type latestRevisions interface {
	// LatestRevisionsByID returns those of the records that exist.
	LatestRevisionsByID(ctx context.Context, recordIDs []string) (map[string]maindb.LatestRevision, error)
	// OutboxOf returns what of the records waits in the outbox.
	OutboxOf(ctx context.Context, recordIDs []string) ([]maindb.Unsent, error)
}

type creditReader interface {
	// Credits returns the credits of those records that have one, by record ID.
	Credits(ctx context.Context, recordIDs []string) (map[string]race.Credit, error)
	// LinesOfRecords returns the ledger lines of each of the records.
	LinesOfRecords(ctx context.Context, recordIDs []string) (map[string][]userdb.RecordLine, error)
}

// examiner finds out how the credits of records are. It needs both databases,
// and Temporal for what the ledger does not have.
type examiner struct {
	records    latestRevisions
	ledger     creditReader
	workflows  Workflows
	workflowID func(raceID, recordID string, revision int) string
}

// examine returns the evidence of those of the records that exist, in their
// order.
func (x examiner) examine(ctx context.Context, recordIDs []string) ([]evidence, error) {
	latest, err := x.records.LatestRevisionsByID(ctx, recordIDs)
	if err != nil {
		return nil, err
	}
	var found []evidence
	for _, id := range recordIDs {
		if record, ok := latest[id]; ok {
			found = append(found, evidence{record: record})
		}
	}
	everything := make([]*evidence, len(found))
	for i := range found {
		everything[i] = &found[i]
	}
	if err := x.readOutbox(ctx, everything, recordIDs); err != nil {
		return nil, err
	}
	if err := x.readLedger(ctx, everything); err != nil {
		return nil, err
	}
	if err := x.describe(ctx, everything); err != nil {
		return nil, err
	}
	// A commit between two reads looks like damage or like a loss: look again.
	var doubtful []*evidence
	for _, e := range everything {
		if c := e.condition(); c == Damaged || c == Lost {
			doubtful = append(doubtful, e)
		}
	}
	return found, x.readLedger(ctx, doubtful)
}

func (x examiner) readOutbox(ctx context.Context, everything []*evidence, recordIDs []string) error {
	unsent, err := x.records.OutboxOf(ctx, recordIDs)
	if err != nil {
		return err
	}
	rows := make(map[string][]maindb.Unsent, len(unsent))
	for _, row := range unsent {
		rows[row.RecordID] = append(rows[row.RecordID], row)
	}
	for _, e := range everything {
		e.findUnsent(rows[e.record.RecordID])
	}
	return nil
}

// findUnsent looks for the latest revision among the outbox rows of its record.
func (e *evidence) findUnsent(rows []maindb.Unsent) {
	for _, row := range rows {
		if row.Revision == e.record.Revision {
			e.unsent = &row
			return
		}
	}
}

func (x examiner) readLedger(ctx context.Context, of []*evidence) error {
	if len(of) == 0 {
		return nil
	}
	ids := make([]string, len(of))
	for i, e := range of {
		ids[i] = e.record.RecordID
	}
	credits, err := x.ledger.Credits(ctx, ids)
	if err != nil {
		return err
	}
	lines, err := x.ledger.LinesOfRecords(ctx, ids)
	if err != nil {
		return err
	}
	for _, e := range of {
		e.ledgerEntry = ledgerEntry{credit: credits[e.record.RecordID], lines: lines[e.record.RecordID]}
	}
	return nil
}

// describe asks Temporal about what is neither in the ledger nor in the outbox.
func (x examiner) describe(ctx context.Context, everything []*evidence) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, e := range everything {
		if e.condition() != Unseen {
			continue
		}
		group.Go(func() error {
			execution, err := x.workflows.Latest(ctx, x.workflowID(e.record.RaceID, e.record.RecordID, e.record.Revision))
			if errors.Is(err, race.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("examine record %s: %w", e.record.RecordID, err)
			}
			e.workflow = &execution
			return nil
		})
	}
	return group.Wait()
}
