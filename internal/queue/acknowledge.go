package queue

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Delete takes received messages off the records queue, any number of them. It returns those that were
// not deleted, in order; they come again after their visibility timeout.
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
// MaxVisibility after they were received. It returns those for which that failed, in order: among them
// messages that are visible again, or somebody else's, already.
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
