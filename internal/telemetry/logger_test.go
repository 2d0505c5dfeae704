package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	temporallog "go.temporal.io/sdk/log"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// line reads the only line that was logged, and checks that nothing is said
// twice in it.
func line(t *testing.T, logged *bytes.Buffer) map[string]any {
	t.Helper()
	text := logged.String()
	require.Equal(t, 1, strings.Count(text, "\n"), text)
	var read map[string]any
	require.NoError(t, json.Unmarshal(logged.Bytes(), &read))
	for key := range read {
		require.Equal(t, 1, strings.Count(text, `"`+key+`":`), text)
	}
	return read
}

func TestALineCarriesWhatItsContextKnows(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	log := telemetry.NewLogger(&logged, slog.LevelInfo)
	ctx := telemetry.WithLogAttrs(t.Context(), slog.String("request_id", "r1"))
	ctx = telemetry.WithLogAttrs(ctx, slog.String("race_id", "context's"), slog.String("record_id", "context's"))
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(ctx, "work")
	defer span.End()

	log.With("record_id", "logger's").InfoContext(ctx, "done", "race_id", "line's")
	read := line(t, &logged)
	delete(read, "time")
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "done", "request_id": "r1", "race_id": "line's", "record_id": "logger's",
		"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
	}, read)
}

func TestALineWithoutAContextIsAsItWas(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	telemetry.NewLogger(&logged, slog.LevelInfo).WithGroup("of").Info("done", "n", 1)
	require.Contains(t, logged.String(), `"msg":"done","of":{"n":1}}`)
}

func TestTheSDKsLinesHaveOurNames(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	log := temporallog.NewStructuredLogger(slog.New(telemetry.SDKNames(telemetry.NewLogger(&logged, slog.LevelInfo).Handler())))
	temporallog.With(log, "WorkflowID", "credit/a/b/r3", "RunID", "c").Error("it panicked", "Attempt", 2)
	read := line(t, &logged)
	delete(read, "time")
	require.Equal(t, map[string]any{
		"level": "ERROR", "msg": "it panicked", "workflow_id": "credit/a/b/r3", "run_id": "c",
		"race_id": "a", "record_id": "b", "revision": 3.0, "Attempt": 2.0,
	}, read)
}

func TestLinkLogsChangesOnly(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	link := telemetry.NewLink("queue", telemetry.NewLogger(&logged, slog.LevelInfo))
	link.Report(nil)
	require.Empty(t, logged.String())
	for range 2 {
		link.Report(errors.New("connection refused"))
		link.Report(errors.New("deadline exceeded"))
		link.Report(nil)
		link.Report(nil)
	}
	require.Equal(t, 4, strings.Count(logged.String(), "\n"))
	require.Equal(t, 2, strings.Count(logged.String(), "no answer"))
	require.Equal(t, 2, strings.Count(logged.String(), `"msg":"the server answers again"`))
}
