package sqs_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// requireCode requires the code under which Amazon documents an error, without its old prefix.
func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	requireRefused(t, err)
	var refused smithy.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, strings.TrimPrefix(refused.ErrorCode(), "AWS.SimpleQueueService."))
	require.Equal(t, smithy.FaultClient, refused.ErrorFault())
	require.NotEmpty(t, refused.ErrorMessage())
}

func milliseconds(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }

func TestDocumentedCodes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	url := newQueue(t, b.Client, nil)
	arn := attribute(t, b.Client, url, "QueueArn")
	batch := func(entries []types.SendMessageBatchRequestEntry) error {
		_, err := b.SendMessageBatch(ctx, &client.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		return err
	}
	create := func(name string, attributes map[string]string) error {
		_, err := b.CreateQueue(ctx, &client.CreateQueueInput{QueueName: &name, Attributes: attributes})
		return err
	}
	sendTo := func(in client.SendMessageInput) error {
		in.QueueUrl = url
		_, err := b.SendMessage(ctx, &in)
		return err
	}
	badID, repeated, large := entries(1), entries(2), entries(2)
	badID[0].Id = aws.String("not valid!")
	repeated[1].Id = repeated[0].Id
	for i := range large {
		large[i].MessageBody = aws.String(strings.Repeat("x", 1<<19+1))
	}
	_, removeErr := b.DeleteMessage(ctx, &client.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("?")})
	_, attributeErr := b.GetQueueAttributes(ctx, &client.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"Colour"}})
	_, addressErr := b.GetQueueAttributes(ctx, &client.GetQueueAttributesInput{QueueUrl: aws.String("records")})
	_, permissionErr := b.AddPermission(ctx, &client.AddPermissionInput{QueueUrl: url, Label: aws.String("x"), AWSAccountIds: []string{"1"}, Actions: []string{"*"}})

	tests := map[string]struct {
		err  error
		code string
	}{
		"empty batch":         {batch([]types.SendMessageBatchRequestEntry{}), "EmptyBatchRequest"},
		"eleven entries":      {batch(entries(11)), "TooManyEntriesInBatchRequest"},
		"batch ID":            {batch(badID), "InvalidBatchEntryId"},
		"batch ID repeated":   {batch(repeated), "BatchEntryIdsNotDistinct"},
		"batch too long":      {batch(large), "BatchRequestTooLong"},
		"control character":   {sendTo(client.SendMessageInput{MessageBody: aws.String("\x00")}), "InvalidMessageContents"},
		"empty body":          {sendTo(client.SendMessageInput{MessageBody: aws.String("")}), "MissingParameter"},
		"delay":               {sendTo(client.SendMessageInput{MessageBody: aws.String("x"), DelaySeconds: 901}), "InvalidParameterValue"},
		"deduplication":       {sendTo(client.SendMessageInput{MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("g")}), "UnsupportedOperation"},
		"receipt handle":      {removeErr, "ReceiptHandleIsInvalid"},
		"attribute name":      {attributeErr, "InvalidAttributeName"},
		"attribute to set":    {create("records", map[string]string{"Colour": "red"}), "InvalidAttributeName"},
		"attribute value":     {create("records", map[string]string{"VisibilityTimeout": "43201"}), "InvalidAttributeValue"},
		"own dead letters":    {create("own", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn[:strings.LastIndex(arn, ":")+1] + `own","maxReceiveCount":1}`}), "InvalidParameterValue"},
		"message group":       {sendTo(client.SendMessageInput{MessageBody: aws.String("x"), MessageGroupId: aws.String("two words")}), "InvalidParameterValue"},
		"queue name":          {create("with space", nil), "InvalidParameterValue"},
		"queue name too long": {create(strings.Repeat("x", 81), nil), "InvalidParameterValue"},
		"FIFO name":           {create("records.fifo", nil), "UnsupportedOperation"},
		"FIFO attribute":      {create("records", map[string]string{"FifoQueue": "true"}), "UnsupportedOperation"},
		"queue URL":           {addressErr, "InvalidAddress"},
		"operation":           {permissionErr, "InvalidAction"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireCode(t, test.err, test.code)
		})
	}
}

func TestBatchEntriesFailOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"MaximumMessageSize": "1024"})
	batch := entries(4)
	batch[1].DelaySeconds = 901
	batch[2].MessageBody = aws.String("\x00")
	batch[3].MessageBody = aws.String(strings.Repeat("x", 1025))
	sent, err := b.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: url, Entries: batch})
	require.NoError(t, err)
	require.Len(t, sent.Successful, 1)
	codes := map[string]string{}
	for _, f := range sent.Failed {
		require.True(t, f.SenderFault)
		codes[*f.Id] = *f.Code
	}
	require.Equal(t, map[string]string{
		"entry-1": "InvalidParameterValue", "entry-2": "InvalidMessageContents", "entry-3": "InvalidParameterValue",
	}, codes)
}

func TestWhatIsNotTheProtocolIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := map[string]struct{ method, target, body, want string }{
		"a browser":       {http.MethodGet, "", "", "UnknownOperationException"},
		"older protocol":  {http.MethodPost, "", "Action=GetQueueUrl", "UnknownOperationException"},
		"not JSON":        {http.MethodPost, "AmazonSQS.GetQueueUrl", "Action=GetQueueUrl", "SerializationException"},
		"wrong type":      {http.MethodPost, "AmazonSQS.SendMessage", `{"QueueUrl":1}`, "SerializationException"},
		"too long":        {http.MethodPost, "AmazonSQS.SendMessage", strings.Repeat(" ", 9<<20), "SerializationException"},
		"no queue":        {http.MethodPost, "AmazonSQS.SendMessage", `{"MessageBody":"x"}`, "MissingRequiredParameter"},
		"another service": {http.MethodPost, "DynamoDB_20120810.GetItem", `{}`, "UnknownOperationException"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), test.method, b.url, strings.NewReader(test.body))
			require.NoError(t, err)
			req.Header.Set("X-Amz-Target", test.target)
			answer, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusBadRequest, answer.StatusCode)
			require.Contains(t, string(body), test.want)
		})
	}
}
