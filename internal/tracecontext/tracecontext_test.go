package tracecontext_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
)

func TestASpanContinuesTheTraceOfAnotherProcess(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	require.Empty(t, tracecontext.TraceParent(t.Context()))
	ctx, first := tracer.Start(t.Context(), "first")
	text := tracecontext.TraceParent(ctx)

	for _, how := range []struct{ parent, link string }{{text, ""}, {"", text}, {"", ""}, {"nonsense", "nonsense"}} {
		_, span := tracecontext.StartFrom(t.Context(), tracer, "next", how.parent, how.link)
		span.End()
	}
	ended := recorder.Ended()
	require.Len(t, ended, 4)
	child, linked := ended[0], ended[1]
	require.Equal(t, first.SpanContext().TraceID(), child.SpanContext().TraceID())
	require.Equal(t, first.SpanContext().SpanID(), child.Parent().SpanID())
	require.Empty(t, child.Links())
	require.NotEqual(t, first.SpanContext().TraceID(), linked.SpanContext().TraceID())
	require.False(t, linked.Parent().IsValid())
	require.Len(t, linked.Links(), 1)
	require.Equal(t, first.SpanContext().SpanID(), linked.Links()[0].SpanContext.SpanID())
	for _, alone := range ended[2:] {
		require.False(t, alone.Parent().IsValid())
		require.Empty(t, alone.Links())
	}
}
