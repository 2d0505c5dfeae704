package relay_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/api/relay"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outbox is a store in memory; down makes it fail.
type outbox struct {
	mu   sync.Mutex
	rows []maindb.OutboxRow
	down error
}

func (o *outbox) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rows)
}

func (o *outbox) add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range n {
		o.rows = append(o.rows, maindb.OutboxRow{ID: int64(len(o.rows) + 1), Revision: len(o.rows) + 1})
	}
}

func (o *outbox) SendOutbox(ctx context.Context, limit int, send func(context.Context, []maindb.OutboxRow) ([]maindb.OutboxRow, error)) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down != nil || len(o.rows) == 0 {
		return 0, o.down
	}
	sent, err := send(ctx, slices.Clone(o.rows[:min(limit, len(o.rows))]))
	o.rows = slices.DeleteFunc(o.rows, func(row maindb.OutboxRow) bool { return slices.Contains(sent, row) })
	return len(sent), err
}

func (o *outbox) OutboxDepth(context.Context) (map[string]int, time.Duration, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ofRace := map[string]int{}
	for _, row := range o.rows {
		ofRace[row.RaceID]++
	}
	return ofRace, time.Duration(len(o.rows)) * time.Second, o.down
}

func (o *outbox) set(down error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

// sender accepts what its function lets it.
type sender func(ctx context.Context, messages []queue.Message) []queue.Failure

func (s sender) Send(ctx context.Context, messages []queue.Message) []queue.Failure {
	return s(ctx, messages)
}

func (s sender) Depth(context.Context) (queue.Depth, error) { return queue.Depth{}, nil }

func acceptAll(context.Context, []queue.Message) []queue.Failure { return nil }

func refuseAll(_ context.Context, messages []queue.Message) []queue.Failure {
	failures := make([]queue.Failure, len(messages))
	for i := range messages {
		failures[i] = queue.Failure{Index: i, Err: errors.New("the queue is down")}
	}
	return failures
}

// testBundle is a relay that runs in the bubble of a test.
type testBundle struct {
	*relay.Relay
	registry *prometheus.Registry
	log      *bytes.Buffer
	stop     func() // and waits until Run has returned
}

func start(t *testing.T, store relay.Store, q relay.Queue) *testBundle {
	t.Helper()
	b := &testBundle{registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	b.Relay = relay.New(relay.Config{Ahead: 1000}, store, q, slog.New(slog.NewTextHandler(b.log, nil)), b.registry)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	b.stop = func() {
		cancel()
		<-done
	}
	return b
}

// metric returns the value of a counter or gauge.
func (b *testBundle) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	require.Fail(t, "no such metric", name)
	return 0
}

func TestAPokeSendsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		b := start(t, store, sender(acceptAll))
		synctest.Wait()
		begin := time.Now()
		store.add(1234)
		b.Poke()
		b.Poke()
		synctest.Wait()
		require.Empty(t, store.rows)
		require.Zero(t, time.Since(begin))
		require.InDelta(t, 1234, b.metric(t, "mrmrthon_outbox_sent_total"), 0)
		b.stop()
		require.Empty(t, b.log.String())
	})
}

func TestRowsOfOtherProcessesAreSentWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		b := start(t, store, sender(acceptAll))
		synctest.Wait()
		store.add(3)
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		require.Empty(t, store.rows)
		b.stop()
	})
}

func TestRefusedMessagesStayAndAreTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		store.add(20)
		var mu sync.Mutex
		tries, accepted := 0, map[int]int{}
		b := start(t, store, sender(func(_ context.Context, messages []queue.Message) (failures []queue.Failure) {
			mu.Lock()
			defer mu.Unlock()
			tries++
			for i, m := range messages {
				if tries < 5 && m.Revision%2 == 0 {
					failures = append(failures, queue.Failure{Index: i, Err: errors.New("refused")})
					continue
				}
				accepted[m.Revision]++
			}
			return failures
		}))
		time.Sleep(time.Minute)
		synctest.Wait()
		b.stop()
		require.Empty(t, store.rows)
		require.Len(t, accepted, 20)
		for revision, times := range accepted {
			require.Equal(t, 1, times, "revision %d", revision)
		}
		require.InDelta(t, 40, b.metric(t, "mrmrthon_outbox_failures_total"), 0)
	})
}

