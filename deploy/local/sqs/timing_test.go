package sqs_test

import (
	"testing"
	"time"

	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func TestVisibilityTimeoutIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "30"})
	send(t, b.Client, url, "x")
	require.Len(t, b.take(t, url), 1)
	b.clock.advance(30*time.Second - time.Millisecond)
	require.Empty(t, b.take(t, url))
	b.clock.advance(time.Millisecond)
	require.Len(t, b.take(t, url), 1)
}

func TestDelayedMessagesAreCountedUntilTheyShow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"DelaySeconds": "10"})
	send(t, b.Client, url, "x")
	counts := func() []string {
		return []string{
			attribute(t, b.Client, url, "ApproximateNumberOfMessages"),
			attribute(t, b.Client, url, "ApproximateNumberOfMessagesNotVisible"),
			attribute(t, b.Client, url, "ApproximateNumberOfMessagesDelayed"),
		}
	}
	require.Equal(t, []string{"0", "0", "1"}, counts())
	b.clock.advance(10 * time.Second)
	require.Equal(t, []string{"1", "0", "0"}, counts())
	require.Len(t, b.take(t, url), 1)
	require.Equal(t, []string{"0", "1", "0"}, counts())
}

func TestMessagesExpireAfterTheRetentionPeriod(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"MessageRetentionPeriod": "60", "VisibilityTimeout": "3600"})
	send(t, b.Client, url, "first, in flight")
	require.Len(t, b.take(t, url), 1)
	b.clock.advance(30 * time.Second)
	send(t, b.Client, url, "second")
	b.clock.advance(30 * time.Second)
	require.Equal(t, "0", attribute(t, b.Client, url, "ApproximateNumberOfMessagesNotVisible"), "the first has expired")
	require.Equal(t, "1", attribute(t, b.Client, url, "ApproximateNumberOfMessages"), "the second has not")
	b.clock.advance(30 * time.Second)
	require.Empty(t, b.take(t, url))
}

func TestVisibilityEndsTwelveHoursAfterTheReceive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "43200"})
	send(t, b.Client, url, "x")
	got := b.take(t, url)[0]
	b.clock.advance(time.Hour)
	change := func(seconds int32) error {
		_, err := b.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{
			QueueUrl: url, ReceiptHandle: got.ReceiptHandle, VisibilityTimeout: seconds,
		})
		return err
	}
	require.NoError(t, change(11*3600))
	requireCode(t, change(11*3600+1), "InvalidParameterValue")
	requireCode(t, change(43201), "InvalidParameterValue")
}

func TestPurgeOnceAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "30"})
	purge := func() error {
		_, err := b.PurgeQueue(t.Context(), &client.PurgeQueueInput{QueueUrl: url})
		return err
	}
	send(t, b.Client, url, "in flight")
	require.Len(t, b.take(t, url), 1)
	send(t, b.Client, url, "visible")
	require.NoError(t, purge())
	var early *types.PurgeQueueInProgress
	require.ErrorAs(t, purge(), &early)
	b.clock.advance(time.Minute)
	require.Empty(t, b.take(t, url), "neither comes back")
	require.NoError(t, purge())
}

func TestOldHandleDeletesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "30"})
	send(t, b.Client, url, "x")
	first := b.take(t, url)[0]
	b.clock.advance(30 * time.Second)
	remove := func(m types.Message) {
		_, err := b.DeleteMessage(t.Context(), &client.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
		require.NoError(t, err)
	}
	second := b.take(t, url)[0]
	remove(first)
	b.clock.advance(30 * time.Second)
	require.Equal(t, "1", attribute(t, b.Client, url, "ApproximateNumberOfMessages"))
	remove(second) // visible again, but not received by anybody else
	require.Equal(t, "0", attribute(t, b.Client, url, "ApproximateNumberOfMessages"))
	remove(second) // twice is not an error
}

func TestChangingAMessageThatIsNotInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "30"})
	send(t, b.Client, url, "x")
	first := b.take(t, url)[0]
	b.clock.advance(30 * time.Second)
	change := func(m types.Message) error {
		_, err := b.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{
			QueueUrl: url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 60,
		})
		return err
	}
	var notInFlight *types.MessageNotInflight
	require.ErrorAs(t, change(first), &notInFlight, "visible again")
	second := b.take(t, url)[0]
	require.ErrorAs(t, change(first), &notInFlight, "somebody else's")
	require.NoError(t, change(second))
}

func TestDeadLetterQueueKeepsTheMessageAndItsAge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	queue, deadLetters := newQueueWithDeadLetters(t, b.Client, "2")
	sent := b.clock.Now()
	send(t, b.Client, queue, "poison")
	for range 2 {
		require.Len(t, b.take(t, queue), 1)
		b.clock.advance(time.Second)
	}
	require.Empty(t, b.take(t, deadLetters), "only a receive too many moves it")
	answer := b.wait(t.Context(), t, deadLetters, 1)
	require.Empty(t, b.take(t, queue))
	require.Equal(t, "poison", *answered(t, answer)[0].Body, "who waits at the dead-letter queue is served at once")
	b.clock.advance(30 * time.Second)
	again := b.take(t, deadLetters)[0]
	require.Equal(t, "4", again.Attributes["ApproximateReceiveCount"], "counted over all queues")
	require.Equal(t, milliseconds(sent), again.Attributes["SentTimestamp"])
}
