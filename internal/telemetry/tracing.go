// Package telemetry is how the programs report on themselves: logs, metrics,
// traces, profiles, and whether they are alive and ready.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/interceptor"
)

// flushTimeout is how long the last spans may take to reach the collector when
// a program ends.
const flushTimeout = 3 * time.Second

// Tracing sends a program's spans to a collector. A nil Tracing is valid and traces
// nothing: its methods return nil, and callers then install nothing.
type Tracing struct {
	provider *sdktrace.TracerProvider
	log      *slog.Logger
}

// NewTracing returns the tracing of a program (as "mrmrthon-api"), nil when none is
// configured. An invalid setting is an error that names it. A collector that does
// not answer is not an error: it is logged, and the spans are lost.
func NewTracing(ctx context.Context, cfg TracingConfig, service, version string, log *slog.Logger) (*Tracing, error) {
	if !cfg.enabled() {
		return nil, nil //nolint:nilnil // nil is no tracing, as documented
	}
	if err := cfg.Check(""); err != nil {
		return nil, err
	}
	target, err := cfg.target()
	if err != nil {
		return nil, err
	}
	sampler, err := cfg.sampler()
	if err != nil {
		return nil, err
	}
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv()) // takes precedence over the attributes above
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	sender, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(target.String()))
	if err != nil {
		return nil, fmt.Errorf("exporter of traces: %w", err)
	}
	log.InfoContext(ctx, "traces are exported", "to", target.Redacted(), "sampler", sampler.Description())
	return &Tracing{log: log, provider: sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&exporter{SpanExporter: sender, log: log}),
		sdktrace.WithResource(described), sdktrace.WithSampler(sampler),
	)}, nil
}

// Provider returns the provider of tracers, nil without tracing.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// ClientInterceptors returns the interceptors for a client of Temporal and the
// workers made from it; none without tracing.
func (t *Tracing) ClientInterceptors() []interceptor.ClientInterceptor {
	if t == nil {
		return nil
	}
	return []interceptor.ClientInterceptor{WorkflowTracing(t.provider)}
}

// Close sends the remaining spans, for a few seconds at most. Close it after
// everything else, since closing may end spans.
func (t *Tracing) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.WarnContext(ctx, "the last spans are lost", "error", err)
	}
}

// exporter logs when the collector stops accepting spans and when it accepts them
// again. It hides the errors from the SDK, which would log each of them.
type exporter struct {
	sdktrace.SpanExporter
	log  *slog.Logger
	lost int // spans, since the collector took some last
}

// ExportSpans is called by one goroutine at a time.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && e.lost == 0:
		e.log.WarnContext(ctx, "the collector does not accept spans: they are lost; nothing else is affected", "error", err)
		e.lost += len(spans)
	case err != nil:
		e.lost += len(spans)
	case e.lost > 0:
		e.log.InfoContext(ctx, "the collector accepts spans again", "lost", e.lost)
		e.lost = 0
	}
	return nil
}

// NewRegistry returns a registry that holds the metrics of the Go runtime and of
// the process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}