func TestAnOutageIsLoggedOnceAndEndsWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct {
		store *outbox
		send  sender
	}{
		"database": {&outbox{down: errors.New("connection refused")}, acceptAll},
		"queue":    {&outbox{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				up, tries := outage.send != nil, 0
				b := start(t, outage.store, sender(func(ctx context.Context, messages []queue.Message) []queue.Failure {
					mu.Lock()
					defer mu.Unlock()
					tries++
					if up {
						return acceptAll(ctx, messages)
					}
					return refuseAll(ctx, messages)
				}))
				outage.store.add(700)
				for range 600 {
					b.Poke() // does not make it try more often
					time.Sleep(100 * time.Millisecond)
				}
				synctest.Wait()
				require.Less(t, tries, 45, "a minute of outage")
				require.Len(t, outage.store.rows, 700)
				require.Equal(t, 1, strings.Count(b.log.String(), "\n"), b.log.String())

				mu.Lock()
				up = true
				mu.Unlock()
				outage.store.set(nil)
				time.Sleep(2*time.Second + time.Millisecond)
				synctest.Wait()
				require.Empty(t, outage.store.rows)
				require.Equal(t, 2, strings.Count(b.log.String(), "\n"), b.log.String())
				time.Sleep(2 * time.Second)
				synctest.Wait()
				require.Zero(t, b.metric(t, "mrmrthon_outbox_rows"))
				b.stop()
			})
		})
	}
}

func TestDepthIsMeasuredWhileTheQueueIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		store.add(7)
		b := start(t, store, sender(refuseAll))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.InDelta(t, 7, b.metric(t, "mrmrthon_outbox_rows"), 0)
		require.InDelta(t, 7, b.metric(t, "mrmrthon_outbox_oldest_seconds"), 0)
		b.stop()
	})
}

func TestStoppingFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		store.add(1)
		b := start(t, store, sender(func(ctx context.Context, _ []queue.Message) []queue.Failure {
			time.Sleep(time.Second) // of the bubble's clock
			require.NoError(t, ctx.Err())
			return nil
		}))
		synctest.Wait() // in flight
		b.stop()
		require.Empty(t, store.rows)
	})
}

func TestStoppingDoesNotWaitForAServerThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		store.add(1)
		b := start(t, store, sender(func(ctx context.Context, messages []queue.Message) []queue.Failure {
			<-ctx.Done()
			return refuseAll(ctx, messages)
		}))
		synctest.Wait() // in flight
		began := time.Now()
		b.stop()
		require.Equal(t, 3*time.Second, time.Since(began), "of the bubble's clock")
		require.Len(t, store.rows, 1, "another relay sends it")
	})
}

func TestStoppingSendsWhatWasCommittedLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		b := start(t, store, sender(acceptAll))
		synctest.Wait() // nothing to do
		store.add(1)
		b.Poke()
		b.stop()
		require.Empty(t, store.rows)
	})
}

// shortQueue is a queue that holds what it is sent until it is taken.
type shortQueue struct {
	mu      sync.Mutex
	held    int
	most    int // ever held
	asked   int // how often
	unknown error
}

func (q *shortQueue) Send(_ context.Context, messages []queue.Message) []queue.Failure {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held += len(messages)
	q.most = max(q.most, q.held)
	return nil
}

func (q *shortQueue) Depth(context.Context) (queue.Depth, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked++
	if q.unknown != nil {
		return queue.Depth{}, q.unknown
	}
	return queue.Depth{Visible: q.held, InFlight: 40}, nil
}

func (q *shortQueue) counts() (held, most, asked int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.most, q.asked
}

func (q *shortQueue) take(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= min(n, q.held)
}

func TestTheQueueIsKeptShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, q := &outbox{}, &shortQueue{}
		store.add(3000)
		b := start(t, store, q)
		synctest.Wait()
		held, _, before := q.counts()
		require.Equal(t, 1000, held)
		time.Sleep(time.Minute)
		synctest.Wait()
		held, _, after := q.counts()
		require.Equal(t, 1000, held, "nobody takes any")
		require.Less(t, after-before, 200, "and it is not asked all the time")

		began := time.Now()
		for store.len() > 0 {
			q.take(20)
			time.Sleep(10 * time.Millisecond) // of the bubble's clock
			held, most, _ := q.counts()
			require.Positive(t, held, "workers are never idle")
			require.LessOrEqual(t, most, 1000)
			require.Less(t, time.Since(began), time.Minute)
		}
		b.stop()
	})
}

