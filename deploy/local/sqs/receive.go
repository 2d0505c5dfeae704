package sqs

import (
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
	s.dispatch(q, now) // who waits longer is served first
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

// render makes the answer's form of a delivery, with the attributes that were asked for.
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
