package sqs_test

import (
	"slices"
	"testing"
	"time"

	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

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
	require.Eventually(t, func() bool {
		sources, err := c.ListDeadLetterSourceQueues(t.Context(), &client.ListDeadLetterSourceQueuesInput{QueueUrl: deadLetters})
		require.NoError(t, err)
		return slices.Equal(sources.QueueUrls, []string{*queue})
	}, patience, 100*time.Millisecond)
}

func TestConformanceRedrivePolicyIsChecked(t *testing.T) {
	t.Parallel()
	c := target(t)
	arn := attribute(t, c, newQueue(t, c, nil), types.QueueAttributeNameQueueArn)
	url := newQueue(t, c, nil)
	for name, policy := range map[string]string{
		"no such queue": `{"deadLetterTargetArn":"` + arn + `-that-is-not-there","maxReceiveCount":3}`,
		"never":         `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":0}`,
		"not JSON":      `three times`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.SetQueueAttributes(t.Context(), &client.SetQueueAttributesInput{
				QueueUrl: url, Attributes: map[string]string{"RedrivePolicy": policy},
			})
			requireRefused(t, err)
		})
	}
}

func TestConformanceMoveTaskBringsMessagesBack(t *testing.T) {
	t.Parallel()
	c := target(t)
	queue, deadLetters := newQueueWithDeadLetters(t, c, "1")
	send(t, c, queue, "poison")
	giveUp(t, c, queue, deadLetters, 1)
	require.Eventually(t, func() bool { // the look at it is over
		return attribute(t, c, deadLetters, types.QueueAttributeNameApproximateNumberOfMessages) == "1"
	}, patience, 100*time.Millisecond)

	source := attribute(t, c, deadLetters, types.QueueAttributeNameQueueArn)
	task, err := c.StartMessageMoveTask(t.Context(), &client.StartMessageMoveTaskInput{SourceArn: &source})
	require.NoError(t, err)
	require.NotEmpty(t, *task.TaskHandle)
	back := receive(t, c, client.ReceiveMessageInput{QueueUrl: queue}, 1)[0]
	require.Equal(t, "poison", *back.Body)

	require.Eventually(t, func() bool {
		tasks, err := c.ListMessageMoveTasks(t.Context(), &client.ListMessageMoveTasksInput{SourceArn: &source})
		require.NoError(t, err)
		return len(tasks.Results) == 1 && *tasks.Results[0].Status == "COMPLETED" && tasks.Results[0].ApproximateNumberOfMessagesMoved == 1
	}, patience, 100*time.Millisecond)
}
