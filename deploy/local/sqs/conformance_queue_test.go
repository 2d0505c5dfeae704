package sqs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestConformanceQueueLifecycle(t *testing.T) {
	t.Parallel()
	c := target(t)
	name := aws.String("conformance-" + uuid.NewString())
	attributes := map[string]string{"VisibilityTimeout": "77"}

	made, err := c.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: name, Attributes: attributes})
	require.NoError(t, err)
	again, err := c.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: name, Attributes: attributes})
	require.NoError(t, err, "the same queue can be made twice")
	require.Equal(t, made.QueueUrl, again.QueueUrl)
	_, err = c.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: name, Attributes: map[string]string{"VisibilityTimeout": "78"}})
	requireRefused(t, err)

	found, err := c.GetQueueUrl(t.Context(), &client.GetQueueUrlInput{QueueName: name})
	require.NoError(t, err)
	require.Equal(t, made.QueueUrl, found.QueueUrl)

	_, err = c.DeleteQueue(t.Context(), &client.DeleteQueueInput{QueueUrl: made.QueueUrl})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.GetQueueUrl(t.Context(), &client.GetQueueUrlInput{QueueName: name})
		return err != nil
	}, patience, 100*time.Millisecond)
}

func TestConformanceQueueAttributes(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{
		"VisibilityTimeout": "11", "DelaySeconds": "900", "ReceiveMessageWaitTimeSeconds": "20",
	})
	require.Equal(t, "11", attribute(t, c, url, types.QueueAttributeNameVisibilityTimeout))
	require.Equal(t, "900", attribute(t, c, url, types.QueueAttributeNameDelaySeconds))
	require.Equal(t, "20", attribute(t, c, url, types.QueueAttributeNameReceiveMessageWaitTimeSeconds))
	require.Regexp(t, `^arn:aws[a-z-]*:sqs:`, attribute(t, c, url, types.QueueAttributeNameQueueArn))
}

func TestConformanceMissingQueue(t *testing.T) {
	t.Parallel()
	c := target(t)
	ctx := t.Context()
	url := aws.String(*newQueue(t, c, nil) + "-that-is-not-there")
	handle := aws.String("AQEB")
	calls := map[string]func() error{
		"GetQueueUrl": func() error {
			_, err := c.GetQueueUrl(ctx, &client.GetQueueUrlInput{QueueName: aws.String("none-" + uuid.NewString())})
			return err
		},
		"GetQueueAttributes": func() error {
			_, err := c.GetQueueAttributes(ctx, &client.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
			return err
		},
		"SendMessage": func() error {
			_, err := c.SendMessage(ctx, &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
			return err
		},
		"ReceiveMessage": func() error {
			_, err := c.ReceiveMessage(ctx, &client.ReceiveMessageInput{QueueUrl: url})
			return err
		},
		"DeleteMessage": func() error {
			_, err := c.DeleteMessage(ctx, &client.DeleteMessageInput{QueueUrl: url, ReceiptHandle: handle})
			return err
		},
		"PurgeQueue": func() error {
			_, err := c.PurgeQueue(ctx, &client.PurgeQueueInput{QueueUrl: url})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := call()
			requireRefused(t, err)
			var missing *types.QueueDoesNotExist
			require.ErrorAs(t, err, &missing)
		})
	}
}

func TestConformancePurge(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	for range 5 {
		send(t, c, url, "to be purged")
	}
	_, err := c.PurgeQueue(t.Context(), &client.PurgeQueueInput{QueueUrl: url})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return attribute(t, c, url, types.QueueAttributeNameApproximateNumberOfMessages) == "0"
	}, patience, 100*time.Millisecond)
	requireEmpty(t, c, url)
}

func TestConformanceDepth(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	for range 3 {
		send(t, c, url, "counted")
	}
	_, err := c.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String("later"), DelaySeconds: 900})
	require.NoError(t, err)
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 1, VisibilityTimeout: 3600}, 1)
	require.Eventually(t, func() bool {
		return attribute(t, c, url, types.QueueAttributeNameApproximateNumberOfMessages) == "2" &&
			attribute(t, c, url, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible) == "1" &&
			attribute(t, c, url, types.QueueAttributeNameApproximateNumberOfMessagesDelayed) == "1"
	}, patience, 100*time.Millisecond)
}

// giveUp receives a message until its queue gives it up to the dead-letter queue.
func giveUp(t *testing.T, c *client.Client, queue, deadLetters *string, receives int) types.Message {
	t.Helper()
	for range receives {
		receive(t, c, client.ReceiveMessageInput{QueueUrl: queue}, 1)
	}
	// The move is made by a receive that would be one too many.
	got, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 3})
	require.NoError(t, err)
	require.Empty(t, got.Messages)
	return receive(t, c, client.ReceiveMessageInput{QueueUrl: deadLetters, VisibilityTimeout: 1}, 1)[0]
}

func TestConformanceRedrivePolicy(t *testing.T) {
	t.Parallel()
	c := target(t)
	queue, deadLetters := newQueueWithDeadLetters(t, c, "2")
	sent := send(t, c, queue, "poison")

	dead := giveUp(t, c, queue, deadLetters, 2)
	require.Equal(t, "poison", *dead.Body)
	require.Equal(t, sent.MessageId, dead.MessageId, "it is the same message")
	require.Equal(t, attribute(t, c, queue, types.QueueAttributeNameQueueArn), dead.Attributes["DeadLetterQueueSourceArn"])

	policy := attribute(t, c, queue, types.QueueAttributeNameRedrivePolicy)
	require.Contains(t, policy, attribute(t, c, deadLetters, types.QueueAttributeNameQueueArn))
}

func TestConformanceRedrivePolicyIsChecked(t *testing.T) {
	t.Parallel()
	c := target(t)
	arn := attribute(t, c, newQueue(t, c, nil), types.QueueAttributeNameQueueArn)
	for name, policy := range map[string]string{
		"no such queue": `{"deadLetterTargetArn":"` + arn + `-that-is-not-there","maxReceiveCount":3}`,
		"never":         `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":0}`,
		"not JSON":      `three times`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.CreateQueue(t.Context(), &client.CreateQueueInput{
				QueueName: aws.String("conformance-" + uuid.NewString()), Attributes: map[string]string{"RedrivePolicy": policy},
			})
			requireRefused(t, err)
		})
	}
}
