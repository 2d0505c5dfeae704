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

// Send puts any number of messages on the records queue, in concurrent batches. It returns those that were
// not accepted, in order. A message that failed because the response was lost may be on the queue all the
// same, so sending it again can make a duplicate.
func (c *Client) Send(ctx context.Context, messages []Message) []Failure {
	var refused []Failure
	bodies := make([]string, len(messages))
	valid := make([]int, 0, len(messages))
	for i, m := range messages {
		text, err := m.Encode()
		if err != nil {
			refused = append(refused, Failure{i, fmt.Errorf("send: %w", err)})
			continue
		}
		bodies[i] = text
		valid = append(valid, i)
	}
	failures := c.inBatches(ctx, "send", valid, func(ctx context.Context, batch []int) (batchAnswer, error) {
		entries := make([]types.SendMessageBatchRequestEntry, len(batch))
		for j, i := range batch {
			entries[j] = types.SendMessageBatchRequestEntry{
				Id: entryID(i), MessageBody: aws.String(bodies[i]), MessageGroupId: c.group(messages[i].RaceID),
				MessageAttributes: attributes(messages[i].Label, messages[i].Trace),
			}
		}
		answer, err := c.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &c.url, Entries: entries})
		if err != nil {
			return batchAnswer{}, err
		}
		return answerOf(answer.Successful, func(e types.SendMessageBatchResultEntry) *string { return e.Id }, answer.Failed), nil
	})
	return inOrder(append(refused, failures...))
}

// group is the message group of a race's messages, nil when messages are sent
// without groups. On a standard queue groups do not order messages; they make the
// queue take turns among groups.
func (c *Client) group(raceID string) *string {
	if !c.groups || raceID == "" {
		return nil
	}
	return &raceID
}

// Received is a message from the queue, hidden from other receivers until its visibility timeout is over.
type Received struct {
	Body          string // for Decode
	ReceiptHandle string // valid for this receive only
	MessageID     string
	ReceiveCount  int       // from 1
	SentAt        time.Time // zero when the queue does not say
	Label         Label
	Trace         Trace
}

// Receive waits for messages and returns up to most of them (1 to MaxBatch) as soon as there are any, or none
// when the wait is over. The wait is rounded up to whole seconds, at most MaxWait; 0 means the queue's own.
// The error wraps the context's when that ended the wait.
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
		MessageAttributeNames: attributeNames(),
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
	}
	r.Label, r.Trace = fromAttributes(m)
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

// Delete deletes any number of received messages from the records queue. It returns those that were not
// deleted, in order; they are received again after their visibility timeout.
func (c *Client) Delete(ctx context.Context, received []Received) []Failure {
	return c.deleteFrom(ctx, c.url, received)
}

func (c *Client) deleteFrom(ctx context.Context, url string, received []Received) []Failure {
	return c.inBatches(ctx, "delete", allIndexes(len(received)), func(ctx context.Context, batch []int) (batchAnswer, error) {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(batch))
		for j, i := range batch {
			entries[j] = types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: &received[i].ReceiptHandle}
		}
		answer, err := c.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
		if err != nil {
			return batchAnswer{}, err
		}
		return answerOf(answer.Successful, func(e types.DeleteMessageBatchResultEntry) *string { return e.Id }, answer.Failed), nil
	})
}

// ExtendVisibility keeps received messages hidden for d from now, rounded up to whole seconds and at most
// MaxVisibility after they were received. It returns those for which that failed, in order, such as
// messages that are visible again or that another receiver has.
func (c *Client) ExtendVisibility(ctx context.Context, received []Received, d time.Duration) []Failure {
	return c.setVisibility(ctx, "extend visibility", c.url, received, d)
}

// Release makes received messages visible at once, so that they are received again; the receive still
// counts. It returns those for which that failed, in order.
func (c *Client) Release(ctx context.Context, received []Received) []Failure {
	return c.setVisibility(ctx, "release", c.url, received, 0)
}

func (c *Client) setVisibility(ctx context.Context, what, url string, received []Received, d time.Duration) []Failure {
	visibility := wholeSeconds(min(max(d, 0), MaxVisibility))
	return c.inBatches(ctx, what, allIndexes(len(received)), func(ctx context.Context, batch []int) (batchAnswer, error) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
		for j, i := range batch {
			entries[j] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id: entryID(i), ReceiptHandle: &received[i].ReceiptHandle, VisibilityTimeout: visibility,
			}
		}
		answer, err := c.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries})
		if err != nil {
			return batchAnswer{}, err
		}
		return answerOf(answer.Successful, func(e types.ChangeMessageVisibilityBatchResultEntry) *string { return e.Id }, answer.Failed), nil
	})
}
