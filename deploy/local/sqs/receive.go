package sqs

import (
	"container/list"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxInFlight is how many received messages a standard queue lets wait for their deletion.
const maxInFlight = 120_000

type receiveRequest struct {
	queueRequest
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string // the older name of MessageSystemAttributeNames
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receiveAnswer struct {
	Messages []receivedMessage `json:",omitempty"`
}

type receivedMessage struct {
	MessageID         string `json:"MessageId"`
	ReceiptHandle     string
	Body              string
	MD5OfBody         string
	Attributes        map[string]string    `json:",omitempty"`
	MessageAttributes map[string]attribute `json:",omitempty"`
	MD5Attributes     string               `json:"MD5OfMessageAttributes,omitempty"`
}

func (s *Server) receiveMessage(r *http.Request, in receiveRequest) (any, error) {
	w, got, err := s.take(in)
	if err != nil {
		return nil, err
	}
	if w != nil {
		if got, err = s.await(r.Context(), w); err != nil {
			return nil, err
		}
	}
	system := append(slices.Clip(in.AttributeNames), in.MessageSystemAttributeNames...)
	answer := receiveAnswer{Messages: make([]receivedMessage, len(got))}
	for i, d := range got {
		answer.Messages[i] = d.render(system, in.MessageAttributeNames, s.account)
	}
	return answer, nil
}

// take returns messages that are there, or a waiter when there are none and the receive is to wait.
func (s *Server) take(in receiveRequest) (*waiter, []delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, nil, err
	}
	want, wait, err := in.demand(q.settings)
	if err != nil {
		return nil, nil, err
	}
	now := s.clock.Now()
	s.dispatch(q, now) // those that wait longer are served first
	if q.inFlight() >= maxInFlight {
		return nil, nil, errOverLimit.errorf("too many messages in flight: the maximum is %d", maxInFlight)
	}
	got, deadLetters := s.deliver(q, want, now)
	if deadLetters != nil {
		s.dispatch(deadLetters, now)
	}
	if len(got) > 0 || wait == 0 || s.closed {
		return nil, got, nil
	}
	return s.enqueueWaiter(q, want, wait, now), nil, nil
}

// demand is what a receive asks of a queue.
type demand struct {
	most       int
	visibility time.Duration
}

func (in receiveRequest) demand(set settings) (demand, time.Duration, error) {
	d, wait := demand{most: 1, visibility: set.visibility}, set.wait
	if in.MaxNumberOfMessages != nil {
		d.most = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		d.visibility = seconds(*in.VisibilityTimeout)
	}
	if in.WaitTimeSeconds != nil {
		wait = seconds(*in.WaitTimeSeconds)
	}
	switch {
	case d.most < 1 || d.most > maxBatch:
		return demand{}, 0, errInvalidParameter.errorf("MaxNumberOfMessages must be from 1 to %d", maxBatch)
	case d.visibility < 0 || d.visibility > maxVisibility:
		return demand{}, 0, errInvalidParameter.errorf("VisibilityTimeout must be from 0 to %d", int(maxVisibility/time.Second))
	case wait < 0 || wait > maxWait:
		return demand{}, 0, errInvalidParameter.errorf("WaitTimeSeconds must be from 0 to %d", int(maxWait/time.Second))
	}
	for _, name := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if !slices.Contains(systemAttributes, name) {
			return demand{}, 0, errInvalidAttributeName.errorf("unknown message system attribute %s", name)
		}
	}
	return d, wait, nil
}

// systemAttributes are the names that a receive can ask for; those of FIFO queues and encryption never
// have a value here.
var systemAttributes = []string{
	"All", "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "AWSTraceHeader",
	"DeadLetterQueueSourceArn", "MessageDeduplicationId", "MessageGroupId", "SenderId", "SentTimestamp",
	"SequenceNumber", "SqsManagedSseEnabled",
}

// delivery is a message as it was when it was handed out.
type delivery struct {
	*message // id, sentAt and content alone: the rest belongs to the lock
	handle   string
	receives int
	first    time.Time
	source   string
}

// render returns a delivery as it is in an answer, with the attributes that were
// asked for.
func (d delivery) render(system, names []string, sender string) receivedMessage {
	picked := selectAttributes(d.attributes, names)
	return receivedMessage{
		MessageID:         d.id.String(),
		ReceiptHandle:     d.handle,
		Body:              d.body,
		MD5OfBody:         d.bodyMD5,
		Attributes:        d.system(system, sender),
		MessageAttributes: picked,
		MD5Attributes:     attributesMD5(picked),
	}
}

