// Package relay carries record revisions from main_db's outbox to the records
// queue. Every API process runs one: it sends what its own handlers have just
// committed, and what other processes left behind.
package relay

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// Store is the outbox.
type Store interface {
	// SendOutbox calls send with up to limit of the oldest rows that nobody else
	// is sending, deletes those that it returns and reports how many they were,
	// beside its error.
	SendOutbox(ctx context.Context, limit int,
		send func(context.Context, []maindb.OutboxRow) ([]maindb.OutboxRow, error)) (int, error)
	// OutboxDepth returns how many rows wait and for how long the oldest has.
	OutboxDepth(ctx context.Context) (rows int, oldest time.Duration, err error)
}

// Sender is the records queue.
type Sender interface {
	// Send returns the messages that were not accepted; any number may be given.
	Send(ctx context.Context, messages []queue.Message) []queue.Failure
}

const (
	// batch is how many rows one transaction sends: 50 requests of 10 messages,
	// which keep all connections to the queue busy.
	batch = 500
	// tick is how often the relay looks for rows that others left.
	tick = time.Second
	// After a failure the relay waits, twice as long each time.
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 2 * time.Second
	// sendTimeout bounds one transaction with its requests.
	sendTimeout = 20 * time.Second
	// stopTimeout is what remains of that once the relay is to stop: what is in
	// flight is finished, if database and queue answer. If not, the rows stay
	// where they are, and another relay sends them, some perhaps again.
	stopTimeout = 3 * time.Second
)

// Relay sends the outbox. Make one with New and run it with Run.
type Relay struct {
	store   Store
	sender  Sender
	log     *slog.Logger
	metrics *metrics
	poke    chan struct{}

	// Of Run alone.
	failing  bool      // the last try failed
	measured time.Time // when the depth was read last
}

// New returns a relay whose metrics are registered with registry.
func New(store Store, sender Sender, log *slog.Logger, registry prometheus.Registerer) *Relay {
	return &Relay{
		store: store, sender: sender, log: log, metrics: newMetrics(registry),
		poke: make(chan struct{}, 1),
	}
}

// Poke says that there are new rows. It never blocks; pokes that come while the
// relay is at work are one.
func (r *Relay) Poke() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// Run sends until ctx is done, and returns once what is in flight, and what was
// committed last, is sent. While the database or the queue is down it keeps
// trying.
func (r *Relay) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	backoff := time.Duration(0)
	for ctx.Err() == nil {
		more, err := r.send(ctx)
		r.note(ctx, err)
		r.measure(ctx)
		switch {
		case err != nil:
			backoff = min(max(2*backoff, firstBackoff), maxBackoff)
			wait(ctx, backoff) // a poke does not shorten it: the row waits for the same cure
			continue
		case more:
		default:
			select {
			case <-ctx.Done():
			case <-r.poke:
			case <-ticker.C:
			}
		}
		backoff = 0
	}
	if !r.failing {
		_, err := r.send(ctx)
		r.note(ctx, err)
	}
}

// send sends one batch and tells whether there may be more right away.
func (r *Relay) send(ctx context.Context) (more bool, err error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopTimeout, cancel) })()
	n, err := r.store.SendOutbox(sending, batch, r.pass)
	r.metrics.sent.Add(float64(n))
	return n == batch, err
}

// pass puts rows on the queue and returns those that are there now.
func (r *Relay) pass(ctx context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
	messages := make([]queue.Message, len(rows))
	for i, row := range rows {
		messages[i] = queue.Message{
			RaceID: row.RaceID, RecordID: row.RecordID, Revision: row.Revision,
			Label: queue.Label{Bib: row.Bib, RaceName: row.RaceName},
			Trace: queue.Trace{Parent: row.TraceParent, Link: row.TraceLink},
		}
	}
	failures := r.sender.Send(ctx, messages)
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
	return sent, failures[0].Err // the others are alike; one is enough to log
}

// note logs when sending begins to fail and when it works again, and nothing in
// between.
func (r *Relay) note(ctx context.Context, err error) {
	switch failing := err != nil; {
	case failing == r.failing:
		return
	case failing:
		r.failing = true
		r.log.WarnContext(ctx, "the outbox is not sent; trying on", "error", err)
	default:
		r.failing = false
		r.log.InfoContext(ctx, "the outbox is sent again")
	}
}

// measure reads the depth of the outbox, at most once a tick. A failure leaves
// the last figures, and nothing to say: sending has failed for the same reason.
func (r *Relay) measure(ctx context.Context) {
	if time.Since(r.measured) < tick {
		return
	}
	r.measured = time.Now()
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	rows, oldest, err := r.store.OutboxDepth(ctx)
	if err != nil {
		return
	}
	r.metrics.rows.Set(float64(rows))
	r.metrics.oldest.Set(oldest.Seconds())
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
