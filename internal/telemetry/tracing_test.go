package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func TestNothingIsTracedUnlessThereIsACollector(t *testing.T) {
	t.Parallel()
	for _, cfg := range []telemetry.TracingConfig{
		{},
		{Sampler: "nonsense", Protocol: "nonsense"},
		{Endpoint: "http://localhost:4318", Exporter: "none"},
		{Endpoint: "http://localhost:4318", Disabled: "TRUE"},
	} {
		tracing, err := telemetry.NewTracing(t.Context(), cfg, "test", "v0", slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.Nil(t, tracing)
		require.Nil(t, tracing.Provider(), "so that nobody wraps anything")
		require.Empty(t, tracing.ClientInterceptors())
		tracing.Close()
	}
}

func TestAWrongSettingIsNamed(t *testing.T) {
	t.Parallel()
	const collector = "http://localhost:4318"
	for name, cfg := range map[string]telemetry.TracingConfig{
		"OTEL_EXPORTER_OTLP_ENDPOINT is not":          {Endpoint: "localhost:4318"},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is not":   {Endpoint: collector, TracesEndpoint: "collector"},
		`OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`:       {Endpoint: collector, Protocol: "grpc"},
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is":       {Endpoint: collector, Protocol: "http/protobuf", TracesProtocol: "http/json"},
		`OTEL_TRACES_EXPORTER is "zipkin"`:            {Endpoint: collector, Exporter: "zipkin"},
		"OTEL_TRACES_SAMPLER: there is no sampler":    {Endpoint: collector, Sampler: "sometimes"},
		`OTEL_TRACES_SAMPLER_ARG is "10": it must be`: {Endpoint: collector, Sampler: "traceidratio", SamplerArg: "10"},
		`OTEL_TRACES_SAMPLER_ARG is "x": it must be`:  {Endpoint: collector, Sampler: "traceidratio", SamplerArg: "x"},
	} {
		_, err := telemetry.NewTracing(t.Context(), cfg, "test", "v0", slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, name)
	}
	_, err := telemetry.NewTracing(t.Context(), telemetry.TracingConfig{Endpoint: "ftp://key:secret@host"}, "test", "v0", slog.New(slog.DiscardHandler))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

// traced starts and ends a span, and waits until the collector was asked to take
// it.
func traced(t *testing.T, tracing *telemetry.Tracing) {
	t.Helper()
	_, span := tracing.Provider().Tracer("test").Start(t.Context(), "work")
	span.End()
	flusher, ok := tracing.Provider().(interface {
		ForceFlush(ctx context.Context) error
	})
	require.True(t, ok)
	require.NoError(t, flusher.ForceFlush(t.Context()), "failures of the collector are nobody's else")
}

func TestACollectorThatRefusesIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	var posted atomic.Pointer[string]
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posted.Store(&r.URL.Path)
		if down.Load() {
			w.WriteHeader(http.StatusInsufficientStorage)
		}
	}))
	t.Cleanup(collector.Close)
	var logged bytes.Buffer
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TracingConfig{Endpoint: collector.URL + "/otlp"},
		"test", "v0", telemetry.NewLogger(&logged, slog.LevelInfo))
	require.NoError(t, err)
	require.Len(t, tracing.ClientInterceptors(), 1)

	traced(t, tracing)
	require.Equal(t, "/otlp/v1/traces", *posted.Load())
	down.Store(true)
	traced(t, tracing)
	traced(t, tracing)
	down.Store(false)
	traced(t, tracing)
	require.Equal(t, 1, strings.Count(logged.String(), "does not accept spans"), logged.String())
	require.Contains(t, logged.String(), `"msg":"the collector accepts spans again","lost":2`)
	tracing.Close()
}

func TestTheCollectorOfTracesIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	var posted atomic.Pointer[string]
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { posted.Store(&r.URL.Path) }))
	t.Cleanup(collector.Close)
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TracingConfig{
		Endpoint: "http://192.0.2.1:4318", TracesEndpoint: collector.URL + "/here", Sampler: "parentbased_traceidratio", SamplerArg: "1",
	}, "test", "v0", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	traced(t, tracing)
	require.Equal(t, "/here", *posted.Load())
	tracing.Close()
}

// TestCloseDoesNotWaitForACollectorThatHangs: the program ends all the same.
func TestCloseDoesNotWaitForACollectorThatHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(collector.Close)
	t.Cleanup(func() { close(hang) }) // runs first
	var logged bytes.Buffer
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TracingConfig{Endpoint: collector.URL}, "test", "v0",
		telemetry.NewLogger(&logged, slog.LevelWarn))
	require.NoError(t, err)
	_, span := tracing.Provider().Tracer("test").Start(t.Context(), "work")
	span.End()
	tracing.Close()
	require.Contains(t, logged.String(), "the last spans are lost")
}
