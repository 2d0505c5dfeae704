package queue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Depth is how many messages a queue holds. Amazon's numbers are approximate and up to a minute old.
type Depth struct {
	Visible  int // waiting to be received
	InFlight int // received and neither deleted nor visible again
	Delayed  int // not visible yet
}

// Depth returns how many messages the records queue holds.
func (c *Client) Depth(ctx context.Context) (Depth, error) { return c.depth(ctx, c.url) }

// DeadLetterDepth returns how many messages the dead-letter queue holds.
func (c *Client) DeadLetterDepth(ctx context.Context) (Depth, error) {
	return c.depth(ctx, c.deadLetterURL)
}

func (c *Client) depth(ctx context.Context, url string) (Depth, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const (
		visible  = types.QueueAttributeNameApproximateNumberOfMessages
		inFlight = types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
		delayed  = types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	)
	answer, err := c.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &url,
		AttributeNames: []types.QueueAttributeName{visible, inFlight, delayed},
	})
	if err != nil {
		return Depth{}, fmt.Errorf("queue depth: %w", err)
	}
	var d Depth
	for name, to := range map[types.QueueAttributeName]*int{visible: &d.Visible, inFlight: &d.InFlight, delayed: &d.Delayed} {
		if *to, err = strconv.Atoi(answer.Attributes[string(name)]); err != nil {
			return Depth{}, fmt.Errorf("queue depth: %s is not a number: %w", name, err)
		}
	}
	return d, nil
}
