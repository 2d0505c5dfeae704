package sqs

import (
	"container/heap"
	"container/list"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// queue is one standard queue, guarded by the server's lock.
type queue struct {
	id       uuid.UUID // in receipt handles, so that a queue that was created again does not accept handles of the old one
	name     string
	arn      string
	created  time.Time
	modified time.Time
	purged   time.Time
	settings settings

	messages map[uuid.UUID]*message
	ready    turns      // visible
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
	q.ready = newTurns()
	q.hidden = nil
	q.delayed = 0
}

// add adds a message: visible now, or hidden until its delay is over.
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

// show makes a message that is in no list visible, after the visible messages of its group, so that a message
// that always fails does not delay others.
func (q *queue) show(m *message) { q.ready.push(m) }

// hide hides a message that is in no list until a time.
func (q *queue) hide(m *message, until time.Time, delayed bool) {
	m.visibleAt, m.delayed = until, delayed
	if delayed {
		q.delayed++
	}
	heap.Push(&q.hidden, m)
}

// lift removes a message from its list.
func (q *queue) lift(m *message) {
	if m.place != nil {
		q.ready.remove(m)
		return
	}
	heap.Remove(&q.hidden, m.index)
	if m.delayed {
		q.delayed--
		m.delayed = false
	}
}

// remove removes a message.
func (q *queue) remove(m *message) {
	q.lift(m)
	delete(q.messages, m.id)
}

// advance updates the queue to the current time: messages whose time has come
// become visible, and those older than the retention period are dropped.
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

// dropExpired checks every message; advance calls it only when the oldest has expired.
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

// inFlight returns how many messages are received and neither deleted nor visible again.
func (q *queue) inFlight() int { return len(q.hidden) - q.delayed }

// turns holds the visible messages of a queue. Message groups take turns, one message each, so that a group
// with thousands of messages does not delay the others. A message without a group has a turn of its own, as
// on Amazon.
type turns struct {
	line   *list.List               // of *list.List of *message: one for each group, the next turn first
	groups map[string]*list.Element // of line
	count  int
}

func newTurns() turns { return turns{line: list.New(), groups: map[string]*list.Element{}} }

func (t *turns) push(m *message) {
	turn := t.groups[m.group]
	if turn == nil {
		turn = t.line.PushBack(list.New())
		if m.group != "" {
			t.groups[m.group] = turn
		}
	}
	m.turn, m.place = turn, messagesOf(turn).PushBack(m)
	t.count++
}

// remove removes a message. Its group has had its turn.
func (t *turns) remove(m *message) {
	messages := messagesOf(m.turn)
	messages.Remove(m.place)
	t.count--
	if messages.Len() > 0 {
		t.line.MoveToBack(m.turn)
	} else {
		t.line.Remove(m.turn)
		delete(t.groups, m.group)
	}
	m.turn, m.place = nil, nil
}

// next returns the message whose turn it is; there must be one.
func (t *turns) next() *message { return front[*message](front[*list.List](t.line)) }

func messagesOf(turn *list.Element) *list.List {
	return turn.Value.(*list.List) //nolint:errcheck,forcetypeassert // line holds lists alone
}

// front returns the first value of a non-empty list of this type.
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

// message is one message of a queue. Its content never changes after it was sent; the rest is guarded by
// the server's lock.
type message struct {
	id     uuid.UUID
	sentAt time.Time
	content

	source       string // ARN of the queue that gave it up to this dead-letter queue, or empty
	receives     int    // over all queues
	receivesHere int    // in this queue, for its redrive policy
	firstReceive time.Time
	lastReceive  time.Time

	place     *list.Element // in its turn, when it is visible
	turn      *list.Element // its group's place among the turns, when it is visible
	index     int           // among the hidden
	visibleAt time.Time     // when hidden
	delayed   bool          // hidden since it was sent, not since it was received
}

// content is the immutable part of a message.
type content struct {
	body        string
	bodyMD5     string
	attributes  map[string]attribute
	group       string
	traceHeader string
}

// size returns what counts against the limits, in bytes: body, and names, types and values of attributes.
func (c content) size() int {
	n := len(c.body)
	for name, a := range c.attributes {
		n += len(name) + len(a.DataType) + len(a.bytes())
	}
	return n
}

// checkText reports the first character that a message cannot hold. Allowed are #x9, #xA, #xD, #x20 to
// #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF.
func checkText(text string) error {
	for _, r := range text {
		allowed := r == 0x9 || r == 0xA || r == 0xD || (r >= 0x20 && r <= 0xD7FF) ||
			(r >= 0xE000 && r <= 0xFFFD) || (r >= 0x10000 && r <= utf8.MaxRune)
		if !allowed {
			return errInvalidContents.errorf("the message contains the character #x%X, which is not allowed", r)
		}
	}
	return nil
}

// receiptHandle names one receive of one message of one queue.
func receiptHandle(q *queue, m *message) string {
	raw := make([]byte, 0, 40)
	raw = append(raw, q.id[:]...)
	raw = append(raw, m.id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(m.receives)) //nolint:gosec // a count, never negative
	return base64.RawURLEncoding.EncodeToString(raw)
}

// receipt is a decoded receipt handle.
type receipt struct {
	message *message // nil when it is deleted or expired
	latest  bool     // the message was not received again since
}

// receipt decodes a handle. It refuses a handle that this queue did not issue.
func (q *queue) receipt(handle string) (receipt, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(handle))
	if err != nil || len(raw) != 40 || uuid.UUID(raw[:16]) != q.id {
		return receipt{}, errReceiptHandle.errorf("the receipt handle is not one of this queue")
	}
	m := q.messages[uuid.UUID(raw[16:32])]
	if m == nil {
		return receipt{}, nil
	}
	return receipt{message: m, latest: binary.BigEndian.Uint64(raw[32:]) == uint64(m.receives)}, nil //nolint:gosec // a count, never negative
}
