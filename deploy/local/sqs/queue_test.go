package sqs

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestReceiveIsRefusedAboveTheInFlightLimit(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	require.NoError(t, s.CreateQueue("records", nil))
	q, now := s.queues["records"], time.Now()
	for range maxInFlight + 1 {
		q.add(&message{id: uuid.New(), sentAt: now}, now, 0)
	}
	got, _ := s.deliver(q, demand{most: maxInFlight, visibility: time.Hour}, now)
	require.Len(t, got, maxInFlight)

	request := receiveRequest{queueRequest: queueRequest{QueueURL: "http://x/000000000000/records"}}
	_, _, err := s.take(request)
	require.ErrorContains(t, err, "OverLimit")
	require.NoError(t, q.acknowledge(got[0].handle))
	_, more, err := s.take(request)
	require.NoError(t, err)
	require.Len(t, more, 1)
}
