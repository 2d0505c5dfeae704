package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeQueue gives out what is put on it and notes what becomes of it.
type fakeQueue struct {
	pending    chan []queue.Received
	receiveErr func() error // asked before each receive
	deadErr    func() error

	mu       sync.Mutex
	deleted  []string
	released []string
	extended int
	dead     map[string]string // reasons
	changed  chan struct{}     // a signal for each change
}

func newFakeQueue() *fakeQueue {
	none := func() error { return nil }
	return &fakeQueue{
		pending: make(chan []queue.Received, 100), receiveErr: none, deadErr: none,
		dead: map[string]string{}, changed: make(chan struct{}, 10_000),
	}
}

// put puts bodies on the queue in full batches, so that tests can tell who holds
// how many.
func (q *fakeQueue) put(bodies ...string) {
	for some := range slices.Chunk(bodies, queue.MaxBatch) {
		var batch []queue.Received
		for _, body := range some {
			batch = append(batch, queue.Received{Body: body, MessageID: uuid.NewString(), SentAt: time.Now()})
		}
		q.pending <- batch
	}
}

func (q *fakeQueue) Receive(ctx context.Context, _ int, _ time.Duration) ([]queue.Received, error) {
	if err := q.receiveErr(); err != nil {
		return nil, err
	}
	select {
	case batch := <-q.pending:
		return batch, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *fakeQueue) note(change func()) {
	q.mu.Lock()
	change()
	q.mu.Unlock()
	q.changed <- struct{}{}
}

func (q *fakeQueue) Delete(_ context.Context, received []queue.Received) []queue.Failure {
	q.note(func() {
		for _, r := range received {
			q.deleted = append(q.deleted, r.Body)
		}
	})
	return nil
}

func (q *fakeQueue) DeadLetter(_ context.Context, r queue.Received, reason string) error {
	if err := q.deadErr(); err != nil {
		return err
	}
	q.note(func() { q.dead[r.Body] = reason })
	return nil
}

func (q *fakeQueue) ExtendVisibility(_ context.Context, received []queue.Received, _ time.Duration) []queue.Failure {
	q.note(func() { q.extended += len(received) })
	return nil
}

func (q *fakeQueue) Release(_ context.Context, received []queue.Received) []queue.Failure {
	q.note(func() {
		for _, r := range received {
			q.released = append(q.released, r.Body)
		}
	})
	return nil
}

// until waits for changes until the condition holds.
func (q *fakeQueue) until(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		q.mu.Lock()
		met := condition()
		q.mu.Unlock()
		if met {
			return
		}
		select {
		case <-q.changed:
		case <-deadline:
			require.Fail(t, "nothing happened")
		}
	}
}

type starterFunc func(ctx context.Context, m queue.Message) error

func (f starterFunc) Start(ctx context.Context, m queue.Message) error { return f(ctx, m) }

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buffer.String(), text)
}

type testBundle struct {
	queue  *fakeQueue
	log    *logBuffer
	cancel func() // tells the bridge to end
	stop   func() // and waits for it
}

// setup runs a bridge over a fake queue until the test ends.
func setup(t *testing.T, q *fakeQueue, start starterFunc) *testBundle {
	t.Helper()
	log := &logBuffer{}
	cfg := bridge.Config{
		Receivers: 2, Starts: 4, Wait: time.Second, Visibility: 30 * time.Millisecond,
		RetryAfter: time.Millisecond, MaxRetryAfter: 4 * time.Millisecond,
	}
	b := bridge.New(cfg, q, start, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); b.Run(ctx) }()
	stop := func() { cancel(); <-over }
	t.Cleanup(stop)
	return &testBundle{queue: q, log: log, cancel: cancel, stop: stop}
}

func bodies(t *testing.T, count int) []string {
	t.Helper()
	all := make([]string, count)
	for i := range all {
		body, err := queue.Message{RaceID: uuid.NewString(), RecordID: uuid.NewString(), Revision: i + 1}.Encode()
		require.NoError(t, err)
		all[i] = body
	}
	return all
}

func TestEveryMessageIsStartedAndThenDeleted(t *testing.T) {
	t.Parallel()
	q, sent := newFakeQueue(), bodies(t, 57)
	var mu sync.Mutex
	under, most, started := 0, 0, map[int]bool{}
	b := setup(t, q, func(_ context.Context, m queue.Message) error {
		mu.Lock()
		under++
		most, started[m.Revision] = max(most, under), true
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		defer mu.Unlock()
		under--
		return nil
	})
	q.put(sent...)
	q.until(t, func() bool { return len(q.deleted) == len(sent) })
	b.stop()
	require.ElementsMatch(t, sent, q.deleted)
	require.Len(t, started, len(sent))
	require.LessOrEqual(t, most, 4, "starts at once are bounded")
	require.Empty(t, q.released)
}

