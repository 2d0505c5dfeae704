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
	_, err := c.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String("later"), DelaySeconds: 3})
	require.NoError(t, err)
	requireEmpty(t, c, url)
	receive(t, c, client.ReceiveMessageInput{QueueUrl: url}, 1)
	require.GreaterOrEqual(t, time.Since(start), 2900*time.Millisecond)
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
