package activities

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// CreditInput names one revision of an official record. IDs only: it is kept
// in workflow histories.
type CreditInput struct {
	RaceID   string `json:"race_id"`
	RecordID string `json:"record_id"`
	Revision int    `json:"revision"`
}

// Ledger applies credits. ApplyCredit is idempotent per record and revision.
type Ledger interface {
	ApplyCredit(ctx context.Context, c race.Credit) (userdb.Applied, error)
}

// Credits are the three steps that credit a revision of a record.
type Credits struct {
	facts   Records
	ledger  Ledger
	metrics *Metrics
	held    heldFacts
}

// NewCredits returns the steps over main_db and user_db.
func NewCredits(facts Records, ledger Ledger, metrics *Metrics) *Credits {
	return &Credits{facts: facts, ledger: ledger, metrics: metrics}
}

// Validated is the result of ValidateParticipant: who ran with the record's bib.
type Validated struct {
	RunnerID string `json:"runner_id,omitempty"` // a user ID; empty when rejected or removed
	Bib      string `json:"bib,omitempty"`       // as the organizer wrote it
	// Rejection is why the record earns no credit as it stands; empty when it may.
	Rejection string `json:"rejection,omitempty"`
	// Superseded means that the record has a newer revision, which is credited by
	// its own workflow.
	Superseded bool `json:"superseded,omitempty"`
	// ChangedAt is when the revision was made.
	ChangedAt time.Time `json:"changed_at,omitzero"`
	// Facts is the ticket for the facts that were read, for the activities that
	// follow.
	Facts FactsTicket `json:"facts,omitempty"`
	// Fingerprint is that of the facts; it is kept in the ledger with a rejection.
	Fingerprint race.Fingerprint `json:"fingerprint,omitempty"`
}

// ValidateParticipant determines who ran with the record's bib. The error is a
// *race.Rejection when the race has no such record or revision; there is then no
// record that a rejection could be committed for.
func (c *Credits) ValidateParticipant(ctx context.Context, in CreditInput) (Validated, error) {
	facts, err := c.factsOf(ctx, in)
	if err != nil {
		return Validated{}, err
	}
	validated := Validated{Bib: facts.Record.Result.Bib, Superseded: facts.Record.Revision > in.Revision, ChangedAt: facts.ChangedAt}
	if validated.Superseded || facts.Record.Removed {
		return validated, nil
	}
	holder, err := facts.Holder()
	if rejection, ok := errors.AsType[*race.Rejection](err); ok {
		validated.Rejection, validated.Fingerprint = rejection.Reason, facts.Fingerprint()
		return validated, nil
	}
	if err == nil {
		validated.Facts = c.held.hold(facts)
	}
	validated.RunnerID = holder.UserID
	return validated, err
}

// ComputeInput is a revision and the ticket for the facts that ValidateParticipant
// read.
type ComputeInput struct {
	CreditInput
	Facts FactsTicket `json:"facts,omitempty"` // empty: none are held
}

// ComputePoints applies the race's scoring rule to the record, using the facts of
// the ticket or, when they are no longer held in this process, reading them again.
// The award goes to whoever is entered with the bib at that moment.
func (c *Credits) ComputePoints(ctx context.Context, in ComputeInput) (scoring.Award, error) {
	facts, held := c.held.find(in.Facts)
	if !held {
		var err error
		if facts, err = c.factsOf(ctx, in.CreditInput); err != nil {
			return scoring.Award{}, err
		}
	}
	if facts.Record.Revision > in.Revision {
		return scoring.Award{Status: race.Superseded}, nil
	}
	award, err := scoring.Judge(facts)
	if rejection, ok := errors.AsType[*race.Rejection](err); ok {
		award, err = scoring.Award{Status: race.Rejected, Reason: rejection.Reason}, nil
	}
	award.Fingerprint = facts.Fingerprint()
	return award, err
}

// CommitInput is an award and the revision that it is for.
type CommitInput struct {
	Credit CreditInput   `json:"credit"`
	Award  scoring.Award `json:"award"` // Credited or Rejected
	// ChangedAt is when the revision was made; zero means unknown, and then the
	// latency is not measured.
	ChangedAt time.Time   `json:"changed_at,omitzero"`
	Facts     FactsTicket `json:"facts,omitempty"` // empty: none are held
}

// Committed is what the ledger holds after CommitPoints.
type Committed struct {
	// Status is Credited or Rejected, or Superseded when a newer revision had
	// already been committed.
	Status   race.CreditStatus `json:"status"`
	Repeated bool              `json:"repeated,omitempty"` // this revision had already been committed
	RunnerID string            `json:"runner_id,omitempty"`
	Points   int64             `json:"points"`
	Reason   string            `json:"reason,omitempty"`
}

