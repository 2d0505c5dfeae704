package sqs_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func entries(n int) []types.SendMessageBatchRequestEntry {
	all := make([]types.SendMessageBatchRequestEntry, n)
	for i := range all {
		id := "entry-" + strconv.Itoa(i)
		all[i] = types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String("body of " + id)}
	}
	return all
}

func TestConformanceBatches(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "3600"})

	sent, err := c.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: url, Entries: entries(10)})
	require.NoError(t, err)
	require.Empty(t, sent.Failed)
	require.Len(t, sent.Successful, 10)
	ids := map[string]string{} // message ID to body
	for _, s := range sent.Successful {
		ids[*s.MessageId] = "body of " + *s.Id
	}

	got := receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 10)
	for _, m := range got {
		require.Equal(t, ids[*m.MessageId], *m.Body)
	}

	// One half is shown again at once, the other half deleted.
	var show []types.ChangeMessageVisibilityBatchRequestEntry
	var remove []types.DeleteMessageBatchRequestEntry
	for i, m := range got {
		id := aws.String(strconv.Itoa(i))
		if i%2 == 0 {
			show = append(show, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: m.ReceiptHandle})
		} else {
			remove = append(remove, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: m.ReceiptHandle})
		}
	}
	shown, err := c.ChangeMessageVisibilityBatch(t.Context(), &client.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: show})
	require.NoError(t, err)
	require.Len(t, shown.Successful, 5)
	removed, err := c.DeleteMessageBatch(t.Context(), &client.DeleteMessageBatchInput{QueueUrl: url, Entries: remove})
	require.NoError(t, err)
	require.Len(t, removed.Successful, 5)
	require.Empty(t, removed.Failed)
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 5)
	requireEmpty(t, c, url)
}

func TestConformanceBatchFailsInPart(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "3600"})
	send(t, c, url, "x")
	got := receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)[0]

	removed, err := c.DeleteMessageBatch(t.Context(), &client.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("bad"), ReceiptHandle: aws.String("not a receipt handle")},
		{Id: aws.String("good"), ReceiptHandle: got.ReceiptHandle},
	}})
	require.NoError(t, err)
	require.Len(t, removed.Successful, 1)
	require.Equal(t, "good", *removed.Successful[0].Id)
	require.Len(t, removed.Failed, 1)
	require.Equal(t, "bad", *removed.Failed[0].Id)
	require.True(t, removed.Failed[0].SenderFault)
	require.NotEmpty(t, *removed.Failed[0].Code)
}

func TestConformanceInvalidBatchesAreRefused(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	repeated := entries(2)
	repeated[1].Id = repeated[0].Id
	large := entries(2)
	for i := range large {
		large[i].MessageBody = aws.String(strings.Repeat("x", 600<<10))
	}
	for name, batch := range map[string][]types.SendMessageBatchRequestEntry{
		"too many":     entries(11),
		"ID repeated":  repeated,
		"together too": large,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: url, Entries: batch})
			requireRefused(t, err)
		})
	}
}
