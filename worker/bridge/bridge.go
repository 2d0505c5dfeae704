// Package bridge takes messages off the records queue and starts the workflow of
// each, so that a message is gone only when Temporal has its workflow.
package bridge

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// Config sets the pace of the bridge.
type Config struct {
	// Receivers is how many batches are received and handled at once.
	Receivers int `env:"BRIDGE_RECEIVERS" envDefault:"4" unit:"batches" help:"how many batches are received and handled at once"`
	// Starts is how many workflows are being started at once. Measured: 200 are no faster than 16.
	Starts int `env:"BRIDGE_STARTS" envDefault:"16" unit:"workflows" help:"how many workflows are being started at once"`
	// Wait is how long a receive waits for a message; at most 20 s.
	Wait time.Duration `env:"BRIDGE_WAIT" envDefault:"20s" min:"0s" max:"20s" help:"how long a receive waits for a message"`
	// Visibility is how long a message stays hidden after each sign of life; what a crash of the bridge
	// held comes again after it. It should be the queue's own visibility timeout.
	Visibility time.Duration `env:"BRIDGE_VISIBILITY" envDefault:"10s" min:"1s" max:"12h" help:"how long a message stays hidden after each sign of life; the queue's own timeout"`
	// RetryAfter is the pause after a first failure of the queue or of Temporal; it doubles up to
	// MaxRetryAfter.
	RetryAfter    time.Duration `env:"BRIDGE_RETRY_AFTER" envDefault:"100ms" help:"the pause after a first failure of the queue or of Temporal; it doubles"`
	MaxRetryAfter time.Duration `env:"BRIDGE_MAX_RETRY_AFTER" envDefault:"2s" help:"the longest such pause"`
}

// callTimeout bounds a start and what is said to the queue during shutdown.
const callTimeout = 5 * time.Second

// Source gives out messages and takes them back for good. Delete returns those
// that it could not delete, which come again.
type Source interface {
	Receive(ctx context.Context, most int, wait time.Duration) ([]queue.Received, error)
	Delete(ctx context.Context, received []queue.Received) []queue.Failure
	DeadLetter(ctx context.Context, received queue.Received, reason string) error
}

// Visibility keeps received messages from other receivers, or gives them back.
// Both return those for which that failed.
type Visibility interface {
	ExtendVisibility(ctx context.Context, received []queue.Received, d time.Duration) []queue.Failure
	Release(ctx context.Context, received []queue.Received) []queue.Failure
}

// Queue is what the bridge needs of the records queue.
type Queue interface {
	Source
	Visibility
}

// ErrAlreadyStarted says that the workflow of a message had been started before.
var ErrAlreadyStarted = errors.New("already started")

// Starter starts the workflow of a message. It returns nil when the start was
// accepted and ErrAlreadyStarted when there is nothing left to start; after any
// other error it is unknown whether the workflow exists.
type Starter interface {
	Start(ctx context.Context, m queue.Message) error
}

// Bridge carries messages from the queue to the starter. Make one with New.
type Bridge struct {
	cfg      Config
	queue    Queue
	starter  Starter
	log      *slog.Logger
	metrics  *metrics
	slots    chan struct{} // one for each start under way
	source   *telemetry.Link
	temporal *telemetry.Link
}

// New returns a bridge that registers its metrics with registry.
func New(cfg Config, q Queue, starter Starter, log *slog.Logger, registry prometheus.Registerer) *Bridge {
	return &Bridge{
		cfg: cfg, queue: q, starter: starter, log: log, metrics: newMetrics(registry),
		slots:    make(chan struct{}, cfg.Starts),
		source:   telemetry.NewLink("queue", log),
		temporal: telemetry.NewLink("Temporal", log),
	}
}

// Run carries messages until ctx ends. It returns when every message it held is
// deleted or released, or has not been within 10 s. It waits through outages of the queue and of Temporal.
func (b *Bridge) Run(ctx context.Context) {
	var receivers sync.WaitGroup
	for range b.cfg.Receivers {
		receivers.Go(func() { b.receive(ctx) })
	}
	receivers.Wait()
}

// receive handles one batch after another, so that messages which cannot be
// started keep their receiver from taking more.
func (b *Bridge) receive(ctx context.Context) {
	retry := b.newBackoff()
	for ctx.Err() == nil {
		batch, err := b.queue.Receive(ctx, queue.MaxBatch, b.cfg.Wait)
		if ctx.Err() != nil {
			b.release(ctx, batch)
			return
		}
		b.source.Report(err)
		if err != nil {
			retry.wait(ctx)
			continue
		}
		retry.reset()
		if len(batch) > 0 {
			b.metrics.received.Add(float64(len(batch)))
			b.handle(ctx, batch)
		}
	}
}

// handle brings every message of a batch to its end, keeping all of them hidden
// meanwhile, deletes what is done and releases what is not because ctx ended.
func (b *Bridge) handle(ctx context.Context, batch []queue.Received) {
	defer b.metrics.held.take(batch)()
	stop := b.keepHidden(ctx, batch)
	ends := make([]end, len(batch))
	var all errgroup.Group
	for i, received := range batch {
		all.Go(func() error {
			ends[i] = b.bring(ctx, received)
			return nil
		})
	}
	_ = all.Wait() // bring reports through ends
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
	var parting sync.WaitGroup
	parting.Go(func() { b.delete(ctx, done) })
	parting.Go(func() { b.release(ctx, undone) })
	parting.Wait()
}

// keepHidden extends the visibility of a batch again and again until stop is
// called, so that an outage does not use up the few receives after which the
// queue gives a message up.
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
				b.queue.ExtendVisibility(ctx, batch, b.cfg.Visibility) // failing, they come again: harmless
			}
		}
	})
	return func() { cancel(); beat.Wait() }
}

// delete takes messages off the queue, also during a shutdown.
func (b *Bridge) delete(ctx context.Context, done []queue.Received) {
	if len(done) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if failures := b.queue.Delete(ctx, done); len(failures) > 0 {
		b.log.Warn("messages were not deleted and come again", "count", len(failures), "error", failures[0].Err)
	}
}

// release gives messages back to the queue at a shutdown.
func (b *Bridge) release(ctx context.Context, undone []queue.Received) {
	if len(undone) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	b.metrics.released.Add(float64(len(undone)))
	if failures := b.queue.Release(ctx, undone); len(failures) > 0 {
		b.log.Warn("messages were not released and come again later", "count", len(failures), "error", failures[0].Err)
	}
}
