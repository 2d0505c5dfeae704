package sqs

import (
	"container/heap"
	"container/list"
	"time"

	"github.com/google/uuid"
)

// queue is one standard queue. All of it is guarded by the server's lock.
type queue struct {
	id       uuid.UUID // in receipt handles, so that a queue made anew does not accept the old one's
	name     string
	arn      string
	created  time.Time
	modified time.Time
	purged   time.Time
	settings settings

	messages map[uuid.UUID]*message
	ready    *list.List // of *message, visible, oldest first
	hidden   hiddenHeap // delayed and in flight, next to become visible first
	delayed  int        // how many of hidden are delayed
	oldest   time.Time  // no message was sent before this

	waiters *list.List // of *waiter, longest waiting first
	wake    func()     // calls off the timer for the next hidden message; nil when none is set
	wakeAt  time.Time
}

func newQueue(name, arn string, set settings, now time.Time) *queue {
	q := &queue{id: uuid.New(), name: name, arn: arn, created: now, modified: now, settings: set, waiters: list.New()}
	q.clear()
	return q
}

// clear drops every message.
func (q *queue) clear() {
	q.messages = map[uuid.UUID]*message{}
	q.ready = list.New()
	q.hidden = nil
	q.delayed = 0
}

// add takes in a message: visible now, or hidden until its delay is over.
func (q *queue) add(m *message, now time.Time, delay time.Duration) {
	if len(q.messages) == 0 || m.sentAt.Before(q.oldest) {
		q.oldest = m.sentAt
	}
	q.messages[m.id] = m
	if delay > 0 {
		q.hide(m, now.Add(delay), true)
		return
	}
	q.show(m)
}

// show makes a message that is in no list visible, behind those that are visible already: a message that
// always fails does not keep others waiting.
func (q *queue) show(m *message) { m.place = q.ready.PushBack(m) }

// hide keeps a message that is in no list out of sight until then.
func (q *queue) hide(m *message, until time.Time, delayed bool) {
	m.visibleAt, m.delayed = until, delayed
	if delayed {
		q.delayed++
	}
	heap.Push(&q.hidden, m)
}

// lift takes a message out of the list it is in.
func (q *queue) lift(m *message) {
	if m.place != nil {
		q.ready.Remove(m.place)
		m.place = nil
		return
	}
	heap.Remove(&q.hidden, m.index)
	if m.delayed {
		q.delayed--
		m.delayed = false
	}
}

// remove forgets a message.
func (q *queue) remove(m *message) {
	q.lift(m)
	delete(q.messages, m.id)
}

// advance brings the queue to the present: what was hidden until now becomes visible, what is older than
// the retention period is dropped.
func (q *queue) advance(now time.Time) {
	for len(q.hidden) > 0 && !q.hidden[0].visibleAt.After(now) {
		m := q.hidden[0]
		q.lift(m)
		q.show(m)
	}
	if len(q.messages) > 0 && q.expired(q.oldest, now) {
		q.dropExpired(now)
	}
}

func (q *queue) expired(sentAt, now time.Time) bool {
	return now.Sub(sentAt) >= q.settings.retention
}

// dropExpired looks at every message; advance calls it only when the oldest is due.
func (q *queue) dropExpired(now time.Time) {
	q.oldest = now
	for _, m := range q.messages {
		switch {
		case q.expired(m.sentAt, now):
			q.remove(m)
		case m.sentAt.Before(q.oldest):
			q.oldest = m.sentAt
		}
	}
}

// inFlight is how many messages are received and neither deleted nor visible again.
func (q *queue) inFlight() int { return len(q.hidden) - q.delayed }

// front is the first value of a list that is not empty and holds values of this type alone.
func front[T any](l *list.List) T {
	return l.Front().Value.(T) //nolint:errcheck,forcetypeassert // see above
}

// hiddenHeap orders messages by when they become visible.
type hiddenHeap []*message

func (h hiddenHeap) Len() int           { return len(h) }
func (h hiddenHeap) Less(i, j int) bool { return h[i].visibleAt.Before(h[j].visibleAt) }

func (h hiddenHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *hiddenHeap) Push(x any) {
	m := x.(*message) //nolint:errcheck,forcetypeassert // the heap holds messages alone
	m.index = len(*h)
	*h = append(*h, m)
}

// Pop implements heap.Interface.
func (h *hiddenHeap) Pop() any {
	old := *h
	last := len(old) - 1
	m := old[last]
	old[last] = nil
	*h = old[:last]
	return m
}
