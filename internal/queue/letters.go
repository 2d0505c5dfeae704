package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Letter is a message that was taken off the dead-letter queue for a while. A
// queue cannot be read without taking.
type Letter struct {
	Received
	// Reason is why it was dead-lettered; empty when the queue moved it there by
	// itself, after too many receives.
	Reason string
}

// letterWait is how long a receive of dead letters waits: long enough for Amazon
// to ask all the servers that a queue is spread over.
const letterWait = time.Second

// TakeLetters takes up to most messages off the dead-letter queue, the rest of
// which is then to be found by another call, and hides them for a while: give
// them back by ReleaseLetters or delete them. They come back by themselves, also
// those that were taken before an error.
func (c *Client) TakeLetters(ctx context.Context, most int, hide time.Duration) ([]Letter, error) {
	var letters []Letter
	for len(letters) < most {
		got, err := c.takeBatch(ctx, min(most-len(letters), MaxBatch), hide)
		if err != nil {
			return nil, err
		}
		if len(got) == 0 {
			break
		}
		letters = append(letters, got...)
	}
	return letters, nil
}

func (c *Client) takeBatch(ctx context.Context, most int, hide time.Duration) ([]Letter, error) {
	ctx, cancel := context.WithTimeout(ctx, letterWait+callTimeout)
	defer cancel()
	answer, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:            &c.deadLetterURL,
		MaxNumberOfMessages: int32(most), //nolint:gosec // at most MaxBatch
		WaitTimeSeconds:     wholeSeconds(letterWait),
		VisibilityTimeout:   wholeSeconds(min(max(hide, time.Second), MaxVisibility)),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameSentTimestamp,
		},
		MessageAttributeNames: append(traceAttributeNames(), ReasonAttribute),
	})
	if err != nil {
		return nil, fmt.Errorf("take dead letters: %w", err)
	}
	letters := make([]Letter, len(answer.Messages))
	for i, m := range answer.Messages {
		letters[i] = Letter{Received: fromSQS(m), Reason: aws.ToString(m.MessageAttributes[ReasonAttribute].StringValue)}
	}
	return letters, nil
}

// ReleaseLetters gives letters back to the dead-letter queue at once. It returns
// those for which that failed, in order; they come back by themselves.
func (c *Client) ReleaseLetters(ctx context.Context, letters []Letter) []Failure {
	return c.setVisibility(ctx, "release dead letters", c.deadLetterURL, receivedOf(letters), 0)
}

// DeleteLetters deletes letters for good. It returns those that were not
// deleted, in order; they come back by themselves.
func (c *Client) DeleteLetters(ctx context.Context, letters []Letter) []Failure {
	return c.deleteFrom(ctx, c.deadLetterURL, receivedOf(letters))
}

// Redrive puts the bodies of letters on the records queue again and deletes
// those that it accepted from the dead-letter queue. It returns those that were
// not moved, in order; a letter that could not be deleted is on both queues,
// which is harmless: a message that comes twice changes nothing.
//
// The queue's own move task is no way: it knows where to only for what the queue
// has moved by itself.
func (c *Client) Redrive(ctx context.Context, letters []Letter) []Failure {
	failures := c.inBatches(ctx, "redrive", allIndexes(len(letters)), func(ctx context.Context, batch []int) (batchAnswer, error) {
		entries := make([]types.SendMessageBatchRequestEntry, len(batch))
		for j, i := range batch {
			entries[j] = types.SendMessageBatchRequestEntry{
				Id: entryID(i), MessageBody: &letters[i].Body, MessageAttributes: letters[i].Trace.attributes(),
			}
		}
		answer, err := c.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &c.url, Entries: entries})
		if err != nil {
			return batchAnswer{}, err
		}
		return answerOf(answer.Successful, func(e types.SendMessageBatchResultEntry) *string { return e.Id }, answer.Failed), nil
	})
	failed := make(map[int]bool, len(failures))
	for _, f := range failures {
		failed[f.Index] = true
	}
	var sent []Letter
	var indexes []int // of those sent
	for i, letter := range letters {
		if !failed[i] {
			sent, indexes = append(sent, letter), append(indexes, i)
		}
	}
	for _, f := range c.DeleteLetters(ctx, sent) {
		failures = append(failures, Failure{indexes[f.Index], f.Err})
	}
	return inOrder(failures)
}

func receivedOf(letters []Letter) []Received {
	received := make([]Received, len(letters))
	for i, letter := range letters {
		received[i] = letter.Received
	}
	return received
}
