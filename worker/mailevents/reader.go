// Package mailevents receives what the mail provider reports about mails that it has
// accepted, bounces and complaints, and switches addresses off that take no mail.
package mailevents

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Queue is the queue of events; queue.Client implements it. Tests fail its calls.
type Queue interface {
	Receive(ctx context.Context, most int, wait time.Duration) ([]queue.Received, error)
	Delete(ctx context.Context, received []queue.Received) []queue.Failure
	DeadLetter(ctx context.Context, received queue.Received, reason string) error
	ExtendVisibility(ctx context.Context, received []queue.Received, d time.Duration) []queue.Failure
}

// Store takes events; userdb.Ledger implements it. NoteMailEvent may be called with
// the same event again.
type Store interface {
	NoteMailEvent(ctx context.Context, e userdb.MailEvent) error
}

// Reader takes events from the queue. Make one with New.
type Reader struct {
	queue  Queue
	store  Store
	log    *slog.Logger
	source *telemetry.Link
	target *telemetry.Link
	events *prometheus.CounterVec
	pause  time.Duration // after the first failure; doubles up to maxPause
}

const (
	// visibility is the queue's own visibility timeout, and how long messages stay
	// hidden each time that their visibility is extended.
	visibility = time.Minute
	firstPause = 100 * time.Millisecond
	maxPause   = 10 * time.Second
	// callTimeout bounds one attempt to note an event, and each call of the queue after it.
	callTimeout = 5 * time.Second
	// unreadable labels events that cannot be read.
	unreadable = "unreadable"
)

// New returns a reader that registers its metric with registry.
func New(q Queue, store Store, log *slog.Logger, registry prometheus.Registerer) *Reader {
	r := &Reader{
		queue: q, store: store, log: log, pause: firstPause,
		source: telemetry.NewLink("the queue of mail events", log),
		target: telemetry.NewLink("user_db, for mail events", log),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_mail_events_total",
			Help: "Events of the mail provider, by kind (bounce, suppression, transient-bounce, complaint, rejection, delivery, other, unreadable). An event may come twice.",
		}, []string{"kind"}),
	}
	registry.MustRegister(r.events)
	for _, kind := range userdb.MailEventKinds() {
		r.events.WithLabelValues(string(kind)) // so that a rate exists from the first one on
	}
	r.events.WithLabelValues(unreadable)
	return r
}

// Run takes events until ctx ends, one batch after the other: there are few. It waits
// through outages of the queue and of the store.
func (r *Reader) Run(ctx context.Context) {
	failures := r.backoff()
	for ctx.Err() == nil {
		batch, err := r.queue.Receive(ctx, queue.MaxBatch, queue.MaxWait)
		if ctx.Err() != nil {
			return // what was received is received again
		}
		r.source.Report(err)
		if err != nil {
			failures.Wait(ctx)
			continue
		}
		failures = r.backoff()
		for i, received := range batch {
			if !r.take(ctx, received, batch[i:]) {
				return
			}
		}
	}
}

// take notes one event, however long that takes, and meanwhile hides it and those that
// wait behind it. It returns false if ctx ended first.
func (r *Reader) take(ctx context.Context, received queue.Received, waiting []queue.Received) bool {
	event, err := mail.ParseEvent(received.Body)
	if err != nil {
		r.deadLetter(ctx, received, err)
		return true
	}
	failures, hidden := r.backoff(), time.Now()
	for {
		err := r.note(ctx, event)
		if ctx.Err() != nil {
			return false
		}
		r.target.Report(err)
		if err == nil {
			break
		}
		// The event is valid, so it cannot be the reason. It must not use up its
		// receives in an outage.
		if time.Since(hidden) > visibility/3 {
			r.queue.ExtendVisibility(ctx, waiting, visibility) // if that fails they are received again, which is harmless
			hidden = time.Now()
		}
		if !failures.Wait(ctx) {
			return false
		}
	}
	r.events.WithLabelValues(string(event.Kind)).Inc()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout) // even during a shutdown
	defer cancel()
	if failures := r.queue.Delete(ctx, []queue.Received{received}); len(failures) > 0 {
		r.log.Warn("cannot delete a mail event: it will be received again, which is harmless", "message_id", received.MessageID, "error", failures[0].Err)
	}
	return true
}

func (r *Reader) note(ctx context.Context, event userdb.MailEvent) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return r.store.NoteMailEvent(ctx, event)
}

func (r *Reader) deadLetter(ctx context.Context, received queue.Received, reason error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := r.queue.DeadLetter(ctx, received, reason.Error()); err != nil {
		r.log.Warn("cannot move an unreadable mail event to its dead-letter queue: it will be received again",
			"message_id", received.MessageID, "reason", reason, "error", err)
		return
	}
	r.events.WithLabelValues(unreadable).Inc()
	r.log.Warn("moved an unreadable mail event to its dead-letter queue", "message_id", received.MessageID, "reason", reason)
}

func (r *Reader) backoff() *queue.Backoff { return queue.NewBackoff(r.pause, maxPause) }
