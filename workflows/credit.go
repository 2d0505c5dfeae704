package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// CreditInput names the revision of an official record that CreditRecord
// credits.
type CreditInput = activities.CreditInput

// CreditResult is the outcome of a revision.
type CreditResult struct {
	Status   race.CreditStatus `json:"status"`              // Credited, Rejected or Superseded
	RunnerID string            `json:"runner_id,omitempty"` // a user ID
	Points   int64             `json:"points"`
	Reason   string            `json:"reason,omitempty"`   // why rejected, or why it is worth no points
	Repeated bool              `json:"repeated,omitempty"` // the ledger already had this revision
}

// CreditRecord applies one revision of an official record to the ledger: it
// determines who ran, computes the points and commits them. A rejection is an
// outcome like any other: it is committed and completes the workflow. Only a
// failure of the system makes the workflow wait.
func CreditRecord(ctx workflow.Context, input CreditInput) (CreditResult, error) {
	return newCredit(ctx, input).run(ctx)
}

// credit is the state of a CreditRecord.
type credit struct {
	input CreditInput
	bib   string              // empty while it is unknown
	steps *activities.Credits // never set: only used to name the worker's activities
	notes *activities.Notes   // likewise
}

func newCredit(ctx workflow.Context, input CreditInput) *credit {
	bib, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(BibKey)
	return &credit{input: input, bib: bib}
}

// The change IDs of this workflow, for workflow.GetVersion.
const (
	resetNoted     = "reset-noted"
	resetNotedLate = "reset-noted-late"
	unmatchedNoted = "unmatched-noted"
)

func (c *credit) run(ctx workflow.Context) (CreditResult, error) {
	noted := c.noteReset(ctx, resetNoted)
	result, err := c.execute(ctx)
	var failure *temporal.ApplicationError
	if errors.As(err, &failure) && failure.Type() == activities.RejectionType {
		// There is no such revision, so there is no record to commit the rejection
		// for.
		result = CreditResult{Status: race.Rejected, Reason: failure.Message()}
		err = c.noteUnmatched(ctx, result.Reason)
	}
	if err != nil {
		return CreditResult{}, err
	}
	c.awaitNote(ctx, noted)
	return result, c.publish(ctx, result)
}

// noteUnmatched records a rejection that the ledger cannot hold where operators
// find it.
func (c *credit) noteUnmatched(ctx workflow.Context, reason string) error {
	if workflow.GetVersion(ctx, unmatchedNoted, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	return step(ctx, "note for operators: "+reason, c.notes.NoteUnmatched, activities.UnmatchedInput{Credit: c.input, Reason: reason}, nil)
}

// noteReset starts writing down that this run was begun by a reset; nil when it was
// not. A reset to a later task replays this far without the note, so that change
// says where it was missed.
func (c *credit) noteReset(ctx workflow.Context, change string) workflow.Future {
	info := workflow.GetInfo(ctx)
	if info.OriginalRunID == info.WorkflowExecution.RunID ||
		workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	options := durableOptions
	options.ScheduleToCloseTimeout = noteTimeout // a credit must not wait for a note for ever
	options.Summary = "note for operators: this run was begun by a reset"
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), c.notes.NoteReset, c.input)
}

// noteTimeout is how long a note of a reset may take before the credit completes
// without it.
const noteTimeout = time.Minute

// awaitNote waits for the note of a reset. A note in the history that an earlier
// reset made is not the one for this run.
func (c *credit) awaitNote(ctx workflow.Context, noted workflow.Future) {
	var runID string
	if noted != nil {
		if err := noted.Get(ctx, &runID); err != nil {
			workflow.GetLogger(ctx).Error("cannot add a reset to the log of actions; the credit completes without it", "error", err)
			return
		}
	}
	if runID == workflow.GetInfo(ctx).WorkflowExecution.RunID {
		return
	}
	if late := c.noteReset(ctx, resetNotedLate); late != nil {
		if err := late.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Error("cannot add a reset to the log of actions; the credit completes without it", "error", err)
		}
	}
}

// execute runs the three activities one after another. The personal data that
// points depend on (sex and age) stays out of the history: ValidateParticipant
// keeps it in its worker's memory, and validated.Facts is the ticket by which the
// two others find it there; if it is gone, they read it again.
func (c *credit) execute(ctx workflow.Context) (CreditResult, error) {
	var validated activities.Validated
	who := "this bib" // used for a message without its bib
	if c.bib != "" {
		who = "bib " + c.bib
	}
	if err := step(ctx, "validate: who ran with "+who, c.steps.ValidateParticipant, c.input, &validated); err != nil {
		return CreditResult{}, err
	}
	c.bib = validated.Bib
	award := scoring.Award{Status: race.Rejected, Reason: validated.Rejection, Fingerprint: validated.Fingerprint}
	switch {
	case validated.Superseded:
		return CreditResult{Status: race.Superseded}, nil
	case validated.Rejection == "":
		compute := activities.ComputeInput{CreditInput: c.input, Facts: validated.Facts}
		summary := fmt.Sprintf("compute: points for bib %s", validated.Bib)
		if err := step(ctx, summary, c.steps.ComputePoints, compute, &award); err != nil {
			return CreditResult{}, err
		}
	}
	if award.Status == race.Superseded {
		return CreditResult{Status: race.Superseded}, nil
	}
	var committed activities.Committed
	in := activities.CommitInput{Credit: c.input, Award: award, ChangedAt: validated.ChangedAt, Facts: validated.Facts}
	if err := step(ctx, "commit: "+inWords(award), c.steps.CommitPoints, in, &committed); err != nil {
		return CreditResult{}, err
	}
	return CreditResult{
		Status: committed.Status, RunnerID: committed.RunnerID, Points: committed.Points,
		Reason: committed.Reason, Repeated: committed.Repeated,
	}, nil
}

// publish makes the outcome searchable. It sets all attributes at once and only at
// the end, since each upsert is a separate event and write.
func (c *credit) publish(ctx workflow.Context, result CreditResult) error {
	attributes := []temporal.SearchAttributeUpdate{CreditStatusKey.ValueSet(string(result.Status))}
	if known, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(BibKey); c.bib != "" && c.bib != known {
		attributes = append(attributes, BibKey.ValueSet(c.bib))
	}
	if result.RunnerID != "" {
		attributes = append(attributes, RunnerIDKey.ValueSet(result.RunnerID))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, attributes...)
}

// inWords describes what is about to be committed, for the Web UI: IDs and points,
// no names.
func inWords(award scoring.Award) string {
	switch {
	case award.Status == race.Rejected:
		return "rejected, " + award.Reason
	case award.RunnerID == "":
		return award.Reason
	case award.Reason != "":
		return fmt.Sprintf("no points to runner %s, %s", award.RunnerID, award.Reason)
	}
	return fmt.Sprintf("%d points to runner %s", award.Points, award.RunnerID)
}
