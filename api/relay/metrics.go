package relay

import "github.com/prometheus/client_golang/prometheus"

// metrics is what an operator watches: an oldest row that grows older means
// that records do not get on their way.
type metrics struct {
	sent     prometheus.Counter
	failures prometheus.Counter
	rows     prometheus.Gauge
	oldest   prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_outbox_sent_total", Help: "Record revisions put on the queue by this process.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_outbox_failures_total", Help: "Messages that the queue did not accept; each is tried again.",
		}),
		rows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_outbox_rows", Help: "Record revisions that wait to be put on the queue, of all processes.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_outbox_oldest_seconds", Help: "How long the oldest of them has waited.",
		}),
	}
	registry.MustRegister(m.sent, m.failures, m.rows, m.oldest)
	return m
}
