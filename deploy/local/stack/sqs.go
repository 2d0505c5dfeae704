package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"time"
)

// The queues of the path of a record.
const (
	recordsQueue    = "records"
	deadLetterQueue = "records-dead"
	// maxReceives is after how many receives a message is moved to the
	// dead-letter queue.
	maxReceives = 5
	// visibilitySeconds is how long a received message is hidden. Recovery
	// from a crash of the bridge waits for it; Amazon's default of 30 s would
	// triple that.
	visibilitySeconds = "10"
	// account stands in every queue's URL and ARN; emulators agree on it.
	awsAccount = "000000000000"
	awsRegion  = "us-east-1"
)

func (s *Stack) sqs() component {
	return component{
		command: s.sqsCommand,
		ready:   s.createQueues,
		ports:   []int{s.ports.SQS},
		limit:   30 * time.Second,
	}
}

func (s *Stack) sqsCommand(context.Context) (*exec.Cmd, error) {
	cmd := exec.Command(s.programs[SQS], "-addr", address(s.ports.SQS)) //nolint:gosec,noctx // ends by Stop, not by a context
	return cmd, nil
}

// createQueues makes the queues or finds them made: creating a queue that has
// the same attributes is no error. The queues live in the server's memory, so
// this is part of every start.
func (s *Stack) createQueues(ctx context.Context) error {
	if err := s.createQueue(ctx, deadLetterQueue, map[string]string{
		"MessageRetentionPeriod": "1209600", // 14 days, the longest there is
	}); err != nil {
		return err
	}
	redrive, err := json.Marshal(map[string]any{
		"deadLetterTargetArn": fmt.Sprintf("arn:aws:sqs:%s:%s:%s", awsRegion, awsAccount, deadLetterQueue),
		"maxReceiveCount":     maxReceives,
	})
	if err != nil {
		return fmt.Errorf("encode the redrive policy: %w", err)
	}
	return s.createQueue(ctx, recordsQueue, map[string]string{
		"VisibilityTimeout":             visibilitySeconds,
		"RedrivePolicy":                 string(redrive),
		"ReceiveMessageWaitTimeSeconds": "20",
	})
}

// createQueue speaks the protocol itself: one call does not make this package
// a user of Amazon's client, which belongs to internal/queue.
func (s *Stack) createQueue(ctx context.Context, name string, attributes map[string]string) (err error) {
	body, err := json.Marshal(map[string]any{"QueueName": name, "Attributes": attributes})
	if err != nil {
		return fmt.Errorf("encode the queue %s: %w", name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.QueueEndpoint(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("create the queue %s: %w", name, err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
	return expectOK(req, "create the queue "+name)
}

// expectOK sends a request and turns any answer but 200 into an error with the
// beginning of its body.
func expectOK(req *http.Request, what string) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return fmt.Errorf("%s: %s %s", what, res.Status, text)
	}
	return nil
}

// QueueEndpoint is the address of the SQS server.
func (s *Stack) QueueEndpoint() string { return "http://" + address(s.ports.SQS) }

// QueueURL is the URL of the queue of records.
func (s *Stack) QueueURL() string { return s.queueURL(recordsQueue) }

// DeadLetterQueueURL is the URL of the queue of messages given up.
func (s *Stack) DeadLetterQueueURL() string { return s.queueURL(deadLetterQueue) }

func (s *Stack) queueURL(name string) string {
	return s.QueueEndpoint() + "/" + awsAccount + "/" + name
}
