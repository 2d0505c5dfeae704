package queue_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// TestMain gives the SDK's credential chain something to find; the server does not check it.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
	os.Exit(m.Run())
}

const region = "us-east-1"

// testBundle is a pair of queues of a test's own and a client for them.
type testBundle struct {
	client *queue.Client
	cfg    queue.Config
	raw    *sqs.Client // for what the package's client does not do
}

// setup makes queues on the server at TEST_SQS_ENDPOINT, which hides received messages for visibility.
func setup(t *testing.T, visibility string) testBundle {
	t.Helper()
	endpoint := os.Getenv("TEST_SQS_ENDPOINT")
	require.NotEmpty(t, endpoint, "TEST_SQS_ENDPOINT must name an SQS-compatible server; make test starts one")
	ctx := t.Context()
	settings, err := config.LoadDefaultConfig(ctx, config.WithRegion(region),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	require.NoError(t, err)
	raw := sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = &endpoint })

	create := func(name string, attributes map[string]string) string {
		queue, err := raw.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := raw.DeleteQueue(context.WithoutCancel(ctx), &sqs.DeleteQueueInput{QueueUrl: queue.QueueUrl})
			require.NoError(t, err)
		})
		return *queue.QueueUrl
	}
	name := "records-" + uuid.NewString()
	cfg := queue.Config{
		Endpoint:      endpoint,
		URL:           create(name, map[string]string{"VisibilityTimeout": visibility}),
		DeadLetterURL: create(name+"-dead", nil),
		Region:        region,
	}
	client, err := queue.New(ctx, cfg)
	require.NoError(t, err)
	return testBundle{client, cfg, raw}
}

// receive collects messages until there are n.
func (b testBundle) receive(t *testing.T, n int) []queue.Received {
	t.Helper()
	var all []queue.Received
	require.Eventually(t, func() bool {
		got, err := b.client.Receive(t.Context(), queue.MaxBatch, time.Second)
		require.NoError(t, err)
		all = append(all, got...)
		return len(all) >= n
	}, 2*time.Minute, time.Millisecond)
	require.Len(t, all, n)
	return all
}

func messages(n int) []queue.Message {
	all := make([]queue.Message, n)
	for i := range all {
		all[i] = queue.Message{RaceID: raceID, RecordID: uuid.NewString(), Revision: i + 1}
	}
	return all
}

func TestSendReceiveDelete(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	sent := messages(137) // not whole batches

	require.Empty(t, b.client.Send(t.Context(), sent))
	received := b.receive(t, len(sent))
	var got []queue.Message
	for _, r := range received {
		m, err := queue.Decode(r.Body)
		require.NoError(t, err)
		got = append(got, m)
		require.Equal(t, 1, r.ReceiveCount)
		require.WithinDuration(t, time.Now(), r.SentAt, time.Minute)
		require.NotEmpty(t, r.MessageID)
	}
	require.ElementsMatch(t, sent, got)

	depth, err := b.client.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{InFlight: len(sent)}, depth)

	require.Empty(t, b.client.Delete(t.Context(), received))
	depth, err = b.client.Depth(t.Context())
	require.NoError(t, err)
	require.Zero(t, depth)
}

func TestNothingToDo(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	require.Empty(t, b.client.Send(t.Context(), nil))
	require.Empty(t, b.client.Delete(t.Context(), nil))
	require.Empty(t, b.client.Release(t.Context(), nil))
	got, err := b.client.Receive(t.Context(), queue.MaxBatch, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestSendReportsInvalidMessagesByIndex(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	sent := messages(25)
	sent[3].Revision = 0
	sent[17].RaceID = "boston"

	failures := b.client.Send(t.Context(), sent)
	require.Len(t, failures, 2)
	require.Equal(t, 3, failures[0].Index)
	require.ErrorContains(t, failures[0].Err, "revision")
	require.Equal(t, 17, failures[1].Index)
	require.ErrorContains(t, failures[1].Err, "race_id")
	b.receive(t, 23)
}

func TestDeleteReportsRefusedMessagesByIndex(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	require.Empty(t, b.client.Send(t.Context(), messages(12)))
	received := b.receive(t, 12)
	received[2].ReceiptHandle = "not a handle"
	received[11].ReceiptHandle = "not a handle"

	failures := b.client.Delete(t.Context(), received)
	require.Len(t, failures, 2)
	require.Equal(t, 2, failures[0].Index)
	require.Equal(t, 11, failures[1].Index)
	require.ErrorContains(t, failures[0].Err, "ReceiptHandleIsInvalid")
	depth, err := b.client.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{InFlight: 2}, depth)
}

func TestReleaseShowsMessagesAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "3600")
	require.Empty(t, b.client.Send(t.Context(), messages(3)))
	received := b.receive(t, 3)

	require.Empty(t, b.client.Release(t.Context(), received))
	for _, r := range b.receive(t, 3) {
		require.Equal(t, 2, r.ReceiveCount)
	}
}

