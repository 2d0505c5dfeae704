package bridge

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

type metrics struct {
	received       prometheus.Counter
	started        prometheus.Counter
	alreadyStarted prometheus.Counter
	deadLettered   prometheus.Counter
	retried        prometheus.Counter
	released       prometheus.Counter
	wait           prometheus.Histogram
	held           *held
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "mrmrthon", Subsystem: "bridge", Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	m := &metrics{
		received:       counter("received_total", "Messages received from the records queue."),
		started:        counter("started_total", "Messages whose workflow was started."),
		alreadyStarted: counter("already_started_total", "Messages whose workflow had already been started."),
		deadLettered:   counter("dead_lettered_total", "Invalid messages that were moved to the dead-letter queue."),
		retried:        counter("start_retries_total", "Starts that failed and are retried."),
		released:       counter("released_total", "Messages released to the queue at a shutdown."),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "mrmrthon", Subsystem: "bridge", Name: "wait_seconds",
			Help:    "Time from the sending of a message to the start of its workflow.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 14), // 2 ms to 5 minutes
		}),
	}
	m.held = &held{batches: map[int]time.Time{}}
	registry.MustRegister(m.wait, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "mrmrthon", Subsystem: "queue", Name: "oldest_seconds",
		Help: "Age of the oldest message that this process has received and not finished; 0 when it has none.",
	}, func() float64 { return m.held.age(time.Now()).Seconds() }))
	return m
}

// startedAfter counts a start and measures the time since its message was sent.
func (m *metrics) startedAfter(sentAt time.Time) {
	m.started.Inc()
	if !sentAt.IsZero() {
		m.wait.Observe(time.Since(sentAt).Seconds())
	}
}

// held keeps track of the batches in hand. SQS does not report the age of its
// oldest message (CloudWatch does, minutes late), but it delivers roughly the
// oldest first: while messages wait, the oldest in hand is about as old as the
// oldest of all.
type held struct {
	mu      sync.Mutex
	next    int
	batches map[int]time.Time // when the oldest message of each was sent
}

// add keeps track of a batch until done is called.
func (h *held) add(batch []queue.Received) (done func()) {
	var oldest time.Time
	for _, received := range batch {
		if at := received.SentAt; !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	if oldest.IsZero() {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	id := h.next
	h.next++
	h.batches[id] = oldest
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.batches, id)
	}
}

// age returns the age of the oldest message in hand, 0 when there is none.
func (h *held) age(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := now
	for _, at := range h.batches {
		if at.Before(oldest) {
			oldest = at
		}
	}
	return now.Sub(oldest)
}
