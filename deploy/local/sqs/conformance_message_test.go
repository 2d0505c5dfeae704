package sqs_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func TestConformanceMessageComesAsItWasSent(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	body := "<b>\"Zürich\" & 東京 🏃</b>\n\ttab \\ slash"
	attributes := map[string]types.MessageAttributeValue{
		"text":   {DataType: aws.String("String"), StringValue: aws.String("é")},
		"number": {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
		"bytes":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 254, 255}},
	}
	sent, err := c.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: &body, MessageAttributes: attributes})
	require.NoError(t, err)

	got := receive(t, c, client.ReceiveMessageInput{QueueUrl: url, MessageAttributeNames: []string{"All"}}, 1)[0]
	require.Equal(t, body, *got.Body)
	require.Equal(t, sent.MessageId, got.MessageId)
	require.Equal(t, sent.MD5OfMessageBody, got.MD5OfBody)
	require.Equal(t, sent.MD5OfMessageAttributes, got.MD5OfMessageAttributes)
	require.Len(t, got.MessageAttributes, len(attributes))
	for name, want := range attributes {
		require.Equal(t, want.DataType, got.MessageAttributes[name].DataType, name)
		require.Equal(t, want.StringValue, got.MessageAttributes[name].StringValue, name)
		require.Equal(t, want.BinaryValue, got.MessageAttributes[name].BinaryValue, name)
	}
	require.Equal(t, "1", got.Attributes["ApproximateReceiveCount"])
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		ms, err := strconv.ParseInt(got.Attributes[name], 10, 64)
		require.NoError(t, err, name)
		require.WithinDuration(t, time.Now(), time.UnixMilli(ms), patience, name)
	}
}

// The checksum of the body is RFC 1321's; that of the attributes is the one that the SQS tests of moto and
// LocalStack expect for the same attribute.
func TestConformanceChecksums(t *testing.T) {
	t.Parallel()
	c := target(t)
	sent, err := c.SendMessage(t.Context(), &client.SendMessageInput{
		QueueUrl: newQueue(t, c, nil), MessageBody: aws.String("derp"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"timestamp": {DataType: aws.String("Number"), StringValue: aws.String("1493147359900")},
		},
	})
	require.NoError(t, err)
	require.Equal(t, "58fd9edd83341c29f1aebba81c31e257", *sent.MD5OfMessageBody)
	require.Equal(t, "235c5c510d26fb653d073faed50ae77c", *sent.MD5OfMessageAttributes)
}

func TestConformanceAttributesAreReturnedOnRequest(t *testing.T) {
	t.Parallel()
	c := target(t)
	text := types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("x")}
	tests := map[string]struct{ ask, want []string }{
		"none":   {nil, nil},
		"one":    {[]string{"bar.one"}, []string{"bar.one"}},
		"prefix": {[]string{"bar.*"}, []string{"bar.one", "bar.two"}},
		"all":    {[]string{"All"}, []string{"foo", "bar.one", "bar.two"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := newQueue(t, c, nil)
			_, err := c.SendMessage(t.Context(), &client.SendMessageInput{
				QueueUrl: url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]types.MessageAttributeValue{"foo": text, "bar.one": text, "bar.two": text},
			})
			require.NoError(t, err)
			got := receive(t, c, client.ReceiveMessageInput{QueueUrl: url, MessageAttributeNames: test.ask}, 1)[0]
			var names []string
			for name := range got.MessageAttributes {
				names = append(names, name)
			}
			require.ElementsMatch(t, test.want, names)
		})
	}
}

func TestConformanceInvalidMessagesAreRefused(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	eleven := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		eleven["a"+strconv.Itoa(i)] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("x")}
	}
	one := func(name, dataType, value string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: {DataType: &dataType, StringValue: &value}}
	}
	tests := map[string]client.SendMessageInput{
		"empty":             {MessageBody: aws.String("")},
		"control character": {MessageBody: aws.String("a\x01b")},
		"too long":          {MessageBody: aws.String(strings.Repeat("x", 1<<20+1))},
		"too many":          {MessageBody: aws.String("x"), MessageAttributes: eleven},
		"empty value":       {MessageBody: aws.String("x"), MessageAttributes: one("a", "String", "")},
		"not a number":      {MessageBody: aws.String("x"), MessageAttributes: one("a", "Number", "many")},
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in.QueueUrl = url
			_, err := c.SendMessage(t.Context(), &in)
			requireRefused(t, err)
		})
	}
}

func TestConformanceLargeMessage(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	body := strings.Repeat("<é>", 256<<10/4) // 256 KiB, every third character escaped in JSON
	send(t, c, url, body)
	require.Equal(t, body, *receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)[0].Body)
}

func TestConformanceDelayedMessage(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, nil)
	start := time.Now()
	_, err := c.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String("later"), DelaySeconds: 6})
	require.NoError(t, err)
	requireEmpty(t, c, url)
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)
	require.GreaterOrEqual(t, time.Since(start), 5900*time.Millisecond)
}

func TestConformanceDelayOfTheQueue(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"DelaySeconds": "3"})
	start := time.Now()
	send(t, c, url, "later")
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)
	require.GreaterOrEqual(t, time.Since(start), 2900*time.Millisecond)
}

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

func TestConformanceReceivedMessageIsHidden(t *testing.T) {
	t.Parallel()
	c := target(t)
	url := newQueue(t, c, map[string]string{"VisibilityTimeout": "6"})
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
	got, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 7})
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
	require.Less(t, time.Since(start), 20*time.Second, "the call returns sooner than its wait")
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
