package activities

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Metrics counts what the activities do. Attempts of local activities are visible
// nowhere else: neither in a history nor in the Web UI.
type Metrics struct {
	attempts *prometheus.CounterVec
	credits  *prometheus.CounterVec
	repeated prometheus.Counter
	took     prometheus.Histogram
	audited  prometheus.Counter
	lost     prometheus.Counter
	requeued prometheus.Counter
	findings *prometheus.CounterVec
	repaired *prometheus.CounterVec
}

// NewMetrics registers the counters with registry.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_step_attempts_total",
			Help: "Attempts of workflow steps, by activity, path (local, queued) and outcome (ok or the error's type).",
		}, []string{"step", "path", "outcome"}),
		credits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_credits_total",
			Help: "Record revisions brought to the ledger, by outcome (credited, rejected, superseded).",
		}, []string{"status"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_credits_repeated_total",
			Help: "Commits that found their revision in the ledger already.",
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "mrmrthon_credit_seconds",
			Help:    "Time from the revision of a record to the commit of its credit or rejection.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
		}),
		audited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_audit_checked_total", Help: "Record revisions that the audit looked at.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_audit_lost_total", Help: "Record revisions that the audit found without a credit.",
		}),
		requeued: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_audit_requeued_total", Help: "Record revisions that the audit sent again.",
		}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_audit_findings_total",
			Help: "What the audit found, by kind. What is not repaired is found again by every audit.",
		}, []string{"kind"}),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_audit_mended_total", Help: "What the audit found and repaired, by kind.",
		}, []string{"kind"}),
	}
	registry.MustRegister(m.attempts, m.credits, m.repeated, m.took, m.audited, m.lost, m.requeued, m.findings, m.repaired)
	for _, kind := range findingKinds() {
		m.found(kind, 0, 0)
	}
	for _, status := range []race.CreditStatus{race.Credited, race.Rejected, race.Superseded} {
		m.credits.WithLabelValues(string(status)) // so that a rate exists from the first one on
	}
	return m
}

func (m *Metrics) attempted(step string, local bool, err error) {
	path := "queued"
	if local {
		path = "local"
	}
	m.attempts.WithLabelValues(step, path, outcomeOf(err)).Inc()
}

// outcomeOf is ok or the type of the error by which a step failed.
func outcomeOf(err error) string {
	var application *temporal.ApplicationError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &application):
		return application.Type()
	}
	return FaultType
}

func (m *Metrics) committed(status race.CreditStatus, repeated bool) {
	if repeated {
		m.repeated.Inc()
		return
	}
	m.credits.WithLabelValues(string(status)).Inc()
}

// creditTook measures the time since a revision was made, by the clocks of the
// API's machine and of this one.
func (m *Metrics) creditTook(changedAt time.Time) {
	if !changedAt.IsZero() {
		m.took.Observe(max(0, time.Since(changedAt).Seconds()))
	}
}

func (m *Metrics) auditedPage(checked, lost, requeued int) {
	m.audited.Add(float64(checked))
	m.lost.Add(float64(lost))
	m.requeued.Add(float64(requeued))
	m.found(LostCredit, lost, requeued)
}

func (m *Metrics) found(kind FindingKind, found, repaired int) {
	m.findings.WithLabelValues(string(kind)).Add(float64(found))
	m.repaired.WithLabelValues(string(kind)).Add(float64(repaired))
}

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
			Help:    "How long the first credit in a new version of the standings had waited for it.",
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

// waited measures how long the first credit in a new version had waited for it; the
// zero time means that there is none.
func (m *StandingsMetrics) waited(first, now time.Time) {
	if !first.IsZero() {
		m.lag.Observe(max(0, now.Sub(first).Seconds()))
	}
}

// stopwatch times the parts of a recompute, one after the other.
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
