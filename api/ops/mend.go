package ops

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Outcome is what a retry came to.
type Outcome string

// The outcomes. Only Sent and Reset changed something.
const (
	Unchanged  Outcome = "unchanged" // nothing to mend, or nothing that a retry can
	OnItsWay   Outcome = "on_its_way"
	MustAgree  Outcome = "needs_confirmation"
	Sent       Outcome = "sent"
	WasReset   Outcome = "reset"
	NotTouched Outcome = "failed" // the repair itself failed: try again
)

// mended is a record after a retry.
type mended struct {
	evidence
	outcome Outcome
	runID   string // of the run that a reset began
	err     error  // of a repair that failed
}

type requeuer interface {
	// Requeue puts the records' latest revisions into the outbox again, but for
	// those that wait in it.
	Requeue(ctx context.Context, lost []maindb.LatestRevision) (added int, err error)
}

// mender brings credits on their way again. Whatever it does may be done any
// number of times: a workflow is started once for a revision unless it failed,
// and the ledger takes a revision once.
type mender struct {
	records   requeuer
	workflows Workflows
	poke      func()
}

// mend does what the condition of each record asks for. A running workflow is
// reset only when that is confirmed. reason is for the history of what is reset.
func (m mender) mend(ctx context.Context, found []evidence, confirmed bool, reason string) []mended {
	results := make([]mended, len(found))
	var resend []*mended
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, e := range found {
		result := &results[i]
		*result = mended{evidence: e, outcome: Unchanged}
		switch condition := e.condition(); {
		case condition == Waiting:
			result.outcome = OnItsWay
			m.poke()
		case condition == Unseen, condition == Failed:
			resend = append(resend, result)
		case condition == Lost, condition == Working && confirmed:
			group.Go(func() error { m.reset(ctx, result, reason); return nil })
		case condition == Working:
			result.outcome = MustAgree
		}
	}
	m.resend(ctx, resend)
	_ = group.Wait() // each result has its own error
	return results
}

// resend puts revisions into the outbox. From there on all is as it was the
// first time; a failed workflow is started again.
func (m mender) resend(ctx context.Context, these []*mended) {
	if len(these) == 0 {
		return
	}
	revisions := make([]maindb.LatestRevision, len(these))
	for i, result := range these {
		revisions[i] = result.record
	}
	_, err := m.records.Requeue(ctx, revisions)
	for _, result := range these {
		result.outcome = Sent
		if err != nil {
			result.outcome, result.err = NotTouched, err
		}
	}
	m.poke()
}

func (m mender) reset(ctx context.Context, result *mended, reason string) {
	runID, err := m.workflows.Reset(ctx, result.workflow.Run, reason)
	switch {
	case errors.Is(err, ErrNotBegun):
		result.outcome = OnItsWay
	case errors.Is(err, race.ErrNotFound):
		// Its time of retention has just ended. The next retry finds no workflow.
		result.outcome, result.err = NotTouched, &race.ConflictError{Message: "the workflow is gone: try again"}
	case err != nil:
		result.outcome, result.err = NotTouched, err
	default:
		result.outcome, result.runID = WasReset, runID
	}
}

// inWords says what was done.
func (r mended) inWords() string {
	switch r.outcome {
	case Unchanged:
		return "Nothing was changed. " + r.evidence.inWords()
	case OnItsWay:
		if r.unsent != nil {
			return "Nothing was changed. " + r.evidence.inWords()
		}
		return "Nothing was changed: " + ErrNotBegun.Error() + "."
	case MustAgree:
		return r.evidence.inWords() + ` Nothing was changed: to reset it all the same, send {"confirm": true}.`
	case Sent:
		return fmt.Sprintf("Revision %d is in the outbox again, and on its way from there.", r.record.Revision)
	case WasReset:
		return fmt.Sprintf("The workflow of revision %d was reset to its first task and runs again.", r.record.Revision)
	case NotTouched:
		return "The repair failed: try again."
	}
	return ""
}
