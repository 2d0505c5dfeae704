package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// sdkLabels are the tags of the SDK that become labels. A metric has all of them,
// since Prometheus requires the same labels at every use of a name; an empty label
// is the same as none.
var sdkLabels = []string{
	"namespace", "task_queue", "worker_type", "poller_type", "workflow_type", "activity_type",
	"operation", "status_code", "failure_reason",
}

// sdkBuckets begin at 1 ms, which is what the SDK's most frequent operations take.
var sdkBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// TemporalMetrics returns a handler that registers the metrics of Temporal's SDK
// with registry as they come: counters end in _total, timers are histograms and
// end in _seconds.
func TemporalMetrics(registry prometheus.Registerer) client.MetricsHandler {
	return sdkHandler{
		sdkMetrics: &sdkMetrics{
			registry: registry,
			counters: map[string]*prometheus.CounterVec{},
			gauges:   map[string]*prometheus.GaugeVec{},
			timers:   map[string]*prometheus.HistogramVec{},
		},
		values: make([]string, len(sdkLabels)),
	}
}

// sdkMetrics are the metrics seen so far, by the SDK's names.
type sdkMetrics struct {
	registry prometheus.Registerer
	mu       sync.Mutex
	counters map[string]*prometheus.CounterVec
	gauges   map[string]*prometheus.GaugeVec
	timers   map[string]*prometheus.HistogramVec
}

// get returns the metric with a name, which it creates and registers the first time.
func get[V prometheus.Collector](m *sdkMetrics, known map[string]V, name string, create func() V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	vec, ok := known[name]
	if !ok {
		vec = create()
		m.registry.MustRegister(vec)
		known[name] = vec
	}
	return vec
}

// sdkHandler hands out metrics with the values that its labels have.
type sdkHandler struct {
	*sdkMetrics
	values []string // of sdkLabels
}

func (h sdkHandler) WithTags(tags map[string]string) client.MetricsHandler {
	values := slices.Clone(h.values)
	for i, label := range sdkLabels {
		if value, ok := tags[label]; ok && value != "none" {
			values[i] = value
		}
	}
	return sdkHandler{sdkMetrics: h.sdkMetrics, values: values}
}

const sdkHelp = "See https://docs.temporal.io/references/sdk-metrics."

func (h sdkHandler) Counter(name string) client.MetricsCounter {
	return counter{get(h.sdkMetrics, h.counters, name, func() *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_total", Help: sdkHelp}, sdkLabels)
	}).WithLabelValues(h.values...)}
}

func (h sdkHandler) Gauge(name string) client.MetricsGauge {
	return gauge{get(h.sdkMetrics, h.gauges, name, func() *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: sdkHelp}, sdkLabels)
	}).WithLabelValues(h.values...)}
}

func (h sdkHandler) Timer(name string) client.MetricsTimer {
	return timer{get(h.sdkMetrics, h.timers, name, func() *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name + "_seconds", Help: sdkHelp, Buckets: sdkBuckets,
		}, sdkLabels)
	}).WithLabelValues(h.values...)}
}

type counter struct{ prometheus.Counter }

func (c counter) Inc(n int64) { c.Add(float64(n)) }

type gauge struct{ prometheus.Gauge }

func (g gauge) Update(value float64) { g.Set(value) }

type timer struct{ prometheus.Observer }

func (t timer) Record(d time.Duration) { t.Observe(d.Seconds()) }

// WorkflowTracing returns the interceptor that carries a trace from the start of
// a workflow through its headers into its activities. It changes no command of a
// workflow, so that histories replay both with and without it.
//
// A workflow that is replayed (another worker took it over, or it was reset)
// shows a RunWorkflow span for each time that its code ran.
func WorkflowTracing(provider trace.TracerProvider) interceptor.Interceptor {
	tracer, err := opentelemetry.NewTracer(opentelemetry.TracerOptions{
		Tracer:         provider.Tracer("go.temporal.io/sdk/contrib/opentelemetry"),
		DisableBaggage: true,
		// An unreadable header loses the trace; it does not fail the workflow.
		AllowInvalidParentSpans: true,
	})
	if err != nil {
		panic(err) // it returns none
	}
	return interceptor.NewTracingInterceptor(workflowTracer{tracer})
}

// workflowTracer names our IDs on the spans, and keeps a schedule out of traces:
// Temporal would give each workflow that the schedule ever starts the span that
// made the schedule as its parent. So each is a trace of its own.
type workflowTracer struct{ interceptor.Tracer }

// StartSpan starts a span with the IDs of the workflow that it is about.
func (t workflowTracer) StartSpan(options *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
	if options.Operation == "CreateSchedule" {
		return untraced{}, nil
	}
	if id := options.Tags["temporalWorkflowID"]; id != "" {
		tags := map[string]string{"workflow_id": id}
		if run := options.Tags["temporalRunID"]; run != "" {
			tags["run_id"] = run
		}
		for _, attr := range IDsOf(id) {
			tags[attr.Key] = attr.Value.String()
		}
		options.Tags = tags
	}
	return t.Tracer.StartSpan(options)
}

// MarshalSpan returns what goes into a header.
func (t workflowTracer) MarshalSpan(span interceptor.TracerSpan) (map[string]string, error) {
	if _, none := span.(untraced); none {
		return nil, nil
	}
	return t.Tracer.MarshalSpan(span)
}

// ContextWithSpan returns a context in which the span is the current one.
func (t workflowTracer) ContextWithSpan(ctx context.Context, span interceptor.TracerSpan) context.Context {
	if _, none := span.(untraced); none {
		return ctx
	}
	return t.Tracer.ContextWithSpan(ctx, span)
}

// untraced is the span of an operation that is not traced.
type untraced struct{}

func (untraced) Finish(*interceptor.TracerFinishSpanOptions) {}
