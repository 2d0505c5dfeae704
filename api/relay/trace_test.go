package relay_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/api/relay"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

// TestSentMessagesGoOnFromTheirOwnSpan: of one message within the trace that it
// came about in, of one of many at the root of a new one. What is not accepted
// leaves no span.
func TestSentMessagesGoOnFromTheirOwnSpan(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	from := tracecontext.TraceParent(ctx)
	var sent []queue.Message
	traced := relay.Traced(sender(func(_ context.Context, messages []queue.Message) []queue.Failure {
		sent = messages
		return []queue.Failure{{Index: 2, Err: errors.New("refused")}}
	}), provider)
	messages := []queue.Message{
		{RecordID: "one", Revision: 1, Trace: queue.Trace{Parent: from}},
		{RecordID: "of many", Revision: 1, Trace: queue.Trace{Link: from}},
		{RecordID: "refused", Revision: 1, Trace: queue.Trace{Parent: from}},
	}
	given := append([]queue.Message(nil), messages...)
	require.Len(t, traced.Send(t.Context(), messages), 1)
	require.Equal(t, given, messages)

	ended := recorder.Ended()
	require.Len(t, ended, 2)
	for i, span := range ended {
		require.Equal(t, oteltrace.SpanKindProducer, span.SpanKind())
		require.Contains(t, sent[i].Trace.Parent, span.SpanContext().SpanID().String())
		require.Empty(t, sent[i].Trace.Link, "the receiver goes on with the new trace")
	}
	require.Equal(t, request.SpanContext().SpanID(), ended[0].Parent().SpanID())
	require.False(t, ended[1].Parent().IsValid())
	require.Equal(t, request.SpanContext().TraceID(), ended[1].Links()[0].SpanContext.TraceID())
}

// TestWithoutTracingNothingIsInBetween: the trace of another process's row passes
// through untouched.
func TestWithoutTracingNothingIsInBetween(t *testing.T) {
	t.Parallel()
	var sent []queue.Message
	plain := sender(func(_ context.Context, messages []queue.Message) []queue.Failure {
		sent = messages
		return nil
	})
	var none *telemetry.Tracing
	messages := []queue.Message{{Revision: 1, Trace: queue.Trace{Link: "theirs"}}}
	require.Empty(t, relay.Traced(plain, none.Provider()).Send(t.Context(), messages))
	require.Equal(t, messages, sent)
	require.IsType(t, plain, relay.Traced(plain, none.Provider()))
}
