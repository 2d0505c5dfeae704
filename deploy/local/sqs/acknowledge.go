package sqs

import (
	"regexp"
	"time"
)

type deleteRequest struct {
	queueRequest
	ReceiptHandle string
}

func (*Server) deleteMessage(q *queue, in deleteRequest) (any, error) {
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

func (*Server) deleteMessageBatch(q *queue, in deleteBatchRequest) (any, error) {
	return runBatch(in.Entries, func(e deleteEntry) string { return e.ID }, func(e deleteEntry) (batchDone, error) {
		return batchDone{e.ID}, q.acknowledge(e.ReceiptHandle)
	})
}

// acknowledge deletes the message that a handle names. It also succeeds if the message is already deleted,
// and for a handle of an earlier receive, which deletes nothing because another consumer has the message.
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

func (s *Server) changeVisibility(q *queue, in visibilityRequest) (any, error) {
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

func (s *Server) changeVisibilityBatch(q *queue, in visibilityBatchRequest) (any, error) {
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

// changeVisibility hides a received message for that many seconds from now, or shows it at once for 0. It
// cannot stay hidden for more than 12 hours after it was received.
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

// maxBatch is the maximum number of entries in a batch.
const maxBatch = 10

// batchID matches the IDs that a batch entry may have.
var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batchAnswer answers a batch entry by entry.
type batchAnswer[T any] struct {
	Successful []T
	Failed     []batchFailure
}

// runBatch calls do for each entry of a batch. A refused entry is listed and does not stop the others; an
// invalid batch is refused as a whole.
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

// batchDone is the answer for an entry without a result of its own.
type batchDone struct {
	ID string `json:"Id"`
}
