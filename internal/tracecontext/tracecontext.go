// Package tracecontext carries an OpenTelemetry span from one process to another
// as W3C Trace Context text: through the outbox, the queue and workflows.
package tracecontext

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparent is the header of W3C Trace Context, and its name wherever we keep it.
// Our traces begin in our own API, so tracestate, which carries other vendors'
// state, is always empty.
const traceparent = "traceparent"

// TraceParent returns the context's span in W3C's form, 55 characters; empty
// when nothing is traced. It can be kept, and given to StartFrom by another
// process.
func TraceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceparent]
}

// spanOf parses a traceparent; the span context is invalid if text is not one.
func spanOf(text string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: text})
	return trace.SpanContextFromContext(ctx)
}

// StartFrom starts a span that continues what another process began: as a child of
// parent if that is a traceparent, else as the root of a new trace, which is linked
// to link if that is a traceparent.
func StartFrom(ctx context.Context, tracer trace.Tracer, name, parent, link string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if from := spanOf(parent); from.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, from)
	} else if to := spanOf(link); to.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: to}))
	}
	return tracer.Start(ctx, name, options...)
}
