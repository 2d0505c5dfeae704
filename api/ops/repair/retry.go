package repair

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

// Outcome is the result of a retry.
type Outcome string

// The outcomes. Only Sent and Reset change anything.
const (
	Unchanged Outcome = "unchanged"  // there is nothing that a retry can repair
	UnderWay  Outcome = "on_its_way" // it proceeds without help
	Confirm   Outcome = "needs_confirmation"
	Sent      Outcome = "sent"
	Reset     Outcome = "reset"
	Failed    Outcome = "failed" // the retry itself failed and can be repeated
)

// Result is the outcome of retrying one record.
type Result struct {
	history.Evidence // before the retry
	Outcome          Outcome
	RunID            string // of the run that a reset started
	Err              error  // if the outcome is Failed
}

// Resetter resets workflows; temporal.Workflows implements it.
type Resetter interface {
	Reset(ctx context.Context, run temporal.Run, reason string) (newRunID string, err error)
}

// Credits retries credits. A retry may be repeated any number of times: a revision's
// workflow is started again only if it failed, and the ledger accepts a revision once.
type Credits struct {
	records   *maindb.Store
	workflows Resetter
	poke      func() // wakes the relay; does not block
}

// NewCredits returns the retries. poke wakes the relay when there are new outbox rows
// and must not block.
func NewCredits(records *maindb.Store, workflows Resetter, poke func()) Credits {
	return Credits{records: records, workflows: workflows, poke: poke}
}

// resets is how many workflows are reset at a time.
const resets = 8

// Retry does what each record's condition requires. It resets a running workflow only
// if that is confirmed. reason is written into the history of a workflow that is reset.
func (c Credits) Retry(ctx context.Context, found []history.Evidence, confirmed bool, reason string) []Result {
	results := make([]Result, len(found))
	var resend []*Result
	var group errgroup.Group
	group.SetLimit(resets)
	for i, e := range found {
		result := &results[i]
		*result = Result{Evidence: e, Outcome: Unchanged}
		switch condition := e.Condition(); {
		case condition == history.InOutbox:
			result.Outcome = UnderWay
			c.poke()
		case condition == history.NoWorkflow, condition == history.Failed:
			resend = append(resend, result)
		case condition == history.Ahead:
			group.Go(func() error { c.raise(ctx, result); return nil })
		case condition == history.Lost, condition == history.Running && confirmed:
			group.Go(func() error { c.reset(ctx, result, reason); return nil })
		case condition == history.Running:
			result.Outcome = Confirm
		}
	}
	c.resend(ctx, resend)
	_ = group.Wait() // each result has its own error
	return results
}

// resend puts revisions into the outbox, from where they take the usual path; a failed
// workflow is started again.
func (c Credits) resend(ctx context.Context, results []*Result) {
	if len(results) == 0 {
		return
	}
	revisions := make([]maindb.LatestRevision, len(results))
	for i, result := range results {
		revisions[i] = result.Record
	}
	_, err := c.records.Requeue(ctx, revisions)
	for _, result := range results {
		result.Outcome = Sent
		if err != nil {
			result.Outcome, result.Err = Failed, err
		}
	}
	c.poke()
}

// raise gives a record a revision above the one that the ledger holds.
func (c Credits) raise(ctx context.Context, result *Result) {
	ahead := map[string]int{result.Record.RecordID: result.Ledger.Credit.Revision}
	if _, err := c.records.RaiseAbove(ctx, result.Record.RaceID, ahead); err != nil {
		result.Outcome, result.Err = Failed, err
		return
	}
	result.Outcome = Sent
	result.Record.Revision = result.Ledger.Credit.Revision + 1
	c.poke()
}

func (c Credits) reset(ctx context.Context, result *Result, reason string) {
	runID, err := c.workflows.Reset(ctx, result.Workflow.Run, reason)
	switch {
	case errors.Is(err, temporal.ErrNotStarted):
		result.Outcome = UnderWay
	case errors.Is(err, race.ErrNotFound):
		// Its retention period has just ended. The next retry will find no workflow.
		result.Outcome, result.Err = Failed, &race.ConflictError{Message: "the workflow is gone: try again"}
	case err != nil:
		result.Outcome, result.Err = Failed, err
	default:
		result.Outcome, result.RunID = Reset, runID
	}
}

// Explain describes the outcome.
func (r Result) Explain() string {
	switch r.Outcome {
	case Unchanged:
		return "Nothing was changed. " + r.Evidence.Explain()
	case UnderWay:
		if r.Unsent != nil {
			return "Nothing was changed. " + r.Evidence.Explain()
		}
		return "Nothing was changed: " + temporal.ErrNotStarted.Error() + "."
	case Confirm:
		return r.Evidence.Explain() + ` Nothing was changed: to reset it anyway, send {"confirm": true}.`
	case Sent:
		return fmt.Sprintf("Revision %d was put into the outbox and is sent from there.", r.Record.Revision)
	case Reset:
		return fmt.Sprintf("The workflow of revision %d was reset to its first task and runs again.", r.Record.Revision)
	case Failed:
		return "The retry failed: try again."
	}
	return ""
}
