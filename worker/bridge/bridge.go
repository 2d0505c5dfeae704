// Package bridge receives messages from the records queue and starts a workflow
// for each. A message is deleted only once Temporal has its workflow.
package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// Config sets the concurrency and the timing of the bridge.
type Config struct {
	// Receivers is how many batches are received and handled at once, and so how
	// many messages the bridge holds: few enough that a message of another race
	// does not wait long for them.
	Receivers int `env:"BRIDGE_RECEIVERS" envDefault:"4" unit:"batches" help:"how many batches are received and handled at once"`
	// Starts is how many workflows are being started at once. Measured: 200 are no faster than 16.
	Starts int `env:"BRIDGE_STARTS" envDefault:"16" unit:"workflows" help:"how many workflows are being started at once"`
	// Wait is how long a receive waits for a message; at most 20 s.
	Wait time.Duration `env:"BRIDGE_WAIT" envDefault:"20s" min:"0s" max:"20s" help:"how long a receive waits for a message"`
	// Visibility is how long a message stays hidden each time the bridge extends it; what the bridge held
	// when it crashed is received again after that. It should be the queue's own visibility timeout.
	Visibility time.Duration `env:"BRIDGE_VISIBILITY" envDefault:"10s" min:"1s" max:"12h" help:"how long a message stays hidden each time the worker extends it; should equal the queue's own timeout"`
	// RetryAfter is the pause after the first failure of the queue or of Temporal; it doubles up to
	// MaxRetryAfter.
	RetryAfter    time.Duration `env:"BRIDGE_RETRY_AFTER" envDefault:"100ms" help:"the pause after the first failure of the queue or of Temporal; it doubles with each"`
	MaxRetryAfter time.Duration `env:"BRIDGE_MAX_RETRY_AFTER" envDefault:"2s" help:"the longest such pause"`
}

// callTimeout bounds a start, and each call of the queue during shutdown.
const callTimeout = 5 * time.Second

// Queue is the records queue. Delete, ExtendVisibility and Release return the
// messages for which they failed; those are received again.
type Queue interface {
	Receive(ctx context.Context, most int, wait time.Duration) ([]queue.Received, error)
	Delete(ctx context.Context, received []queue.Received) []queue.Failure
	DeadLetter(ctx context.Context, received queue.Received, reason string) error
	ExtendVisibility(ctx context.Context, received []queue.Received, d time.Duration) []queue.Failure
	Release(ctx context.Context, received []queue.Received) []queue.Failure
}

// ErrAlreadyStarted says that the workflow of a message had been started before.
var ErrAlreadyStarted = errors.New("already started")

// Starter starts the workflow of a message. It returns nil when the start was
// accepted and ErrAlreadyStarted when there is nothing left to start; after any
// other error it is unknown whether the workflow exists.
type Starter interface {
	Start(ctx context.Context, m queue.Message) error
}

// Bridge passes messages from the queue to the starter. Make one with New.
type Bridge struct {
	cfg      Config
	queue    Queue
	starter  Starter
	log      *slog.Logger
	metrics  *metrics
	starts   *turns
	handling atomic.Int32 // batches
	source   *telemetry.Link
	temporal *telemetry.Link
}

// Busy reports whether more messages wait than single records that are posted one after
// the other: most receivers have a batch in hand.
func (b *Bridge) Busy() bool { return 2*int(b.handling.Load()) > b.cfg.Receivers }

// New returns a bridge that registers its metrics with registry.
func New(cfg Config, q Queue, starter Starter, log *slog.Logger, registry prometheus.Registerer) *Bridge {
	return &Bridge{
		cfg: cfg, queue: q, starter: starter, log: log, metrics: newMetrics(registry),
		starts:   newTurns(cfg.Starts),
		source:   telemetry.NewLink("queue", log),
		temporal: telemetry.NewLink("Temporal", log),
	}
}

// Run passes messages on until ctx ends. It returns once every message that it held
// is deleted or released, or after 10 s. It waits through outages of the queue and
// of Temporal.
func (b *Bridge) Run(ctx context.Context) {
	var receivers sync.WaitGroup
	for range b.cfg.Receivers {
		receivers.Go(func() { b.receive(ctx) })
	}
	receivers.Wait()
}

// receive handles one batch after another, so that a receiver whose messages cannot
// be started receives no more.
func (b *Bridge) receive(ctx context.Context) {
	failures := b.backoff()
	for ctx.Err() == nil {
		batch, err := b.queue.Receive(ctx, queue.MaxBatch, b.cfg.Wait)
		if ctx.Err() != nil {
			b.release(ctx, batch)
			return
		}
		b.source.Report(err)
		if err != nil {
			failures.Wait(ctx)
			continue
		}
		failures = b.backoff()
		if len(batch) > 0 {
			b.metrics.received.Add(float64(len(batch)))
			b.handle(ctx, batch)
		}
	}
}

// handle starts the workflow of every message of a batch and keeps all of them
// hidden in the meantime. It deletes those that are done, and releases those that
// are not because ctx ended.
func (b *Bridge) handle(ctx context.Context, batch []queue.Received) {
	defer b.metrics.held.add(batch)()
	b.handling.Add(1)
	defer b.handling.Add(-1)
	stop := b.keepHidden(ctx, batch)
	ends := make([]end, len(batch))
	var all errgroup.Group
	for i, received := range batch {
		all.Go(func() error {
			ends[i] = b.process(ctx, received)
			return nil
		})
	}
	_ = all.Wait() // process reports through ends
	stop()
	var done, undone []queue.Received
	for i, received := range batch {
		switch ends[i] {
		case finished:
			done = append(done, received)
		case interrupted:
			undone = append(undone, received)
		case gone:
		}
	}
	var closing sync.WaitGroup
	closing.Go(func() { b.delete(ctx, done) })
	closing.Go(func() { b.release(ctx, undone) })
	closing.Wait()
}

