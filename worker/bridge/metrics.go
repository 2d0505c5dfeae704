package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
		alreadyStarted: counter("already_started_total", "Messages whose workflow had been started before."),
		deadLettered:   counter("dead_lettered_total", "Messages that were not ours and moved to the dead-letter queue."),
		retried:        counter("start_retries_total", "Starts that failed and are tried again."),
		released:       counter("released_total", "Messages given back to the queue at a shutdown."),
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
