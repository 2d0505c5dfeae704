package relay

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

// Traced returns a queue that records a span for each message sent, in the trace
// that the message belongs to. Without a provider it is next itself.
func Traced(next Queue, provider trace.TracerProvider) Queue {
	if provider == nil {
		return next
	}
	return traced{next, provider.Tracer("github.com/mrmrthon/mrmrthon/api/relay")}
}

type traced struct {
	Queue
	tracer trace.Tracer
}

// Send passes on copies of the messages, whose traces continue from their own
// spans. A message that fails is retried, for hours if need be: only the span of
// the send that succeeds is kept, since a span that is not ended is dropped.
func (s traced) Send(ctx context.Context, messages []queue.Message) []queue.Failure {
	spans, sent := make([]trace.Span, len(messages)), make([]queue.Message, len(messages))
	for i, m := range messages {
		var within context.Context
		within, spans[i] = tracecontext.StartFrom(ctx, s.tracer, "send records", m.Trace.Parent, m.Trace.Link,
			trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
				attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.operation.type", "send"),
				attribute.String("race_id", m.RaceID), attribute.String("record_id", m.RecordID),
				attribute.Int("revision", m.Revision),
			))
		m.Trace = queue.Trace{Parent: tracecontext.TraceParent(within)}
		sent[i] = m
	}
	failures := s.Queue.Send(ctx, sent)
	for _, failure := range failures {
		spans[failure.Index] = nil
	}
	for _, span := range spans {
		if span != nil {
			span.End()
		}
	}
	return failures
}