func TestAMessageThatWasStartedBeforeIsDeleted(t *testing.T) {
	t.Parallel()
	q, sent := newFakeQueue(), bodies(t, 1)
	setup(t, q, func(context.Context, queue.Message) error { return bridge.ErrAlreadyStarted })
	q.put(sent...)
	q.until(t, func() bool { return len(q.deleted) == 1 })
}

func TestAMessageThatIsNotOursGoesToTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	q, sent := newFakeQueue(), bodies(t, 1)
	b := setup(t, q, func(context.Context, queue.Message) error { return nil })
	q.put("not ours", sent[0])
	q.until(t, func() bool { return len(q.dead) == 1 && len(q.deleted) == 1 })
	require.Equal(t, map[string]string{"not ours": "decode message: the body is not a JSON object"}, q.dead)
	require.Equal(t, sent, q.deleted, "the poison stops nothing and is not deleted as done")
	require.Equal(t, 1, b.log.count("moved an invalid message"))
	require.Zero(t, b.log.count("not ours\""), "bodies are not logged")
}

func TestAMessageThatCannotBeDeadLetteredIsReceivedAgain(t *testing.T) {
	t.Parallel()
	q, asked := newFakeQueue(), make(chan struct{}, 1)
	q.deadErr = func() error { asked <- struct{}{}; return errors.New("no answer") }
	b := setup(t, q, func(context.Context, queue.Message) error { return nil })
	q.put("not ours")
	<-asked
	b.stop()
	require.Empty(t, q.deleted)
	require.Empty(t, q.released)
}

func TestAnOutageOfTemporalHoldsMessages(t *testing.T) {
	t.Parallel()
	q, sent := newFakeQueue(), bodies(t, 30)
	var mu sync.Mutex
	down, attempts := true, 0
	b := setup(t, q, func(context.Context, queue.Message) error {
		mu.Lock()
		defer mu.Unlock()
		attempts++
		if down {
			return fmt.Errorf("unavailable, attempt %d", attempts)
		}
		return nil
	})
	q.put(sent...)
	// Each of the two receivers holds one batch of ten and keeps it hidden.
	q.until(t, func() bool { return q.extended >= 100 })
	require.Len(t, q.pending, 1, "what cannot be started is not received")
	require.Empty(t, q.deleted)
	mu.Lock()
	down = false
	mu.Unlock()
	q.until(t, func() bool { return len(q.deleted) == len(sent) })
	require.Equal(t, 1, b.log.count("no answer from a server: work waits and is retried\" server=Temporal"), "one line for an outage")
	require.Equal(t, 1, b.log.count("the server answers again\" server=Temporal"))
	require.ElementsMatch(t, sent, q.deleted)
}

func TestAnOutageOfTheQueuePasses(t *testing.T) {
	t.Parallel()
	q, sent := newFakeQueue(), bodies(t, 3)
	var mu sync.Mutex
	failures := 0
	q.receiveErr = func() error {
		mu.Lock()
		defer mu.Unlock()
		failures++
		if failures < 20 {
			return errors.New("connection refused")
		}
		return nil
	}
	b := setup(t, q, func(context.Context, queue.Message) error { return nil })
	q.put(sent...)
	q.until(t, func() bool { return len(q.deleted) == len(sent) })
	require.Equal(t, 1, b.log.count("no answer from a server: work waits and is retried\" server=queue"))
	require.Equal(t, 1, b.log.count("the server answers again\" server=queue"))
}

func TestAShutdownFinishesStartsAndReleasesTheRest(t *testing.T) {
	t.Parallel()
	q, sent := newFakeQueue(), bodies(t, 10)
	under, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b := setup(t, q, func(ctx context.Context, m queue.Message) error {
		if m.Revision > 1 {
			return errors.New("unavailable")
		}
		once.Do(func() { close(under) })
		<-finish
		return ctx.Err() // nil: a start under way is not cut off
	})
	q.put(sent...)
	<-under
	b.cancel()
	close(finish)
	b.stop()
	require.Equal(t, sent[:1], q.deleted)
	require.ElementsMatch(t, sent[1:], q.released)
}
