package activities

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// StandingsMetrics counts and times recomputes.
type StandingsMetrics struct {
	recomputes *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	lag        prometheus.Histogram
	swept      prometheus.Counter
	stale      prometheus.Counter
}

// NewStandingsMetrics registers them with registry.
func NewStandingsMetrics(registry prometheus.Registerer) *StandingsMetrics {
	m := &StandingsMetrics{
		recomputes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_standings_recomputes_total",
			Help: "Recomputes of a race's standings, by whether they wrote a version.",
		}, []string{"changed"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mrmrthon_standings_recompute_seconds",
			Help:    "Time of the parts of a recompute: read, rank, write.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"part"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "mrmrthon_standings_lag_seconds",
			Help:    "How long the first credit that a new version took in had waited for it.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900},
		}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_standings_swept_total", Help: "Races whose standings the sweep looked at.",
		}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_standings_stale_total", Help: "Races whose standings the sweep found older than their records or credits.",
		}),
	}
	registry.MustRegister(m.recomputes, m.seconds, m.lag, m.swept, m.stale)
	return m
}

func (m *StandingsMetrics) recomputed(changed bool, timer stopwatch) {
	m.recomputes.WithLabelValues(strconv.FormatBool(changed)).Inc()
	m.seconds.WithLabelValues("read").Observe(timer.read.Seconds())
	if changed {
		m.seconds.WithLabelValues("rank").Observe(timer.rank.Seconds())
		m.seconds.WithLabelValues("write").Observe(timer.write.Seconds())
	}
}

// tookIn measures how long the first credit waited that a version took in; the
// zero time is none.
func (m *StandingsMetrics) tookIn(first, now time.Time) {
	if !first.IsZero() {
		m.lag.Observe(max(0, now.Sub(first).Seconds()))
	}
}

// stopwatch times the parts of a recompute, one behind the other.
type stopwatch struct {
	last              time.Time
	read, rank, write time.Duration
}

func newStopwatch() stopwatch { return stopwatch{last: time.Now()} }

// lap adds the time since the last lap to a part.
func (s *stopwatch) lap(part *time.Duration) {
	now := time.Now()
	*part += now.Sub(s.last)
	s.last = now
}

func (s *stopwatch) total() time.Duration { return s.read + s.rank + s.write }

func (m *StandingsMetrics) sweptRaces(found Swept) {
	m.swept.Add(float64(found.Checked))
	m.stale.Add(float64(found.Stale))
}