func (d delivery) system(names []string, sender string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	all := map[string]string{
		"SenderId":                         sender,
		"SentTimestamp":                    strconv.FormatInt(d.sentAt.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(d.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(d.first.UnixMilli(), 10),
	}
	if d.group != "" {
		all["MessageGroupId"] = d.group
	}
	if d.source != "" {
		all["DeadLetterQueueSourceArn"] = d.source
	}
	if d.traceHeader != "" {
		all["AWSTraceHeader"] = d.traceHeader
	}
	if slices.Contains(names, "All") {
		return all
	}
	picked := map[string]string{}
	for _, name := range names {
		if value, ok := all[name]; ok {
			picked[name] = value
		}
	}
	return picked
}

// waiter is a receive that waits for messages.
type waiter struct {
	queue  *queue
	want   demand
	place  *list.Element // among the queue's waiters, nil once it is answered or has left
	answer chan outcome  // holds one, so that answering never blocks
	stop   func()        // calls off the end of the wait
}

// outcome ends a wait: messages, none when the time is over, or an error.
type outcome struct {
	messages []delivery
	err      error
}

// enqueueWaiter lines up a receive behind those that wait already.
func (s *Server) enqueueWaiter(q *queue, want demand, wait time.Duration, now time.Time) *waiter {
	w := &waiter{queue: q, want: want, answer: make(chan outcome, 1)}
	w.place = q.waiters.PushBack(w)
	w.stop = s.clock.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.finish(outcome{})
	})
	s.arm(q, now)
	return w
}

// finish takes a waiter out of the line and answers it, unless that was done before.
func (w *waiter) finish(o outcome) {
	if w.place == nil {
		return
	}
	w.queue.waiters.Remove(w.place)
	w.place = nil
	w.answer <- o
}

// await blocks until the waiter is answered or its client hangs up. Messages that were handed out in the
// moment of disconnecting become visible again after their visibility timeout.
func (s *Server) await(ctx context.Context, w *waiter) ([]delivery, error) {
	defer w.stop()
	select {
	case o := <-w.answer:
		return o.messages, o.err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		w.finish(outcome{})
		return nil, errClientGone
	}
}

// dismissWaiters ends all waits of a queue with an error, or with no messages.
func (q *queue) dismissWaiters(err error) {
	for q.waiters.Len() > 0 {
		front[*waiter](q.waiters).finish(outcome{err: err})
	}
	q.disarm()
}

// dispatch updates a queue to the current time and serves its waiters as long as
// there are messages, longest waiting first, each with as many as it can take.
func (s *Server) dispatch(q *queue, now time.Time) {
	q.advance(now)
	var deadLetters *queue
	for q.waiters.Len() > 0 && q.inFlight() < maxInFlight {
		w := front[*waiter](q.waiters)
		got, gaveTo := s.deliver(q, w.want, now)
		if gaveTo != nil {
			deadLetters = gaveTo
		}
		if len(got) == 0 {
			break
		}
		w.finish(outcome{messages: got})
	}
	s.arm(q, now)
	if deadLetters != nil {
		s.dispatch(deadLetters, now)
	}
}

// deliver hands out visible messages. A message that was received too often goes to the dead-letter queue
// instead, which is returned so that the caller serves its waiters.
func (s *Server) deliver(q *queue, want demand, now time.Time) (got []delivery, deadLetters *queue) {
	for len(got) < want.most && q.ready.count > 0 {
		m := q.ready.next()
		if target := s.deadLetterQueue(q, m); target != nil {
			q.remove(m)
			m.source, m.receivesHere = q.arn, 0
			target.add(m, now, 0)
			deadLetters = target
			continue
		}
		q.lift(m)
		m.receives++
		m.receivesHere++
		if m.receives == 1 {
			m.firstReceive = now
		}
		m.lastReceive = now
		q.hide(m, now.Add(want.visibility), false)
		got = append(got, delivery{m, receiptHandle(q, m), m.receives, m.firstReceive, m.source})
	}
	return got, deadLetters
}

// deadLetterQueue is where a message goes that was received as often as its queue allows, else nil: also
// when the policy's queue is gone.
func (s *Server) deadLetterQueue(q *queue, m *message) *queue {
	policy := q.settings.redrive
	if policy.target == "" || m.receivesHere < policy.maxReceives {
		return nil
	}
	return s.byARN(policy.target)
}

// arm sets the queue's timer to when the next hidden message becomes visible, if
// somebody waits for it. Without waiters no timer is needed: the next call updates
// the queue.
func (s *Server) arm(q *queue, now time.Time) {
	if q.waiters.Len() == 0 || len(q.hidden) == 0 {
		q.disarm()
		return
	}
	next := q.hidden[0].visibleAt
	if q.wake != nil && q.wakeAt.Equal(next) {
		return
	}
	q.disarm()
	q.wakeAt = next
	q.wake = s.clock.AfterFunc(next.Sub(now), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.wakeAt.Equal(next) {
			q.wake = nil
		}
		s.dispatch(q, s.clock.Now())
	})
}

func (q *queue) disarm() {
	if q.wake != nil {
		q.wake()
		q.wake = nil
	}
}
