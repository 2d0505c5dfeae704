package bridge_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
)

// TestAStartIsPartOfItsMessagesTrace also when it fails and is tried again.
func TestAStartIsPartOfItsMessagesTrace(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, send := provider.Tracer("test").Start(t.Context(), "send records")
	outcomes := []error{errors.New("Temporal is away"), nil, bridge.ErrAlreadyStarted}
	tries := 0
	starter := bridge.Traced(starterFunc(func(ctx context.Context, _ queue.Message) error {
		require.True(t, oteltrace.SpanContextFromContext(ctx).IsValid(), "the client of Temporal goes on from it")
		tries++
		return outcomes[tries-1]
	}), provider)
	for _, want := range outcomes {
		m := queue.Message{RaceID: "race", RecordID: "record", Revision: 1, Trace: queue.Trace{Parent: tracecontext.TraceParent(ctx)}}
		require.ErrorIs(t, starter.Start(t.Context(), m), want)
	}
	ended := recorder.Ended()
	require.Len(t, ended, len(outcomes))
	for _, span := range ended {
		require.Equal(t, oteltrace.SpanKindConsumer, span.SpanKind())
		require.Equal(t, send.SpanContext().SpanID(), span.Parent().SpanID())
	}
	require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "Temporal is away"}, ended[0].Status())
	require.Equal(t, codes.Unset, ended[1].Status().Code)
	require.Equal(t, codes.Unset, ended[2].Status().Code, "that it comes twice is no fault")
}
