package bridge

import (
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// held knows the batches in hand. SQS tells nobody how old its oldest message is
// (CloudWatch knows, minutes late), but gives out old ones first, more or less:
// when messages wait, the oldest in hand is about as old as the oldest of all.
type held struct {
	mu      sync.Mutex
	next    int
	batches map[int]time.Time // when the oldest message of each was sent
}

// take notes a batch until done is called.
func (h *held) take(batch []queue.Received) (done func()) {
	var oldest time.Time
	for _, received := range batch {
		if at := received.SentAt; !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	if oldest.IsZero() {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.next
	h.next++
	h.batches[id] = oldest
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.batches, id)
	}
}

// age returns the age of the oldest message in hand, 0 when there is none.
func (h *held) age(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := now
	for _, at := range h.batches {
		if at.Before(oldest) {
			oldest = at
		}
	}
	return now.Sub(oldest)
}
