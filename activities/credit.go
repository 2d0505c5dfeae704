package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// CreditInput names one revision of an official record. IDs only: it is kept
// in workflow histories.
type CreditInput struct {
	RaceID   string `json:"race_id"`
	RecordID string `json:"record_id"`
	Revision int    `json:"revision"`
}

// FactsReader reads what decides a credit. Facts returns race.ErrNotFound for a
// record that does not exist.
type FactsReader interface {
	Facts(ctx context.Context, recordID string) (maindb.Facts, error)
}

// Ledger moves points. ApplyCredit is idempotent for a record and its revision.
type Ledger interface {
	ApplyCredit(ctx context.Context, c race.Credit) (userdb.Applied, error)
}

// Credits are the three steps that credit a revision of a record.
type Credits struct {
	facts   FactsReader
	ledger  Ledger
	metrics *Metrics
	recent  recentFacts
}

// NewCredits returns the steps over main_db and user_db.
func NewCredits(facts FactsReader, ledger Ledger, metrics *Metrics) *Credits {
	return &Credits{facts: facts, ledger: ledger, metrics: metrics}
}

// Validated says who ran with the record's bib.
type Validated struct {
	RunnerID string `json:"runner_id,omitempty"` // a user ID; empty when rejected or removed
	Bib      string `json:"bib,omitempty"`       // as the organizer wrote it
	// Rejection is why the record earns no credit as it stands; empty when it may.
	Rejection string `json:"rejection,omitempty"`
	// Superseded: the record has a newer revision, which is credited on its own.
	Superseded bool `json:"superseded,omitempty"`
	// ChangedAt is when the revision was made.
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// ValidateParticipant finds out who ran with the record's bib. The error is a
// *race.Rejection when there is no such revision of a record in the race, so
// that there is nothing to commit a rejection to.
func (c *Credits) ValidateParticipant(ctx context.Context, in CreditInput) (Validated, error) {
	facts, err := c.factsOf(ctx, in)
	if err != nil {
		return Validated{}, err
	}
	validated := Validated{Bib: facts.Record.Result.Bib, Superseded: facts.Record.Revision > in.Revision, ChangedAt: facts.ChangedAt}
	if validated.Superseded || facts.Record.Removed {
		return validated, nil
	}
	entrant, err := entrantOf(facts)
	if rejection, ok := errors.AsType[*race.Rejection](err); ok {
		validated.Rejection = rejection.Reason
		return validated, nil
	}
	if err == nil {
		c.recent.put(in, facts)
	}
	validated.RunnerID = entrant.UserID
	return validated, err
}

// Award is what a revision comes to.
type Award struct {
	Status   race.CreditStatus `json:"status"` // Credited, Rejected or Superseded
	RunnerID string            `json:"runner_id,omitempty"`
	Points   int64             `json:"points"`
	Rule     string            `json:"rule,omitempty"`    // without its edition
	Edition  string            `json:"edition,omitempty"` // of the rule
	Reason   string            `json:"reason,omitempty"`  // why rejected, or why it is worth no points
}

// ComputePoints applies the race's scoring rule to the record. It is not told
// the facts, since sex and age have no place in a history: it reads them again,
// unless ValidateParticipant did so here a moment ago. The award is to whoever
// is entered with the bib at that moment.
func (c *Credits) ComputePoints(ctx context.Context, in CreditInput) (Award, error) {
	facts, known := c.recent.take(in)
	if !known {
		var err error
		if facts, err = c.factsOf(ctx, in); err != nil {
			return Award{}, err
		}
	}
	if facts.Record.Revision > in.Revision {
		return Award{Status: race.Superseded}, nil
	}
	award, err := Judge(facts)
	if rejection, ok := errors.AsType[*race.Rejection](err); ok {
		return Award{Status: race.Rejected, Reason: rejection.Reason}, nil
	}
	return award, err
}

// CommitInput is an award and the revision that it is for.
type CommitInput struct {
	Credit CreditInput `json:"credit"`
	Award  Award       `json:"award"` // Credited or Rejected
	// ChangedAt is when the revision was made; zero: unknown, and not measured.
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// Committed says what the ledger holds after CommitPoints.
type Committed struct {
	// Status is Credited or Rejected, or Superseded when a newer revision had
	// been committed before.
	Status   race.CreditStatus `json:"status"`
	Repeated bool              `json:"repeated,omitempty"` // this revision had been committed before
	RunnerID string            `json:"runner_id,omitempty"`
	Points   int64             `json:"points"`
	Reason   string            `json:"reason,omitempty"`
}

// CommitPoints writes the award to the ledger, once however often it is called.
func (c *Credits) CommitPoints(ctx context.Context, in CommitInput) (Committed, error) {
	applied, err := c.ledger.ApplyCredit(ctx, race.Credit{
		RecordID: in.Credit.RecordID, RaceID: in.Credit.RaceID, Revision: in.Credit.Revision,
		Status: in.Award.Status, UserID: in.Award.RunnerID, Points: in.Award.Points,
		Rule: in.Award.Rule, Edition: in.Award.Edition, Reason: in.Award.Reason,
		WorkflowID: activity.GetInfo(ctx).WorkflowExecution.ID,
	})
	if err != nil {
		return Committed{}, err
	}
	standing := applied.Standing
	if standing.Revision > in.Credit.Revision {
		c.metrics.committed(race.Superseded, false)
		return Committed{Status: race.Superseded}, nil
	}
	c.metrics.committed(standing.Status, !applied.Changed)
	if applied.Changed {
		c.metrics.creditTook(in.ChangedAt)
	}
	return Committed{
		Status: standing.Status, Repeated: !applied.Changed,
		RunnerID: standing.UserID, Points: standing.Points, Reason: standing.Reason,
	}, nil
}

// factsOf reads the facts of a record. A record that does not exist, is of
// another race, or has no such revision yet gives a *race.Rejection.
func (c *Credits) factsOf(ctx context.Context, in CreditInput) (maindb.Facts, error) {
	facts, err := c.facts.Facts(ctx, in.RecordID)
	switch {
	case errors.Is(err, race.ErrNotFound):
		return maindb.Facts{}, &race.Rejection{Reason: "there is no such record"}
	case err != nil:
		return maindb.Facts{}, err
	case facts.Record.RaceID != in.RaceID:
		return maindb.Facts{}, &race.Rejection{Reason: "the record is of another race"}
	case facts.Record.Revision < in.Revision:
		return maindb.Facts{}, &race.Rejection{Reason: fmt.Sprintf("the record has no revision %d", in.Revision)}
	}
	return facts, nil
}
