package sqs

import (
	"net/http"
	"regexp"
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

// maxBatch is how many entries a batch can have.
const maxBatch = 10

// batchID is what the ID of a batch entry may be.
var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batchAnswer answers a batch entry by entry.
type batchAnswer[T any] struct {
	Successful []T
	Failed     []batchFailure
}

// runBatch does one thing for each entry of a batch; an entry that is refused is listed and does not
// stop the others. A batch that breaks the rules for batches is refused whole.
func runBatch[E, T any](entries []E, id func(E) string, do func(E) (T, error)) (batchAnswer[T], error) {
	answer := batchAnswer[T]{Successful: []T{}, Failed: []batchFailure{}}
	if err := checkBatch(entries, id); err != nil {
		return answer, err
	}
	for _, e := range entries {
		done, err := do(e)
		if err != nil {
			answer.Failed = append(answer.Failed, newBatchFailure(id(e), err))
			continue
		}
		answer.Successful = append(answer.Successful, done)
	}
	return answer, nil
}

func checkBatch[E any](entries []E, id func(E) string) error {
	switch {
	case len(entries) == 0:
		return errEmptyBatch.errorf("there must be at least one entry in the request")
	case len(entries) > maxBatch:
		return errTooManyEntries.errorf("the maximum number of entries per request is %d; there are %d", maxBatch, len(entries))
	}
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		switch name := id(e); {
		case !batchID.MatchString(name):
			return errInvalidBatchID.errorf("a batch entry ID has 1 to 80 letters, digits, hyphens or underscores")
		case seen[name]:
			return errBatchIDsNotDistinct.errorf("the ID %s is repeated", name)
		default:
			seen[name] = true
		}
	}
	return nil
}

// batchDone is the answer for an entry of which there is nothing more to say.
type batchDone struct {
	ID string `json:"Id"`
}
