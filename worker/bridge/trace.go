package bridge

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

// Traced returns a starter with a span for each attempt to start, in the trace
// that the message belongs to. Without a provider it is next itself.
func Traced(next Starter, provider trace.TracerProvider) Starter {
	if provider == nil {
		return next
	}
	return traced{next, provider.Tracer("github.com/mrmrthon/mrmrthon/worker/bridge")}
}

type traced struct {
	next   Starter
	tracer trace.Tracer
}

// Start starts the workflow of a message within the message's trace.
func (s traced) Start(ctx context.Context, m queue.Message) error {
	ctx, span := tracecontext.StartFrom(ctx, s.tracer, "process records", m.Trace.Parent, m.Trace.Link,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.operation.type", "process"),
			attribute.String("race_id", m.RaceID), attribute.String("record_id", m.RecordID),
			attribute.Int("revision", m.Revision),
		))
	defer span.End()
	err := s.next.Start(ctx, m)
	switch {
	case errors.Is(err, ErrAlreadyStarted):
		span.AddEvent("the workflow had been started before")
	case err != nil:
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
