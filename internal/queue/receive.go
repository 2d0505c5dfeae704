package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Received is a message as it came off the queue, hidden from other receivers until its visibility
// timeout is over.
type Received struct {
	Body          string // for Decode
	ReceiptHandle string // of this very receive
	MessageID     string
	ReceiveCount  int       // from 1
	SentAt        time.Time // zero when the queue does not say
	Trace         Trace
}

// Receive waits for messages and returns up to most of them (1 to MaxBatch), as soon as there are any,
// or none when the wait is over. The wait is rounded up to whole seconds and at most MaxWait; 0 is the
// queue's own. The error wraps the context's when that ended the wait.
func (c *Client) Receive(ctx context.Context, most int, wait time.Duration) ([]Received, error) {
	wait = min(max(wait, 0), MaxWait)
	bounded, cancel := context.WithTimeout(ctx, wait+callTimeout)
	defer cancel()
	answer, err := c.sqs.ReceiveMessage(bounded, &sqs.ReceiveMessageInput{
		QueueUrl:            &c.url,
		MaxNumberOfMessages: int32(min(max(most, 1), MaxBatch)),
		WaitTimeSeconds:     wholeSeconds(wait),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameSentTimestamp,
		},
		MessageAttributeNames: traceAttributeNames(),
	})
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	received := make([]Received, len(answer.Messages))
	for i, m := range answer.Messages {
		received[i] = fromSQS(m)
	}
	return received, nil
}

func fromSQS(m types.Message) Received {
	r := Received{
		Body:          aws.ToString(m.Body),
		ReceiptHandle: aws.ToString(m.ReceiptHandle),
		MessageID:     aws.ToString(m.MessageId),
		ReceiveCount:  1,
		Trace:         traceOf(m),
	}
	if n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		r.ReceiveCount = n
	}
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		r.SentAt = time.UnixMilli(ms)
	}
	return r
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int32 {
	return int32((d + time.Second - 1) / time.Second) //nolint:gosec // at most 12 hours
}
