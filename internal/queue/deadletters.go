package queue

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// DeadLetter moves a received message to the dead-letter queue with the reason as its attribute. The message
// is deleted from the records queue only once the dead-letter queue has it. After an error it stays and is
// received again; if it was the deletion that failed, the dead-letter queue has it as well.
func (c *Client) DeadLetter(ctx context.Context, received Received, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	with := map[string]types.MessageAttributeValue{
		ReasonAttribute: {DataType: aws.String("String"), StringValue: aws.String(cmp.Or(printable(reason, 1024), "no reason given"))},
	}
	maps.Copy(with, attributes(received.Label, received.Trace))
	_, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &c.deadLetterURL, MessageBody: &received.Body, MessageAttributes: with,
	})
	if err != nil {
		return fmt.Errorf("dead-letter message %s: %w", received.MessageID, err)
	}
	_, err = c.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.url, ReceiptHandle: &received.ReceiptHandle})
	if err != nil {
		return fmt.Errorf("delete message %s after it was dead-lettered: %w", received.MessageID, err)
	}
	return nil
}

// Letter is a message received from the dead-letter queue. Receiving hides it from
// others for a while: SQS has no other way to read a queue.
type Letter struct {
	Received
	// Reason is why it was dead-lettered; empty when the queue moved it there by
	// itself, after too many receives.
	Reason string
}

// letterWait is how long a receive of dead letters waits: long enough for Amazon
// to ask all the servers that a queue is spread over.
const letterWait = time.Second

// TakeLetters receives up to most messages from the dead-letter queue and hides
// them for a while; another call finds the rest. Make them visible again with
// ReleaseLetters, or delete them. Messages that are neither released nor deleted
// become visible again when hide is over, including those received before an error.
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
		MessageAttributeNames: append(attributeNames(), ReasonAttribute),
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

// ReleaseLetters makes letters visible again at once. It returns those for which
// that failed, in order; they become visible when their visibility timeout is over.
func (c *Client) ReleaseLetters(ctx context.Context, letters []Letter) []Failure {
	return c.setVisibility(ctx, "release dead letters", c.deadLetterURL, receivedOf(letters), 0)
}

// DeleteLetters deletes letters permanently. It returns those that were not
// deleted, in order; they become visible when their visibility timeout is over.
func (c *Client) DeleteLetters(ctx context.Context, letters []Letter) []Failure {
	return c.deleteFrom(ctx, c.deadLetterURL, receivedOf(letters))
}

// Redrive sends the bodies of letters to the records queue again and deletes
// those that were accepted from the dead-letter queue. It returns those that
// were not moved, in order. A letter that could not be deleted is on both
// queues, which is harmless: a message that is received twice changes nothing.
//
// SQS's own move task cannot be used: it only knows the source of messages that the
// queue has moved itself.
func (c *Client) Redrive(ctx context.Context, letters []Letter) []Failure {
	failures := c.inBatches(ctx, "redrive", allIndexes(len(letters)), func(ctx context.Context, batch []int) (batchAnswer, error) {
		entries := make([]types.SendMessageBatchRequestEntry, len(batch))
		for j, i := range batch {
			entries[j] = types.SendMessageBatchRequestEntry{
				Id: entryID(i), MessageBody: &letters[i].Body, MessageGroupId: c.groupOf(letters[i].Body),
				MessageAttributes: attributes(letters[i].Label, letters[i].Trace),
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

// groupOf is the message group of a body, nil for one that is not ours.
func (c *Client) groupOf(body string) *string {
	m, err := Decode(body)
	if err != nil {
		return nil
	}
	return c.group(m.RaceID)
}

func receivedOf(letters []Letter) []Received {
	received := make([]Received, len(letters))
	for i, letter := range letters {
		received[i] = letter.Received
	}
	return received
}
