package sqs

import (
	"net/http"
	"time"

	"github.com/google/uuid"
)

// outgoing is what a sender gives for one message.
type outgoing struct {
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attribute
	MessageSystemAttributes map[string]attribute
	MessageGroupID          string `json:"MessageGroupId"`
	MessageDeduplicationID  string `json:"MessageDeduplicationId"`
}

// sent is what a sender hears about one accepted message.
type sent struct {
	MessageID           string `json:"MessageId"`
	MD5Body             string `json:"MD5OfMessageBody"`
	MD5Attributes       string `json:"MD5OfMessageAttributes,omitempty"`
	MD5SystemAttributes string `json:"MD5OfMessageSystemAttributes,omitempty"`
}

type sendRequest struct {
	queueRequest
	outgoing
}

func (s *Server) sendMessage(_ *http.Request, in sendRequest) (any, error) {
	c, err := in.content()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	answer, err := q.accept(in.outgoing, c, now)
	if err != nil {
		return nil, err
	}
	s.dispatch(q, now)
	return answer, nil
}

type sendEntry struct {
	ID string `json:"Id"`
	outgoing
}

type sentEntry struct {
	batchDone
	sent
}

type sendBatchRequest struct {
	queueRequest
	Entries []sendEntry
}

func (s *Server) sendMessageBatch(_ *http.Request, in sendBatchRequest) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += content{body: e.MessageBody, attributes: e.MessageAttributes}.size()
	}
	if total > maxPayload {
		return nil, errBatchTooLong.errorf("batch requests cannot be longer than %d bytes; this one has %d", maxPayload, total)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	answer, err := runBatch(in.Entries, func(e sendEntry) string { return e.ID }, func(e sendEntry) (sentEntry, error) {
		c, err := e.content()
		if err != nil {
			return sentEntry{}, err
		}
		done, err := q.accept(e.outgoing, c, now)
		return sentEntry{batchDone{e.ID}, done}, err
	})
	if err != nil {
		return nil, err
	}
	s.dispatch(q, now)
	return answer, nil
}

// content checks what a sender wrote and makes it a message's content.
func (o outgoing) content() (content, error) {
	switch {
	case o.MessageBody == "":
		return content{}, errMissingParameter.errorf("the request must contain the parameter MessageBody, and it must not be empty")
	case o.MessageDeduplicationID != "":
		return content{}, errUnsupported.errorf("deduplication IDs belong to FIFO queues, which are not served here")
	}
	if err := checkText(o.MessageBody); err != nil {
		return content{}, err
	}
	if err := checkAttributes(o.MessageAttributes); err != nil {
		return content{}, err
	}
	c := content{body: o.MessageBody, bodyMD5: textMD5(o.MessageBody), attributes: o.MessageAttributes}
	for name, a := range o.MessageSystemAttributes {
		if name != "AWSTraceHeader" || a.DataType != "String" || a.StringValue == nil {
			return content{}, errInvalidParameter.errorf("the only message system attribute is AWSTraceHeader, a String")
		}
		c.traceHeader = *a.StringValue
	}
	return c, nil
}

// accept puts a message into the queue if the queue's settings allow it.
func (q *queue) accept(o outgoing, c content, now time.Time) (sent, error) {
	if c.size() > q.settings.maxSize {
		return sent{}, errInvalidParameter.errorf("one or more parameters are invalid: the message must be shorter than %d bytes", q.settings.maxSize)
	}
	delay := q.settings.delay
	if o.DelaySeconds != nil {
		delay = seconds(*o.DelaySeconds)
	}
	if delay < 0 || delay > maxDelay {
		return sent{}, errInvalidParameter.errorf("DelaySeconds must be from 0 to %d", int(maxDelay/time.Second))
	}
	m := &message{id: uuid.New(), sentAt: now, content: c}
	q.add(m, now, delay)
	return sent{
		MessageID:           m.id.String(),
		MD5Body:             c.bodyMD5,
		MD5Attributes:       attributesMD5(c.attributes),
		MD5SystemAttributes: attributesMD5(o.MessageSystemAttributes),
	}, nil
}
