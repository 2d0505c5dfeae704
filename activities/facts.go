package activities

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// Records is what the credit path needs of main_db.
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

// FactsTicket names facts that one activity has read and holds for the others.
//
// The sex and age that decide a credit must not travel through the workflow:
// what activities return stays in its history, next to the runner's ID. So
// ValidateParticipant keeps what it read in the memory of its worker and
// returns a ticket; the workflow passes the ticket to ComputePoints, for the
// points, and to CommitPoints, for what explains them. Each finds the facts if it
// runs in the same process within a second, as on the fast path, and reads them
// again otherwise. A ticket saves reads, and nothing else depends on it.
type FactsTicket string

const (
	// factsLifetime is how long facts are held. The activities of a credit
	// follow each other within milliseconds; facts of a second ago are as good
	// as a read of a second ago, since a later change makes a new revision.
	factsLifetime = time.Second
	// maxHeldFacts bounds what is held for tickets that never come back because
	// another worker took over.
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

// drop forgets the facts of a ticket that nobody will ask for again.
func (h *heldFacts) drop(ticket FactsTicket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byTicket, ticket)
}
