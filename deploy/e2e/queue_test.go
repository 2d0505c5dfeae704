package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// message is the body of a message on the records queue.
type message struct {
	Version  int    `json:"v"`
	RaceID   string `json:"race_id"`
	RecordID string `json:"record_id"`
	Revision int    `json:"revision"`
}

// callQueue makes one call of SQS's JSON protocol.
func (s *system) callQueue(ctx context.Context, operation string, in map[string]any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.QueueEndpoint(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", operation, res.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// post puts a raw body on the records queue.
func (s *system) post(t *testing.T, body string) {
	t.Helper()
	require.NoError(t, s.callQueue(t.Context(), "SendMessage",
		map[string]any{"QueueUrl": s.QueueURL(), "MessageBody": body}, nil))
}

// postAll puts messages on the records queue in this order.
func (s *system) postAll(t *testing.T, messages []message) {
	t.Helper()
	for batch := range slices.Chunk(messages, 10) {
		entries := make([]map[string]string, len(batch))
		for i, m := range batch {
			body, err := json.Marshal(m)
			require.NoError(t, err)
			entries[i] = map[string]string{"Id": strconv.Itoa(i), "MessageBody": string(body)}
		}
		var answer struct{ Failed []any }
		require.NoError(t, s.callQueue(t.Context(), "SendMessageBatch",
			map[string]any{"QueueUrl": s.QueueURL(), "Entries": entries}, &answer))
		require.Empty(t, answer.Failed)
	}
}

// depth is how many messages a queue holds, those in flight included.
func (s *system) depth(ctx context.Context, queueURL string) (int, error) {
	var answer struct{ Attributes map[string]string }
	err := s.callQueue(ctx, "GetQueueAttributes",
		map[string]any{"QueueUrl": queueURL, "AttributeNames": []string{"All"}}, &answer)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, name := range []string{
		"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
	} {
		n, err := strconv.Atoi(answer.Attributes[name])
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		total += n
	}
	return total, nil
}

// deadLetter is a message that was given up.
type deadLetter struct {
	Body              string
	ReceiptHandle     string
	MessageAttributes map[string]struct{ StringValue string }
}

// takeDeadLetters waits until a dead-letter queue has messages with these bodies, removes
// them, and returns them by body. Those of other tests stay.
func (s *system) takeDeadLetters(t *testing.T, queueURL string, bodies ...string) map[string]deadLetter {
	t.Helper()
	taken := map[string]deadLetter{}
	eventually(t, patience, func() error {
		var answer struct{ Messages []deadLetter }
		err := s.callQueue(t.Context(), "ReceiveMessage", map[string]any{
			"QueueUrl": queueURL, "MaxNumberOfMessages": 10, "VisibilityTimeout": 1, "MessageAttributeNames": []string{"All"},
		}, &answer)
		if err != nil {
			return err
		}
		for _, m := range answer.Messages {
			if !slices.Contains(bodies, m.Body) {
				continue
			}
			taken[m.Body] = m
			if err := s.callQueue(t.Context(), "DeleteMessage", map[string]any{"QueueUrl": queueURL, "ReceiptHandle": m.ReceiptHandle}, nil); err != nil {
				return err
			}
		}
		if len(taken) < len(bodies) {
			return fmt.Errorf("%d of %d dead letters", len(taken), len(bodies))
		}
		return nil
	})
	return taken
}