// keepHidden keeps extending the visibility of a batch until stop is called, so
// that an outage does not use up the few receives after which the queue moves a
// message to the dead-letter queue.
func (b *Bridge) keepHidden(ctx context.Context, batch []queue.Received) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beat sync.WaitGroup
	beat.Go(func() {
		tick := time.NewTicker(b.cfg.Visibility / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				b.queue.ExtendVisibility(ctx, batch, b.cfg.Visibility) // if that fails they are received again, which is harmless
			}
		}
	})
	return func() { cancel(); beat.Wait() }
}

// delete deletes messages, even during a shutdown.
func (b *Bridge) delete(ctx context.Context, done []queue.Received) {
	if len(done) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if failures := b.queue.Delete(ctx, done); len(failures) > 0 {
		b.log.Warn("cannot delete messages: they will be received again, which is harmless", "count", len(failures), "error", failures[0].Err)
	}
}

// release makes messages visible again at a shutdown.
func (b *Bridge) release(ctx context.Context, undone []queue.Received) {
	if len(undone) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	b.metrics.released.Add(float64(len(undone)))
	if failures := b.queue.Release(ctx, undone); len(failures) > 0 {
		b.log.Warn("cannot release messages at shutdown: they will be received again after their visibility timeout", "count", len(failures), "error", failures[0].Err)
	}
}

// end is how the processing of a message ended.
type end int

const (
	interrupted end = iota // by a shutdown: release it
	finished               // its workflow exists: delete it
	gone                   // dead-lettered, or left to be received again
)

// process starts the workflow of a message, however long that takes, or moves a
// message that is not ours to the dead-letter queue.
func (b *Bridge) process(ctx context.Context, received queue.Received) end {
	message, err := queue.Decode(received.Body)
	if err != nil {
		return b.deadLetter(ctx, received, err)
	}
	message.Label, message.Trace = received.Label, received.Trace
	failures := b.backoff()
	for {
		if !b.starts.acquire(ctx, message.RaceID) {
			return interrupted
		}
		err := b.start(ctx, message)
		b.starts.release()
		switch {
		case errors.Is(err, ErrAlreadyStarted):
			b.temporal.Report(nil)
			b.metrics.alreadyStarted.Inc()
			return finished
		case err == nil:
			b.temporal.Report(nil)
			b.metrics.startedAfter(received.SentAt)
			return finished
		}
		// The message is valid, so it cannot be the reason. Retry until the cause
		// has passed.
		b.temporal.Report(err)
		b.metrics.retried.Inc()
		if !failures.Wait(ctx) {
			return interrupted
		}
	}
}

// start lets a start that is under way finish when ctx ends: if it were cut off,
// nobody would know whether the workflow exists.
func (b *Bridge) start(ctx context.Context, message queue.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	return b.starter.Start(ctx, message)
}

func (b *Bridge) deadLetter(ctx context.Context, received queue.Received, reason error) end {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := b.queue.DeadLetter(ctx, received, reason.Error()); err != nil {
		b.log.Warn("cannot move an invalid message to the dead-letter queue: it will be received again",
			"message_id", received.MessageID, "reason", reason, "error", err)
		return gone
	}
	b.metrics.deadLettered.Inc()
	b.log.Warn("moved an invalid message to the dead-letter queue",
		"message_id", received.MessageID, "reason", reason)
	return gone
}

func (b *Bridge) backoff() *queue.Backoff {
	return queue.NewBackoff(b.cfg.RetryAfter, b.cfg.MaxRetryAfter)
}

// turns limits how many starts are under way at once. When more are waiting, races
// take turns: one start each, however many messages of a race are waiting.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting map[string][]chan struct{} // by race, longest waiting first
	order   []string                   // the races that wait, the next one first
}

func newTurns(starts int) *turns {
	return &turns{free: starts, waiting: map[string][]chan struct{}{}}
}

// acquire waits for the race's turn. It returns false if ctx ended first; otherwise
// the caller must call release.
func (t *turns) acquire(ctx context.Context, raceID string) bool {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	if len(t.waiting[raceID]) == 0 {
		t.order = append(t.order, raceID)
	}
	t.waiting[raceID] = append(t.waiting[raceID], turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
		return t.leave(raceID, turn)
	}
}

// leave gives up waiting. If the turn came at the same moment, it is passed on.
func (t *turns) leave(raceID string, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting[raceID], turn)
	if i < 0 {
		t.next()
		return false
	}
	t.waiting[raceID] = slices.Delete(t.waiting[raceID], i, i+1)
	if len(t.waiting[raceID]) == 0 {
		delete(t.waiting, raceID)
		t.order = slices.DeleteFunc(t.order, func(id string) bool { return id == raceID })
	}
	return false
}

// release ends a start.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next()
}

// next gives a free slot to the race whose turn it is, which then queues up after
// the others.
func (t *turns) next() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	raceID := t.order[0]
	t.order = t.order[1:]
	waiting := t.waiting[raceID]
	close(waiting[0])
	if len(waiting) == 1 {
		delete(t.waiting, raceID)
		return
	}
	t.waiting[raceID] = waiting[1:]
	t.order = append(t.order, raceID)
}
