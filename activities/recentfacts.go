package activities

import (
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

const (
	// factsLifetime is for how long facts that one step has read serve the next:
	// the steps of a credit follow each other within milliseconds.
	factsLifetime = time.Second
	// maxRecentFacts bounds what is kept for steps that never come here, since
	// another worker took them or the record was rejected.
	maxRecentFacts = 1000
)

// recentFacts hands the facts of a record from one step to the next when both
// run in this process. They must not go by way of the workflow, whose history
// has no place for sex and age.
type recentFacts struct {
	mu sync.Mutex
	by map[CreditInput]factsAt
}

type factsAt struct {
	facts maindb.Facts
	at    time.Time
}

func (r *recentFacts) put(of CreditInput, facts maindb.Facts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil || len(r.by) >= maxRecentFacts {
		r.by = map[CreditInput]factsAt{}
	}
	r.by[of] = factsAt{facts, time.Now()}
}

// take returns facts once: whoever comes again reads them.
func (r *recentFacts) take(of CreditInput) (maindb.Facts, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.by[of]
	delete(r.by, of)
	return known.facts, ok && time.Since(known.at) < factsLifetime
}
