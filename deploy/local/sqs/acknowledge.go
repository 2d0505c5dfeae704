package sqs

import (
	"net/http"
	"time"
)

type deleteRequest struct {
	queueRequest
	ReceiptHandle string
}

func (s *Server) deleteMessage(_ *http.Request, in deleteRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return empty{}, q.acknowledge(in.ReceiptHandle)
}

type deleteEntry struct {
	ID            string `json:"Id"`
	ReceiptHandle string
}

type deleteBatchRequest struct {
	queueRequest
	Entries []deleteEntry
}

func (s *Server) deleteMessageBatch(_ *http.Request, in deleteBatchRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return runBatch(in.Entries, func(e deleteEntry) string { return e.ID }, func(e deleteEntry) (batchDone, error) {
		return batchDone{e.ID}, q.acknowledge(e.ReceiptHandle)
	})
}

// acknowledge deletes the message that a handle names. It succeeds when the message is gone already, and
// with a handle from an earlier receive, which deletes nothing: the message is somebody else's by now.
func (q *queue) acknowledge(handle string) error {
	got, err := q.receipt(handle)
	if err != nil {
		return err
	}
	if got.message != nil && got.latest {
		q.remove(got.message)
	}
	return nil
}

type visibilityRequest struct {
	queueRequest
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (s *Server) changeVisibility(_ *http.Request, in visibilityRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	s.dispatch(q, now)
	if err := q.changeVisibility(in.ReceiptHandle, in.VisibilityTimeout, now); err != nil {
		return nil, err
	}
	s.dispatch(q, now)
	return empty{}, nil
}

type visibilityEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

type visibilityBatchRequest struct {
	queueRequest
	Entries []visibilityEntry
}

func (s *Server) changeVisibilityBatch(_ *http.Request, in visibilityBatchRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	s.dispatch(q, now)
	answer, err := runBatch(in.Entries, func(e visibilityEntry) string { return e.ID }, func(e visibilityEntry) (batchDone, error) {
		return batchDone{e.ID}, q.changeVisibility(e.ReceiptHandle, e.VisibilityTimeout, now)
	})
	if err != nil {
		return nil, err
	}
	s.dispatch(q, now)
	return answer, nil
}

// changeVisibility hides a received message for so many seconds from now, 0 to show it at once, up to 12
// hours after it was received.
func (q *queue) changeVisibility(handle string, timeout *int, now time.Time) error {
	if timeout == nil {
		return errMissingParameter.errorf("the request must contain the parameter VisibilityTimeout")
	}
	visibility := seconds(*timeout)
	if visibility < 0 || visibility > maxVisibility {
		return errInvalidParameter.errorf("VisibilityTimeout must be from 0 to %d", int(maxVisibility/time.Second))
	}
	got, err := q.receipt(handle)
	if err != nil {
		return err
	}
	m := got.message
	switch {
	case m == nil:
		return errInvalidParameter.errorf("the message does not exist or is not available for a change of its visibility timeout")
	case m.place != nil || !got.latest:
		return errNotInFlight.errorf("the message is not in flight under this receipt handle")
	case now.Add(visibility).After(m.lastReceive.Add(maxVisibility)):
		return errInvalidParameter.errorf("the total visibility timeout is beyond the limit of %d seconds", int(maxVisibility/time.Second))
	}
	q.lift(m)
	q.hide(m, now.Add(visibility), false)
	return nil
}
