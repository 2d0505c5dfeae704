package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// CreditInput names the revision of an official record that CreditRecord
// credits.
type CreditInput = activities.CreditInput

// CreditResult is what became of a revision.
type CreditResult struct {
	Status   race.CreditStatus `json:"status"`              // Credited, Rejected or Superseded
	RunnerID string            `json:"runner_id,omitempty"` // a user ID
	Points   int64             `json:"points"`
	Reason   string            `json:"reason,omitempty"`   // why rejected, or why it is worth no points
	Repeated bool              `json:"repeated,omitempty"` // the ledger had this revision already
}

// CreditRecord applies one revision of an official record to the ledger: it
// finds out who ran, computes the points and commits them. A rejection is an
// answer, is committed like any other and completes the workflow; only a fault
// in the system makes it wait.
func CreditRecord(ctx workflow.Context, input CreditInput) (CreditResult, error) {
	return newCredit(input).run(ctx)
}

// credit is the state of a CreditRecord.
type credit struct {
	input CreditInput
	steps *activities.Credits // never set: the worker's own is called by name
}

func newCredit(input CreditInput) *credit { return &credit{input: input} }

func (c *credit) run(ctx workflow.Context) (CreditResult, error) {
	result, err := c.settle(ctx)
	var failure *temporal.ApplicationError
	if errors.As(err, &failure) && failure.Type() == activities.RejectionType {
		// There is no such revision, so there is nothing to commit this to.
		result, err = CreditResult{Status: race.Rejected, Reason: failure.Message()}, nil
	}
	if err != nil {
		return CreditResult{}, err
	}
	return result, c.publish(ctx, result)
}

// settle runs the three activities in turn. What the runner's points depend on
// beyond IDs (sex and age) stays out of the history: ValidateParticipant keeps it
// in its worker's memory, and validated.Facts is the ticket by which
// ComputePoints finds it there or else reads it again.
func (c *credit) settle(ctx workflow.Context) (CreditResult, error) {
	var validated activities.Validated
	if err := step(ctx, "validate: who ran with this bib", c.steps.ValidateParticipant, c.input, &validated); err != nil {
		return CreditResult{}, err
	}
	award := scoring.Award{Status: race.Rejected, Reason: validated.Rejection}
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
	in := activities.CommitInput{Credit: c.input, Award: award, ChangedAt: validated.ChangedAt}
	if err := step(ctx, "commit: "+inWords(award), c.steps.CommitPoints, in, &committed); err != nil {
		return CreditResult{}, err
	}
	return CreditResult{
		Status: committed.Status, RunnerID: committed.RunnerID, Points: committed.Points,
		Reason: committed.Reason, Repeated: committed.Repeated,
	}, nil
}

// publish makes the outcome searchable, all at once and only at the end, since
// each upsert is an event and a write of its own.
func (c *credit) publish(ctx workflow.Context, result CreditResult) error {
	attributes := []temporal.SearchAttributeUpdate{CreditStatusKey.ValueSet(string(result.Status))}
	if result.RunnerID != "" {
		attributes = append(attributes, RunnerIDKey.ValueSet(result.RunnerID))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, attributes...)
}

// inWords says what is about to be committed, for the Web UI: IDs and points, no
// names.
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
