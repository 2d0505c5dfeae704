package sqs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

func TestConformanceReceivedMessageIsHidden(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "3"})
	send(t, c, url, "x")

	first := receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)[0]
	requireEmpty(t, c, url)
	second := receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)[0]
	require.Equal(t, first.MessageId, second.MessageId)
	require.NotEqual(t, first.ReceiptHandle, second.ReceiptHandle, "every receive has a handle of its own")
	require.Equal(t, "2", second.Attributes["ApproximateReceiveCount"])
	require.Equal(t, first.Attributes["SentTimestamp"], second.Attributes["SentTimestamp"])
	require.Equal(t, first.Attributes["ApproximateFirstReceiveTimestamp"], second.Attributes["ApproximateFirstReceiveTimestamp"])

	_, err := c.DeleteMessage(t.Context(), &client.DeleteMessageInput{QueueUrl: url, ReceiptHandle: second.ReceiptHandle})
	require.NoError(t, err)
	got, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 4})
	require.NoError(t, err)
	require.Empty(t, got.Messages, "deleted")
}

func TestConformanceVisibilityOfOneReceive(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "3600"})
	send(t, c, url, "x")
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url, VisibilityTimeout: 1}, 1)
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)
	requireEmpty(t, c, url)
}

func TestConformanceChangeVisibility(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "3600"})
	send(t, c, url, "x")

	got := receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)[0]
	_, err := c.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{
		QueueUrl: url, ReceiptHandle: got.ReceiptHandle, VisibilityTimeout: 0,
	})
	require.NoError(t, err)
	got = receive(t, c, client.ReceiveMessageInput{QueueUrl: url, VisibilityTimeout: 2}, 1)[0]
	_, err = c.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{
		QueueUrl: url, ReceiptHandle: got.ReceiptHandle, VisibilityTimeout: 3600,
	})
	require.NoError(t, err)
	again, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 4})
	require.NoError(t, err)
	require.Empty(t, again.Messages, "hidden for longer than the receive asked")
}

func TestConformanceLongPollGetsALaterMessage(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	type result struct {
		out *client.ReceiveMessageOutput
		err error
	}
	done := make(chan result, 1)
	start := time.Now()
	go func() {
		out, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
		done <- result{out, err}
	}()
	// A delay makes sure that the receive comes first, and the message during its wait.
	_, err := c.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), DelaySeconds: 2})
	require.NoError(t, err)
	got := <-done
	require.NoError(t, got.err)
	require.Len(t, got.out.Messages, 1)
	require.Less(t, time.Since(start), 15*time.Second, "the call returns sooner than its wait")
}

func TestConformanceLongPollEndsEmpty(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"ReceiveMessageWaitTimeSeconds": "2"})
	start := time.Now()
	got, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: url})
	require.NoError(t, err)
	require.Empty(t, got.Messages)
	require.GreaterOrEqual(t, time.Since(start), 1900*time.Millisecond, "the queue's own wait")
}

func TestConformanceInvalidReceivesAreRefused(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	for name, in := range map[string]client.ReceiveMessageInput{
		"too many":       {MaxNumberOfMessages: 11},
		"less than one":  {MaxNumberOfMessages: -1},
		"too long":       {WaitTimeSeconds: 21},
		"less than none": {WaitTimeSeconds: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in.QueueUrl = url
			_, err := c.ReceiveMessage(t.Context(), &in)
			requireRefused(t, err)
		})
	}
}

func TestConformanceForeignHandleIsRefused(t *testing.T) {
	t.Parallel()
	c := target(t)
	_, err := c.DeleteMessage(t.Context(), &client.DeleteMessageInput{
		QueueUrl: newQueue(t, c, nil), ReceiptHandle: aws.String("not a receipt handle"),
	})
	requireRefused(t, err)
}