func TestExtendVisibilityKeepsMessagesHidden(t *testing.T) {
	t.Parallel()
	b := setup(t, "1")
	require.Empty(t, b.client.Send(t.Context(), messages(2)))
	received := b.receive(t, 2)

	require.Empty(t, b.client.ExtendVisibility(t.Context(), received[:1], time.Hour))
	again := b.receive(t, 1)
	require.Equal(t, received[1].MessageID, again[0].MessageID, "the one that was not extended")
	require.Empty(t, b.client.Delete(t.Context(), received[:1]), "the handle still holds")
}

func TestReceiveIsAnsweredWhenAMessageComes(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	got := make(chan []queue.Received, 1)
	go func() {
		received, err := b.client.Receive(t.Context(), queue.MaxBatch, queue.MaxWait)
		if err == nil {
			got <- received
		}
		close(got)
	}()
	require.Empty(t, b.client.Send(t.Context(), messages(1)))
	select {
	case received := <-got:
		require.Len(t, received, 1)
	case <-time.After(time.Minute):
		require.Fail(t, "the receive waits on although there is a message")
	}
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.client.Receive(ctx, queue.MaxBatch, queue.MaxWait)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestDeadLetterMovesTheMessageWithItsReason(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	_, err := b.raw.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &b.cfg.URL, MessageBody: aws.String("not ours")})
	require.NoError(t, err)
	poison := b.receive(t, 1)[0]

	require.NoError(t, b.client.DeadLetter(t.Context(), poison, "not a JSON object\x00"))
	depth, err := b.client.Depth(t.Context())
	require.NoError(t, err)
	require.Zero(t, depth)
	depth, err = b.client.DeadLetterDepth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Visible: 1}, depth)

	dead, err := b.raw.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &b.cfg.DeadLetterURL, MessageAttributeNames: []string{"All"}, WaitTimeSeconds: 1,
	})
	require.NoError(t, err)
	require.Len(t, dead.Messages, 1)
	require.Equal(t, "not ours", *dead.Messages[0].Body)
	require.Equal(t, "not a JSON object", *dead.Messages[0].MessageAttributes[queue.ReasonAttribute].StringValue)
}

func TestDeadLetterLeavesTheMessageWhenTheSendFails(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	require.Empty(t, b.client.Send(t.Context(), messages(1)))
	received := b.receive(t, 1)[0]

	cfg := b.cfg
	cfg.DeadLetterURL += "-that-is-not-there"
	client, err := queue.New(t.Context(), cfg)
	require.NoError(t, err)
	err = client.DeadLetter(t.Context(), received, "why")
	require.ErrorContains(t, err, received.MessageID)
	require.NotContains(t, err.Error(), received.Body)
	depth, err := b.client.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{InFlight: 1}, depth)
}

func TestPing(t *testing.T) {
	t.Parallel()
	b := setup(t, "30")
	require.NoError(t, b.client.Ping(t.Context()))

	cfg := b.cfg
	cfg.URL += "-that-is-not-there"
	client, err := queue.New(t.Context(), cfg)
	require.NoError(t, err)
	var missing *types.QueueDoesNotExist
	require.ErrorAs(t, client.Ping(t.Context()), &missing)
}

func TestDeadEndpointIsNoticedSoon(t *testing.T) {
	t.Parallel()
	// A listener that accepts and never answers is the worst kind of dead.
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	client, err := queue.New(t.Context(), queue.Config{
		Endpoint: "http://" + listener.Addr().String(), URL: "http://x/0/records", DeadLetterURL: "http://x/0/dead", Region: region,
	})
	require.NoError(t, err)

	start := time.Now()
	failures := client.Send(t.Context(), messages(500))
	require.Len(t, failures, 500, "every message is reported")
	for i, f := range failures {
		require.Equal(t, i, f.Index)
		require.ErrorIs(t, f.Err, context.DeadlineExceeded)
	}
	// Fifty batches, three at a time, would take fifty seconds if each had a timeout.
	require.Less(t, time.Since(start), 30*time.Second, "one timeout for all batches, not one each")
}

func TestNewNamesMissingSettings(t *testing.T) {
	t.Parallel()
	_, err := queue.New(t.Context(), queue.Config{DeadLetterURL: "http://x/0/dead", Region: region})
	require.ErrorContains(t, err, "QUEUE_URL")
	_, err = queue.New(t.Context(), queue.Config{URL: "http://x/0/records", Region: region})
	require.ErrorContains(t, err, "DEAD_LETTER_QUEUE_URL")
}
