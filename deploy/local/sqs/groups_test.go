package sqs_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// sendGroup sends n messages of a group, each with its number as its body.
func sendGroup(t *testing.T, c *client.Client, url, group *string, n int) {
	t.Helper()
	for i := 0; i < n; i += 10 {
		var batch []types.SendMessageBatchRequestEntry
		for k := i; k < min(i+10, n); k++ {
			batch = append(batch, types.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(k)), MessageBody: aws.String(strconv.Itoa(k)), MessageGroupId: group,
			})
		}
		sent, err := c.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: url, Entries: batch})
		require.NoError(t, err)
		require.Empty(t, sent.Failed)
	}
}

// TestConformanceGroupsTakeTurns: a group with many messages, of which some are
// in flight, does not delay one with a few. ElasticMQ accepts groups and returns
// them, and is not fair.
func TestConformanceGroupsTakeTurns(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "3600"})
	sendGroup(t, c, url, aws.String("noisy"), 300)
	for _, m := range receive(t, c, client.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 1}, 50) {
		require.Equal(t, "noisy", m.Attributes["MessageGroupId"])
	}
	sendGroup(t, c, url, aws.String("quiet"), 5)

	before, quiet := 0, 0 // noisy ones received before the last quiet one
	for quiet < 5 {
		for _, m := range receive(t, c, client.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 1}, 1) {
			if m.Attributes["MessageGroupId"] == "quiet" {
				quiet++
			} else {
				before++
			}
		}
	}
	if os.Getenv("SQS_CONFORMANCE_ENDPOINT") == "" {
		require.Less(t, before, 100, "of 250 that came before")
	}
}

// TestGroupsTakeStrictTurns: on this server each group gives one message in turn,
// its own in their order; messages without a group have a turn each.
func TestGroupsTakeStrictTurns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "30"})
	sendGroup(t, b.Client, url, aws.String("a"), 4)
	sendGroup(t, b.Client, url, nil, 2)
	sendGroup(t, b.Client, url, aws.String("b"), 2)
	order := func() (got []string) {
		for _, m := range b.take(t, url) {
			got = append(got, fmt.Sprint(m.Attributes["MessageGroupId"], *m.Body))
		}
		return got
	}
	require.Equal(t, []string{"a0", "0", "1", "b0", "a1", "b1", "a2", "a3"}, order())
	require.Equal(t, "0", attribute(t, b.Client, url, "ApproximateNumberOfMessages"))
	b.clock.advance(30e9)
	require.Len(t, order(), 8, "all are visible again")
}
