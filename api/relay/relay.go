// Package relay sends record revisions from main_db's outbox to the records
// queue. Every API process runs one: it sends what its own handlers have just
// committed, and what other processes could not send.
//
// When there are more records than the workers can credit, they wait in the outbox,
// where races take turns. The queue is kept short, because messages leave it roughly in
// the order of their arrival.
package relay

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-retry"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

// Config sets how the outbox is sent.
type Config struct {
	// Ahead is how many messages may wait on the queue before the rest waits in the
	// outbox; 0 is no limit. It should last the workers for half a second: more
	// delays small races wherever the queue itself is not fair, less leaves workers
	// idle between two looks of this process.
	Ahead int `env:"OUTBOX_AHEAD" envDefault:"128" min:"0" unit:"messages" help:"how many messages may wait on the queue before records wait in the outbox, where races take turns; 0 is no limit"`
}

// Store is the outbox.
type Store interface {
	// SendOutbox calls send with up to limit rows that nobody else is sending, taken
	// from races in turn, and deletes those that send returns. It returns their number
	// and the error of send.
	SendOutbox(ctx context.Context, limit int,
		send func(context.Context, []maindb.OutboxRow) ([]maindb.OutboxRow, error)) (int, error)
	// OutboxDepth returns how many rows of each race are waiting, and the age of the
	// oldest.
	OutboxDepth(ctx context.Context) (ofRace map[string]int, oldest time.Duration, err error)
}

// Queue is the records queue.
type Queue interface {
	// Send returns the messages that were not accepted. It takes any number.
	Send(ctx context.Context, messages []queue.Message) []queue.Failure
	// Depth returns how many messages are on the queue.
	Depth(ctx context.Context) (queue.Depth, error)
}

const (
	// batch is how many rows one transaction sends: 50 requests of 10 messages,
	// which keep all connections to the queue busy.
	batch = 500
	// tick is how often the relay looks for rows that other processes left behind.
	tick = time.Second
	// sendTimeout bounds one transaction with its requests.
	sendTimeout = 20 * time.Second
	// stopTimeout replaces sendTimeout when the relay stops. Messages in flight are
	// finished if database and queue respond. Otherwise the rows stay in the outbox and
	// another relay sends them, some perhaps a second time.
	stopTimeout = 3 * time.Second
)

// afterFailure is how long the relay waits after each failure.
func afterFailure() retry.Backoff {
	return retry.WithCappedDuration(2*time.Second, retry.NewExponential(50*time.Millisecond))
}

// whileFull is the pause before the relay checks whether a full queue has room again:
// short while workers empty it, longer when they do not.
func whileFull() retry.Backoff {
	return retry.WithCappedDuration(tick, retry.NewExponential(20*time.Millisecond))
}

// Relay sends the outbox.
type Relay struct {
	cfg     Config
	store   Store
	queue   Queue
	log     *slog.Logger
	metrics *metrics
	poke    chan struct{}
	backlog backlog

	// Used only by Run.
	failing  bool      // the last attempt failed
	room     int       // how many messages may be sent before the queue's depth is read again
	measured time.Time // when the backlog may be measured again
}

// New returns a relay whose metrics are registered with registry.
func New(cfg Config, store Store, q Queue, log *slog.Logger, registry prometheus.Registerer) *Relay {
	return &Relay{
		cfg: cfg, store: store, queue: q, log: log, metrics: newMetrics(registry),
		poke: make(chan struct{}, 1),
	}
}

// Poke wakes the relay because there are new rows. It never blocks; several pokes
// while the relay is busy count as one.
func (r *Relay) Poke() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// Run sends until ctx is done, and returns when the messages in flight and the rows
// committed last have been sent. It retries while the database or the queue is down.
func (r *Relay) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	failures, full := afterFailure(), whileFull()
	for ctx.Err() == nil {
		sent, err := r.send(ctx)
		r.note(ctx, err)
		r.measure(ctx)
		switch {
		case err != nil:
			wait(ctx, failures) // a poke does not shorten it: the new row would fail too
			continue
		case sent == queueFull:
			wait(ctx, full)
			continue
		case sent == allSent:
			select {
			case <-ctx.Done():
			case <-r.poke:
			case <-ticker.C:
			}
		}
		failures, full = afterFailure(), whileFull()
	}
	if !r.failing {
		_, err := r.send(ctx)
		r.note(ctx, err)
	}
}

// outcome is the state after a successful attempt to send.
type outcome int

