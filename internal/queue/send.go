package queue

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Send puts messages on the records queue, any number of them, in concurrent batches. It returns those
// that were not accepted, in order; none means that the queue has all. A message whose failure is a lost
// answer may be on the queue nevertheless, so sending it again can make a duplicate.
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
				Id: entryID(i), MessageBody: aws.String(bodies[i]), MessageAttributes: messages[i].Trace.attributes(),
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
