package sqs

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// maxMoveRate is the most messages per second that a task can be told to move.
const maxMoveRate = 500

// Task states, as ListMessageMoveTasks names them.
const (
	taskRunning   = "RUNNING"
	taskCompleted = "COMPLETED"
	taskCancelled = "CANCELLED"
	taskFailed    = "FAILED"
)

// moveTask moves the messages of a dead-letter queue to another queue or back to where they came from.
type moveTask struct {
	handle      string
	source      string // ARN
	destination string // ARN, or empty for each message's own source
	rate        int    // messages per second, 0 for all at once
	started     time.Time
	toMove      int
	moved       int
	status      string
	reason      string
	cancelTimer func()
}

type startMoveRequest struct {
	SourceARN      string `json:"SourceArn"`
	DestinationARN string `json:"DestinationArn"`
	Rate           *int   `json:"MaxNumberOfMessagesPerSecond"`
}

type taskHandle struct {
	TaskHandle string
}

func (s *Server) startMoveTask(_ *http.Request, in startMoveRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byARN(in.SourceARN)
	switch {
	case q == nil:
		return nil, errNoResource.errorf("the resource that you specified for the SourceArn parameter does not exist")
	case len(s.sourcesOf(q.arn)) == 0:
		return nil, errInvalidParameter.errorf("the source queue must be configured as a dead-letter queue")
	case in.DestinationARN != "" && s.byARN(in.DestinationARN) == nil:
		return nil, errNoResource.errorf("the resource that you specified for the DestinationArn parameter does not exist")
	case in.DestinationARN == in.SourceARN:
		return nil, errInvalidParameter.errorf("the source queue and the destination queue must differ")
	case in.Rate != nil && (*in.Rate < 1 || *in.Rate > maxMoveRate):
		return nil, errInvalidParameter.errorf("MaxNumberOfMessagesPerSecond must be from 1 to %d", maxMoveRate)
	case slices.ContainsFunc(s.tasks, func(t *moveTask) bool { return t.source == q.arn && t.status == taskRunning }):
		return nil, errUnsupported.errorf("a task is running for this queue; only one at a time is allowed")
	}
	now := s.clock.Now()
	s.dispatch(q, now)
	t := &moveTask{
		handle: uuid.NewString(), source: q.arn, destination: in.DestinationARN,
		started: now, toMove: q.ready.Len(), status: taskRunning,
	}
	if in.Rate != nil {
		t.rate = *in.Rate
	}
	s.remember(t)
	s.run(t)
	return taskHandle{t.handle}, nil
}

// remember keeps the ten newest tasks of each queue, which is all that can be listed.
func (s *Server) remember(t *moveTask) {
	s.tasks = slices.Insert(s.tasks, 0, t)
	kept := 0
	s.tasks = slices.DeleteFunc(s.tasks, func(old *moveTask) bool {
		if old.source != t.source {
			return false
		}
		kept++
		return kept > 10
	})
}

// run moves all messages, or one and sets a timer for the next when the task has a rate.
func (s *Server) run(t *moveTask) {
	now := s.clock.Now()
	for t.status == taskRunning {
		s.step(t, now)
		if t.rate > 0 && t.status == taskRunning {
			t.cancelTimer = s.clock.AfterFunc(time.Second/time.Duration(t.rate), func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.run(t)
			})
			return
		}
	}
}

// step moves one message. What arrives there is a new message: with an ID, a time and a receive count of
// its own, as Amazon documents it.
func (s *Server) step(t *moveTask, now time.Time) {
	from := s.byARN(t.source)
	if from == nil {
		t.fail("AWS.SimpleQueueService.NonExistentQueue")
		return
	}
	s.dispatch(from, now)
	if t.moved == t.toMove || from.ready.Len() == 0 {
		t.status = taskCompleted
		return
	}
	m := front[*message](from.ready)
	target := t.destination
	if target == "" {
		target = m.source
	}
	if target == "" { // sent here by a program, not by a redrive policy
		t.fail("CouldNotDetermineMessageSource")
		return
	}
	to := s.byARN(target)
	if to == nil {
		t.fail("AWS.SimpleQueueService.NonExistentQueue")
		return
	}
	from.remove(m)
	to.add(&message{id: uuid.New(), sentAt: now, content: m.content}, now, 0)
	t.moved++
	s.dispatch(to, now)
}

func (t *moveTask) fail(reason string) { t.status, t.reason = taskFailed, reason }

// stop ends a running task.
func (t *moveTask) stop() {
	if t.status != taskRunning {
		return
	}
	t.status = taskCancelled
	if t.cancelTimer != nil {
		t.cancelTimer()
	}
}

type cancelMoveAnswer struct {
	Moved int `json:"ApproximateNumberOfMessagesMoved"`
}

func (s *Server) cancelMoveTask(_ *http.Request, in taskHandle) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.tasks, func(t *moveTask) bool { return t.handle == in.TaskHandle })
	if i < 0 {
		return nil, errNoResource.errorf("there is no task with this handle")
	}
	t := s.tasks[i]
	if t.status != taskRunning {
		return nil, errUnsupported.errorf("only a running task can be cancelled; this one is %s", t.status)
	}
	t.stop()
	return cancelMoveAnswer{t.moved}, nil
}

type listMoveRequest struct {
	SourceARN  string `json:"SourceArn"`
	MaxResults *int
}

type listMoveAnswer struct {
	Results []moveTaskEntry
}

type moveTaskEntry struct {
	TaskHandle     string `json:",omitempty"` // of a running task alone
	SourceARN      string `json:"SourceArn"`
	DestinationARN string `json:"DestinationArn,omitempty"`
	Status         string
	Rate           int    `json:"MaxNumberOfMessagesPerSecond,omitempty"`
	Moved          int    `json:"ApproximateNumberOfMessagesMoved"`
	ToMove         int    `json:"ApproximateNumberOfMessagesToMove"`
	FailureReason  string `json:",omitempty"`
	Started        int64  `json:"StartedTimestamp"` // epoch milliseconds
}

func (s *Server) listMoveTasks(_ *http.Request, in listMoveRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byARN(in.SourceARN) == nil {
		return nil, errNoResource.errorf("the resource that you specified for the SourceArn parameter does not exist")
	}
	most := 1
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > 10 {
			return nil, errInvalidParameter.errorf("MaxResults must be from 1 to 10")
		}
	}
	answer := listMoveAnswer{Results: []moveTaskEntry{}}
	for _, t := range s.tasks {
		if t.source == in.SourceARN && len(answer.Results) < most {
			answer.Results = append(answer.Results, t.entry())
		}
	}
	return answer, nil
}

func (t *moveTask) entry() moveTaskEntry {
	e := moveTaskEntry{
		SourceARN: t.source, DestinationARN: t.destination, Status: t.status, Rate: t.rate,
		Moved: t.moved, ToMove: t.toMove, FailureReason: t.reason, Started: t.started.UnixMilli(),
	}
	if t.status == taskRunning {
		e.TaskHandle = t.handle
	}
	return e
}