const (
	allSent   outcome = iota
	moreToDo          // there may be more rows, and room for them
	queueFull         // nothing was sent, because enough messages wait on the queue
)

// send sends one batch.
func (r *Relay) send(ctx context.Context) (outcome, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, cancel) })()
	most := r.mostToSend(sending)
	if most == 0 {
		return queueFull, nil
	}
	n, err := r.store.SendOutbox(sending, most, r.pass)
	r.metrics.sent.Add(float64(n))
	r.room -= n
	if n == most {
		return moreToDo, err
	}
	return allSent, err
}

// mostToSend returns how many rows may be sent now. It reads the queue's depth only when
// the room of the last reading is used up, so that a record posted to an idle system
// costs no extra call. If the depth cannot be read, the queue is assumed to be empty: a
// late record is worse than an unfair order.
func (r *Relay) mostToSend(ctx context.Context) int {
	if r.cfg.Ahead == 0 {
		return batch
	}
	least := (r.cfg.Ahead + 3) / 4 // so that a few messages do not cost a transaction each
	if r.room < least {
		depth, err := r.queue.Depth(ctx)
		if err != nil {
			depth = queue.Depth{}
		}
		r.room = r.cfg.Ahead - depth.Visible
	}
	if r.room < least {
		return 0
	}
	return min(batch, r.room)
}

// pass sends rows to the queue and returns those that it accepted.
func (r *Relay) pass(ctx context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
	messages := make([]queue.Message, len(rows))
	for i, row := range rows {
		messages[i] = queue.Message{
			RaceID: row.RaceID, RecordID: row.RecordID, Revision: row.Revision,
			Label: queue.Label{Bib: row.Bib, RaceName: row.RaceName},
			Trace: queue.Trace{Parent: row.TraceParent, Link: row.TraceLink},
		}
	}
	failures := r.queue.Send(ctx, messages)
	if len(failures) == 0 {
		return rows, nil
	}
	r.metrics.failures.Add(float64(len(failures)))
	failed := make(map[int]bool, len(failures))
	for _, f := range failures {
		failed[f.Index] = true
	}
	sent := make([]maindb.OutboxRow, 0, len(rows)-len(failed))
	for i, row := range rows {
		if !failed[i] {
			sent = append(sent, row)
		}
	}
	return sent, failures[0].Err // the others are similar: one is enough for the log
}

// note logs when sending starts to fail and when it succeeds again, but nothing in
// between.
func (r *Relay) note(ctx context.Context, err error) {
	switch failing := err != nil; {
	case failing == r.failing:
		return
	case failing:
		r.failing = true
		r.log.WarnContext(ctx, "cannot send records to the queue: they wait in the outbox while the relay retries", "error", err)
	default:
		r.failing = false
		r.log.InfoContext(ctx, "sending records to the queue again")
	}
}

// wait waits as long as the backoff says, or until ctx ends.
func wait(ctx context.Context, backoff retry.Backoff) {
	d, _ := backoff.Next() // it never stops
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Traced returns a queue that records a span for each message sent, in the trace
// that the message belongs to. Without a provider it returns next.
func Traced(next Queue, provider trace.TracerProvider) Queue {
	if provider == nil {
		return next
	}
	return traced{next, provider.Tracer("github.com/mrmrthon/mrmrthon/api/relay")}
}

type traced struct {
	Queue
	tracer trace.Tracer
}

// Send passes on copies of the messages, whose traces continue from their own
// spans. A message that fails is retried, for hours if need be: only the span of
// the send that succeeds is kept, since a span that is not ended is dropped.
func (s traced) Send(ctx context.Context, messages []queue.Message) []queue.Failure {
	spans, sent := make([]trace.Span, len(messages)), make([]queue.Message, len(messages))
	for i, m := range messages {
		var within context.Context
		within, spans[i] = tracecontext.StartFrom(ctx, s.tracer, "send records", m.Trace.Parent, m.Trace.Link,
			trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
				attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.operation.type", "send"),
				attribute.String("race_id", m.RaceID), attribute.String("record_id", m.RecordID),
				attribute.Int("revision", m.Revision),
			))
		m.Trace = queue.Trace{Parent: tracecontext.TraceParent(within)}
		sent[i] = m
	}
	failures := s.Queue.Send(ctx, sent)
	for _, failure := range failures {
		spans[failure.Index] = nil
	}
	for _, span := range spans {
		if span != nil {
			span.End()
		}
	}
	return failures
}
