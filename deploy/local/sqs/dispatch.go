package sqs

import (
	"container/list"
	"context"
	"time"
)

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
// moment of hanging up come back when their visibility timeout is over.
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

// dispatch brings a queue to the present and serves its waiters as far as messages go, longest waiting
// first, each with as many as it can take.
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

// deliver hands out visible messages. One that was received too often goes to the dead-letter queue
// instead, which is returned so that the caller serves its waiters.
func (s *Server) deliver(q *queue, want demand, now time.Time) (got []delivery, deadLetters *queue) {
	for len(got) < want.most && q.ready.Len() > 0 {
		m := front[*message](q.ready)
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

// arm sets the queue's timer to when the next hidden message becomes visible, if somebody waits for it.
// Without waiters no time needs to be kept: the next call brings the queue to the present.
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
