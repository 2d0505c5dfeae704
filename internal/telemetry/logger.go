package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
)

// NewLogger returns a logger that writes one JSON object a line to w. A line
// written with a context carries the IDs that the context knows of: those of
// WithLogAttrs (request_id), of the activity that it belongs to (workflow_id,
// run_id and what IDsOf reads in them), and of its span (trace_id, span_id).
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(contextHandler{Handler: slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

type logAttrsKey struct{}

// WithLogAttrs returns a context whose lines carry these attributes too.
func WithLogAttrs(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, logAttrsKey{}, append(slices.Clip(logAttrs(ctx)), attrs...))
}

func logAttrs(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(logAttrsKey{}).([]slog.Attr)
	return attrs
}

// contextHandler adds what the context knows to each line. It looks when a line
// is written, so that work which writes none pays nothing.
type contextHandler struct {
	slog.Handler
	keys []string // of WithAttrs, which are on every line
}

// Handle writes a line. What it says itself, or its logger, is not said twice.
func (h contextHandler) Handle(ctx context.Context, record slog.Record) error {
	known := contextAttrs(ctx)
	if len(known) == 0 {
		return h.Handler.Handle(ctx, record)
	}
	said := slices.Clone(h.keys)
	record.Attrs(func(attr slog.Attr) bool {
		said = append(said, attr.Key)
		return true
	})
	record = record.Clone()
	for _, attr := range known {
		if !slices.Contains(said, attr.Key) {
			record.AddAttrs(attr)
			said = append(said, attr.Key)
		}
	}
	return h.Handler.Handle(ctx, record)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	keys := slices.Clip(h.keys)
	for _, attr := range attrs {
		keys = append(keys, attr.Key)
	}
	return contextHandler{h.Handler.WithAttrs(attrs), keys}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name), h.keys}
}

// contextAttrs are the IDs that a context knows of.
func contextAttrs(ctx context.Context) []slog.Attr {
	attrs := slices.Clip(logAttrs(ctx))
	if activity.IsActivity(ctx) {
		execution := activity.GetInfo(ctx).WorkflowExecution
		attrs = append(attrs, slog.String("workflow_id", execution.ID), slog.String("run_id", execution.RunID))
		attrs = append(attrs, IDsOf(execution.ID)...)
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return attrs
}
