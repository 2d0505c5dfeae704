package sqs_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/sqs"
)

// The tests in the files conformance*_test.go hold a server to what Amazon documents, by Amazon's own
// client. They run against this package's server, and unchanged against another one:
//
//	SQS_CONFORMANCE_ENDPOINT=http://127.0.0.1:9325 go test -run Conformance ./deploy/local/sqs
//	SQS_CONFORMANCE_AWS=1 AWS_REGION=eu-central-1  go test -run Conformance ./deploy/local/sqs
//
// They therefore wait as Amazon's distributed queues demand, and leave to the other tests what ElasticMQ
// does differently: the codes of rare errors, deleting twice, changing the visibility of a message that is
// not in flight, and fairness among message groups.

// patience is how long a test waits for what Amazon promises "eventually", at most a minute for most.
const patience = 2 * time.Minute

// target returns a client of the server under test.
func target(t *testing.T) *client.Client {
	t.Helper()
	endpoint := os.Getenv("SQS_CONFORMANCE_ENDPOINT")
	if os.Getenv("SQS_CONFORMANCE_AWS") == "1" {
		settings, err := config.LoadDefaultConfig(t.Context())
		require.NoError(t, err)
		return client.NewFromConfig(settings)
	}
	if endpoint == "" {
		return newClient(t, serve(t, sqs.New(sqs.Config{})))
	}
	return newClient(t, endpoint)
}

// serve puts a server on a port of its own and returns its address.
func serve(tb testing.TB, handler http.Handler) string {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return server.URL
}

// newClient returns a client that does not try again, so that a test sees the first answer.
func newClient(tb testing.TB, endpoint string) *client.Client {
	tb.Helper()
	settings, err := config.LoadDefaultConfig(tb.Context(),
		config.WithRegion(cmp.Or(os.Getenv("AWS_REGION"), "us-east-1")),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	)
	require.NoError(tb, err)
	return client.NewFromConfig(settings, func(o *client.Options) { o.BaseEndpoint = &endpoint })
}

// newQueue makes a queue for one test and returns its URL.
func newQueue(t *testing.T, c *client.Client, attributes map[string]string) *string {
	t.Helper()
	made, err := c.CreateQueue(t.Context(), &client.CreateQueueInput{
		QueueName: aws.String("conformance-" + uuid.NewString()), Attributes: attributes,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := c.DeleteQueue(context.WithoutCancel(t.Context()), &client.DeleteQueueInput{QueueUrl: made.QueueUrl})
		require.NoError(t, err)
	})
	return made.QueueUrl
}

// attribute reads one attribute of a queue.
func attribute(t *testing.T, c *client.Client, url *string, name types.QueueAttributeName) string {
	t.Helper()
	got, err := c.GetQueueAttributes(t.Context(), &client.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{name},
	})
	require.NoError(t, err)
	return got.Attributes[string(name)]
}

// newQueueWithDeadLetters makes a queue whose messages are hidden for a second and given up after as many
// receives, and its dead-letter queue.
func newQueueWithDeadLetters(t *testing.T, c *client.Client, maxReceives string) (queue, deadLetters *string) {
	t.Helper()
	deadLetters = newQueue(t, c, nil)
	arn := attribute(t, c, deadLetters, types.QueueAttributeNameQueueArn)
	queue = newQueue(t, c, map[string]string{
		"VisibilityTimeout": "1",
		"RedrivePolicy":     `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":"` + maxReceives + `"}`,
	})
	return queue, deadLetters
}

func send(t *testing.T, c *client.Client, url *string, body string) *client.SendMessageOutput {
	t.Helper()
	sent, err := c.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: &body})
	require.NoError(t, err)
	return sent
}

// receive collects n different messages: Amazon may return fewer at a time than there are.
func receive(t *testing.T, c *client.Client, in client.ReceiveMessageInput, n int) []types.Message {
	t.Helper()
	in.WaitTimeSeconds = cmp.Or(in.WaitTimeSeconds, 5)
	in.MaxNumberOfMessages = cmp.Or(in.MaxNumberOfMessages, 10)
	if in.MessageSystemAttributeNames == nil {
		in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}
	}
	var all []types.Message
	seen := map[string]bool{}
	require.Eventually(t, func() bool {
		got, err := c.ReceiveMessage(t.Context(), &in)
		require.NoError(t, err)
		for _, m := range got.Messages {
			if !seen[*m.MessageId] {
				all = append(all, m)
			}
			seen[*m.MessageId] = true
		}
		return len(all) >= n
	}, patience, time.Millisecond)
	require.Len(t, all, n)
	return all
}

// requireEmpty requires that a receive finds nothing.
func requireEmpty(t *testing.T, c *client.Client, url *string) {
	t.Helper()
	got, err := c.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 1})
	require.NoError(t, err)
	require.Empty(t, got.Messages)
}

// requireRefused requires that a call was answered by a refusal that is the caller's fault.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	var response *awshttp.ResponseError
	require.ErrorAs(t, err, &response)
	require.GreaterOrEqual(t, response.HTTPStatusCode(), 400, "%v", err)
	require.Less(t, response.HTTPStatusCode(), 500, "%v", err)
}