func TestAQueueThatHidesItsDepthIsSentTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &outbox{}
		store.add(3000)
		b := start(t, store, &shortQueue{unknown: errors.New("no right to ask")})
		synctest.Wait()
		require.Zero(t, store.len())
		b.stop()
	})
}

func TestAheadCountsTheTurnsOfTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, q := &outbox{}, &shortQueue{}
		for race, rows := range map[string]int{"big": 5000, "middle": 700, "small": 100} {
			for range rows {
				store.rows = append(store.rows, maindb.OutboxRow{ID: int64(len(store.rows) + 1), RaceID: race})
			}
		}
		b := start(t, store, q)
		records, seconds := b.Ahead("small", 0)
		require.Zero(t, records)
		require.Zero(t, seconds)
		for range 100 { // 250 a second
			time.Sleep(100 * time.Millisecond)
			q.take(25)
		}
		synctest.Wait()
		left := map[string]int{}
		store.mu.Lock()
		for _, row := range store.rows {
			left[row.RaceID]++
		}
		store.mu.Unlock()
		records, seconds = b.Ahead("small", 100)
		require.InDelta(t, 1040+left["small"]+min(left["small"], left["middle"])+min(left["small"], left["big"]), records, 500, "those on the queue, then three races in turn")
		require.InDelta(t, float64(records)/250, seconds, 2)
		records, _ = b.Ahead("big", left["big"])
		require.InDelta(t, 1040+left["big"]+min(left["big"], left["middle"])+min(left["big"], left["small"]), records, 500)
		records, _ = b.Ahead("all on the queue", 3)
		require.InDelta(t, 1040, records, 300)
		b.stop()
	})
}

// TestSentMessagesContinueFromTheirOwnSpan: of one message within the trace that it
// came about in, of one of many at the root of a new one. What is not accepted
// leaves no span.
func TestSentMessagesContinueFromTheirOwnSpan(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	from := tracecontext.TraceParent(ctx)
	var sent []queue.Message
	traced := relay.Traced(sender(func(_ context.Context, messages []queue.Message) []queue.Failure {
		sent = messages
		return []queue.Failure{{Index: 2, Err: errors.New("refused")}}
	}), provider)
	messages := []queue.Message{
		{RecordID: "one", Revision: 1, Trace: queue.Trace{Parent: from}},
		{RecordID: "of many", Revision: 1, Trace: queue.Trace{Link: from}},
		{RecordID: "refused", Revision: 1, Trace: queue.Trace{Parent: from}},
	}
	given := append([]queue.Message(nil), messages...)
	require.Len(t, traced.Send(t.Context(), messages), 1)
	require.Equal(t, given, messages)

	ended := recorder.Ended()
	require.Len(t, ended, 2)
	for i, span := range ended {
		require.Equal(t, oteltrace.SpanKindProducer, span.SpanKind())
		require.Contains(t, sent[i].Trace.Parent, span.SpanContext().SpanID().String())
		require.Empty(t, sent[i].Trace.Link, "the receiver goes on with the new trace")
	}
	require.Equal(t, request.SpanContext().SpanID(), ended[0].Parent().SpanID())
	require.False(t, ended[1].Parent().IsValid())
	require.Equal(t, request.SpanContext().TraceID(), ended[1].Links()[0].SpanContext.TraceID())
}

// TestWithoutTracingTheQueueIsNotWrapped: the trace of another process's row passes
// through untouched.
func TestWithoutTracingTheQueueIsNotWrapped(t *testing.T) {
	t.Parallel()
	var sent []queue.Message
	plain := sender(func(_ context.Context, messages []queue.Message) []queue.Failure {
		sent = messages
		return nil
	})
	var none *telemetry.Tracing
	messages := []queue.Message{{Revision: 1, Trace: queue.Trace{Link: "theirs"}}}
	require.Empty(t, relay.Traced(plain, none.Provider()).Send(t.Context(), messages))
	require.Equal(t, messages, sent)
	require.IsType(t, plain, relay.Traced(plain, none.Provider()))
}
