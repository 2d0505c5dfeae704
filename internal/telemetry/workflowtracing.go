package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// WorkflowTracing returns the interceptor that carries a trace from the start of
// a workflow through its headers into its activities. It changes no command of a
// workflow, so that histories replay with and without it.
//
// A workflow that is replayed (another worker took it over, or it was reset)
// shows a RunWorkflow span for each time that its code ran.
func WorkflowTracing(provider trace.TracerProvider) interceptor.Interceptor {
	tracer, err := opentelemetry.NewTracer(opentelemetry.TracerOptions{
		Tracer:         provider.Tracer("go.temporal.io/sdk/contrib/opentelemetry"),
		DisableBaggage: true,
		// A header that cannot be read costs the trace, not the workflow.
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

// untraced is the span of what is not traced.
type untraced struct{}

func (untraced) Finish(*interceptor.TracerFinishSpanOptions) {}
