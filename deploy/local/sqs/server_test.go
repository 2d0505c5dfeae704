package sqs_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/sqs"
)

// The tests below are about this package's server alone: its time stands still unless a test moves it.

type testBundle struct {
	*client.Client
	server *sqs.Server
	clock  *handClock
	url    string // of the HTTP server
}

func setup(t *testing.T) testBundle {
	t.Helper()
	clock := newHandClock()
	server := sqs.New(sqs.Config{Clock: clock})
	url := serve(t, server)
	t.Cleanup(server.Close) // before the HTTP server's, which waits for long polls
	return testBundle{newClient(t, url), server, clock, url}
}

// take receives what is there, without waiting.
func (b testBundle) take(t *testing.T, url *string) []types.Message {
	t.Helper()
	got, err := b.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	require.NoError(t, err)
	return got.Messages
}

// wait starts a receive that waits and returns when the server has it in line.
func (b testBundle) wait(ctx context.Context, t *testing.T, url *string, most int32) <-chan []types.Message {
	t.Helper()
	answer := make(chan []types.Message, 1)
	go func() {
		defer close(answer)
		got, err := b.ReceiveMessage(ctx, &client.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: most, WaitTimeSeconds: 20})
		if err == nil {
			answer <- got.Messages
		}
	}()
	b.awaitTimer(t)
	return answer
}

func (b testBundle) awaitTimer(t *testing.T) {
	t.Helper()
	select {
	case <-b.clock.armed:
	case <-time.After(10 * time.Second):
		require.Fail(t, "no timer was set")
	}
}

// answered returns what a waiting receive got.
func answered(t *testing.T, answer <-chan []types.Message) []types.Message {
	t.Helper()
	select {
	case got, ok := <-answer:
		require.True(t, ok, "the receive failed")
		return got
	case <-time.After(10 * time.Second):
		require.Fail(t, "the receive is not answered")
		return nil
	}
}

func TestWaitingReceiveIsAnsweredByTheMessageItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, nil)
	answer := b.wait(t.Context(), t, url, 10)
	send(t, b.Client, url, "x")
	require.Len(t, answered(t, answer), 1, "no time has passed")
}

func TestWaitersAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, nil)
	var waiters []<-chan []types.Message
	for range 3 {
		waiters = append(waiters, b.wait(t.Context(), t, url, 4))
	}
	sent, err := b.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: url, Entries: entries(9)})
	require.NoError(t, err)
	require.Len(t, sent.Successful, 9)
	require.Len(t, answered(t, waiters[0]), 4)
	require.Len(t, answered(t, waiters[1]), 4)
	require.Len(t, answered(t, waiters[2]), 1)
}

func TestWaitEndsWithTheClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, nil)
	answer := b.wait(t.Context(), t, url, 10)
	b.clock.advance(20 * time.Second)
	require.Empty(t, answered(t, answer))
	send(t, b.Client, url, "x")
	require.Len(t, b.take(t, url), 1, "who waits no longer takes no message")
}

func TestWaiterGetsAMessageThatBecomesVisible(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "7"})
	send(t, b.Client, url, "x")
	require.Len(t, b.take(t, url), 1)
	answer := b.wait(t.Context(), t, url, 10)
	b.awaitTimer(t) // for the hidden message
	b.clock.advance(7 * time.Second)
	require.Len(t, answered(t, answer), 1)
}

func TestClientThatHangsUpTakesNoMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, nil)
	ctx, hangUp := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(`{"QueueUrl":"`+*url+`","WaitTimeSeconds":20}`))
	req.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.server.ServeHTTP(httptest.NewRecorder(), req)
	}()
	b.awaitTimer(t)
	hangUp()
	<-ended
	send(t, b.Client, url, "x")
	require.Len(t, b.take(t, url), 1)
}

func TestMessageForABrokenConnectionIsReceivedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, map[string]string{"VisibilityTimeout": "30"})
	ctx, hangUp := context.WithCancel(t.Context())
	gone := b.wait(ctx, t, url, 10)
	hangUp()
	<-gone
	send(t, b.Client, url, "x")

	// It is there at once if the server has seen the connection close by now, else when the visibility
	// timeout is over.
	got := b.take(t, url)
	if len(got) == 0 {
		b.clock.advance(30 * time.Second)
		got = b.take(t, url)
	}
	require.Len(t, got, 1)
}

func TestCloseLetsWaitersGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, nil)
	answer := b.wait(t.Context(), t, url, 10)
	b.server.Close()
	require.Empty(t, answered(t, answer))
}

func TestDeletedQueueEndsItsWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	url := newQueue(t, b.Client, nil)
	answer := b.wait(t.Context(), t, url, 10)
	_, err := b.DeleteQueue(t.Context(), &client.DeleteQueueInput{QueueUrl: url})
	require.NoError(t, err)
	_, ok := <-answer
	require.False(t, ok, "an error, not an empty answer")
	_, err = b.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: aws.String((*url)[strings.LastIndex(*url, "/")+1:])})
	require.NoError(t, err, "for the clean-up, and the name is free at once")
}

func TestHealthz(t *testing.T) {
	t.Parallel()
	b := setup(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/healthz", http.NoBody)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// handClock is a clock that moves only by hand.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
	armed  chan struct{} // receives once for every timer that is set
}

type handTimer struct {
	at time.Time
	f  func()
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2004, 4, 19, 12, 0, 0, 0, time.UTC), armed: make(chan struct{}, 1000)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &handTimer{c.now.Add(d), f}
	c.timers = append(c.timers, timer)
	c.armed <- struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timers = slices.DeleteFunc(c.timers, func(t *handTimer) bool { return t == timer })
	}
}

// advance moves the clock, stopping at every timer on the way.
func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	for {
		next := -1
		for i, t := range c.timers {
			if !t.at.After(end) && (next < 0 || t.at.Before(c.timers[next].at)) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		timer := c.timers[next]
		c.timers = slices.Delete(c.timers, next, next+1)
		c.now = timer.at
		c.mu.Unlock()
		timer.f()
		c.mu.Lock()
	}
	c.now = end
	c.mu.Unlock()
}
