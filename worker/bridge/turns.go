package bridge

import (
	"context"
	"slices"
	"sync"
)

// turns lets so many starts be under way at once, and when more are wanted gives
// races their turns: one start each, however many messages of a race are in hand.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting map[string][]chan struct{} // by race, longest waiting first
	order   []string                   // the races that wait, the next one first
}

func newTurns(starts int) *turns {
	return &turns{free: starts, waiting: map[string][]chan struct{}{}}
}

// take waits for the race's turn; false when ctx ended first. After true the
// caller calls give.
func (t *turns) take(ctx context.Context, raceID string) bool {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	if len(t.waiting[raceID]) == 0 {
		t.order = append(t.order, raceID)
	}
	t.waiting[raceID] = append(t.waiting[raceID], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
		return t.leave(raceID, turn)
	}
}

// leave gives up waiting. When the turn came at the same moment it is passed on.
func (t *turns) leave(raceID string, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting[raceID], turn)
	if i < 0 {
		t.next()
		return false
	}
	t.waiting[raceID] = slices.Delete(t.waiting[raceID], i, i+1)
	if len(t.waiting[raceID]) == 0 {
		delete(t.waiting, raceID)
		t.order = slices.DeleteFunc(t.order, func(id string) bool { return id == raceID })
	}
	return false
}

// give ends a start.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next()
}

// next hands a free start to the race whose turn it is, which then lines up
// behind the others.
func (t *turns) next() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	raceID := t.order[0]
	t.order = t.order[1:]
	waiting := t.waiting[raceID]
	close(waiting[0])
	if len(waiting) == 1 {
		delete(t.waiting, raceID)
		return
	}
	t.waiting[raceID] = waiting[1:]
	t.order = append(t.order, raceID)
}