// CommitPoints writes the award to the ledger, once however often it is called. If
// the ledger turns out to be ahead of the record, because main_db lost revisions
// that user_db kept, it revises the record above the ledger, and that revision
// supersedes this one.
func (c *Credits) CommitPoints(ctx context.Context, in CommitInput) (Committed, error) {
	applied, err := c.ledger.ApplyCredit(ctx, race.Credit{
		RecordID: in.Credit.RecordID, RaceID: in.Credit.RaceID, Revision: in.Credit.Revision,
		Status: in.Award.Status, UserID: in.Award.RunnerID, Points: in.Award.Points,
		Rule: in.Award.Rule, Edition: in.Award.Edition, Reason: in.Award.Reason, Parts: c.parts(ctx, in),
		WorkflowID: activity.GetInfo(ctx).WorkflowExecution.ID, Fingerprint: in.Award.Fingerprint,
	})
	if err != nil {
		return Committed{}, err
	}
	c.held.drop(in.Facts)
	standing := applied.Standing
	if standing.Revision > in.Credit.Revision || !applied.Changed && standing.Fingerprint.Differs(in.Award.Fingerprint) {
		reason, err := c.raiseAbove(ctx, in.Credit, standing)
		if err != nil {
			return Committed{}, err
		}
		c.metrics.committed(race.Superseded, false)
		return Committed{Status: race.Superseded, Reason: reason}, nil
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

// partsPatience is how long a commit waits for main_db when it has to read again
// what explains the points.
const partsPatience = 300 * time.Millisecond

// parts returns what the points of an award were computed from. It does not come
// through the workflow because it holds sex and age. It is nil when there was
// nothing to compute, and when main_db cannot be read or has changed in the
// meantime: points are committed without an explanation rather than not at all.
func (c *Credits) parts(ctx context.Context, in CommitInput) *race.Parts {
	if in.Award.Status != race.Credited || in.Award.RunnerID == "" || in.Award.Reason != "" {
		return nil
	}
	facts, held := c.held.find(in.Facts)
	if !held {
		bounded, cancel := context.WithTimeout(ctx, partsPatience)
		defer cancel()
		var err error
		if facts, err = c.factsOf(bounded, in.Credit); err != nil {
			return nil
		}
	}
	award, err := scoring.Judge(facts)
	if err != nil || facts.Record.Revision != in.Credit.Revision || award.RunnerID != in.Award.RunnerID ||
		award.Points != in.Award.Points || award.Rule != in.Award.Rule || award.Edition != in.Award.Edition {
		return nil
	}
	return award.Parts
}

// raiseAbove revises the record above the ledger's revision if the ledger is ahead
// of it, and returns the reason. The reason is empty for a revision that was merely
// superseded by a newer one.
func (c *Credits) raiseAbove(ctx context.Context, of CreditInput, ledger race.Credit) (reason string, err error) {
	facts, err := c.facts.Facts(ctx, of.RecordID)
	if errors.Is(err, race.ErrNotFound) {
		return "", nil // left to the audit, which checks it again
	}
	if err != nil {
		return "", err
	}
	if reconcile.Of(facts.Record.Revision, facts.Fingerprint(), ledger) != reconcile.Ahead {
		return "", nil
	}
	if _, err := c.facts.RaiseAbove(ctx, of.RaceID, map[string]int{of.RecordID: ledger.Revision}); err != nil {
		return "", err
	}
	c.metrics.found(LedgerAhead, 1, 1)
	return fmt.Sprintf("the ledger was ahead at revision %d: the record was revised above it", ledger.Revision), nil
}

// Records is what the credit path needs from main_db.
type Records interface {
	// Facts returns what decides a credit, or race.ErrNotFound for a record that
	// does not exist.
	Facts(ctx context.Context, recordID string) (scoring.Facts, error)
	// RaiseAbove gives records a revision above the one that the ledger holds.
	RaiseAbove(ctx context.Context, raceID string, ahead map[string]int) (raised int, err error)
}

// factsOf reads the facts of a record. A record that does not exist, belongs to
// another race, or has no such revision yet gives a *race.Rejection.
func (c *Credits) factsOf(ctx context.Context, in CreditInput) (scoring.Facts, error) {
	facts, err := c.facts.Facts(ctx, in.RecordID)
	switch {
	case errors.Is(err, race.ErrNotFound):
		return scoring.Facts{}, &race.Rejection{Reason: "there is no such record"}
	case err != nil:
		return scoring.Facts{}, err
	case facts.Record.RaceID != in.RaceID:
		return scoring.Facts{}, &race.Rejection{Reason: "the record is of another race"}
	case facts.Record.Revision < in.Revision:
		return scoring.Facts{}, &race.Rejection{Reason: fmt.Sprintf("the record has no revision %d", in.Revision)}
	}
	return facts, nil
}

// FactsTicket identifies facts that one activity has read and keeps for the others.
//
// The sex and age that decide a credit must not travel through the workflow: what
// activities return stays in its history, next to the runner's ID. So
// ValidateParticipant keeps what it read in the memory of its worker and returns a
// ticket; the workflow passes the ticket to ComputePoints, for the points, and to
// CommitPoints, for what explains them. Each finds the facts if it runs in the same
// process within a second, as on the fast path, and otherwise reads them again. A
// ticket only saves reads; nothing else depends on it.
type FactsTicket string

const (
	// factsLifetime is how long facts are held. The activities of a credit follow
	// each other within milliseconds; facts that are a second old do no harm, since
	// a later change makes a new revision.
	factsLifetime = time.Second
	// maxHeldFacts bounds the memory for facts whose ticket is never presented
	// because another worker took over.
	maxHeldFacts = 1000
)

// heldFacts holds facts by their tickets.
type heldFacts struct {
	mu       sync.Mutex
	byTicket map[FactsTicket]factsAt
}

type factsAt struct {
	facts scoring.Facts
	at    time.Time
}

func (h *heldFacts) hold(facts scoring.Facts) FactsTicket {
	ticket := FactsTicket(rand.Text())
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byTicket == nil || len(h.byTicket) >= maxHeldFacts {
		h.byTicket = map[FactsTicket]factsAt{}
	}
	h.byTicket[ticket] = factsAt{facts, time.Now()}
	return ticket
}

// find returns the facts of a ticket.
func (h *heldFacts) find(ticket FactsTicket) (scoring.Facts, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held, ok := h.byTicket[ticket]
	return held.facts, ok && time.Since(held.at) < factsLifetime
}

// drop removes the facts of a ticket that will not be used again.
func (h *heldFacts) drop(ticket FactsTicket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byTicket, ticket)
}
