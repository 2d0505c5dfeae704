package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return answer
}

func TestReadinessFollowsTheChecksAndLogsChanges(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	var down atomic.Bool
	handler := telemetry.Handler(telemetry.NewRegistry(), telemetry.NewLogger(&logged, slog.LevelInfo),
		telemetry.Check{Name: "main_db", Ping: func(context.Context) error {
			if down.Load() {
				return errors.New("connection refused by 10.0.0.7")
			}
			return nil
		}},
		telemetry.Check{Name: "queue", Ping: func(context.Context) error { return nil }},
	)
	require.JSONEq(t, `{"main_db":"ok","queue":"ok"}`, get(t, handler, "/readyz").Body.String())
	require.Empty(t, logged.String())

	down.Store(true)
	for range 2 {
		answer := get(t, handler, "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		require.JSONEq(t, `{"main_db":"unavailable","queue":"ok"}`, answer.Body.String())
	}
	require.Equal(t, http.StatusOK, get(t, handler, "/healthz").Code, "a process that waits for its database lives")
	down.Store(false)
	require.Equal(t, http.StatusOK, get(t, handler, "/readyz").Code)

	require.Equal(t, 1, strings.Count(logged.String(), "connection refused"), "one line for a change, not one for a request")
	require.Equal(t, 1, strings.Count(logged.String(), "ready again"))
}

func TestAProgramThatStopsIsNotReady(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	handler := telemetry.Handler(telemetry.NewRegistry(), slog.New(slog.DiscardHandler), telemetry.Running(stopping))
	require.Equal(t, http.StatusOK, get(t, handler, "/readyz").Code)
	close(stopping)
	answer := get(t, handler, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.JSONEq(t, `{"running":"unavailable"}`, answer.Body.String())
	require.Equal(t, http.StatusOK, get(t, handler, "/healthz").Code, "it lives until it is gone")
}

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	answer := get(t, telemetry.Handler(telemetry.NewRegistry(), slog.New(slog.DiscardHandler)), "/metrics")
	require.Equal(t, http.StatusOK, answer.Code)
	require.Contains(t, answer.Body.String(), "go_goroutines")
}

func TestProfilesAreServedWhereAskedFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	require.NoError(t, telemetry.ServeProfiles(ctx, telemetry.ProfilesConfig{Addr: "127.0.0.1:0"}, log))
	var line struct {
		Addr string `json:"addr"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+line.Addr+"/debug/pprof/heap", http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Equal(t, http.StatusOK, res.StatusCode)
	profile, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NotEmpty(t, profile)
}

func TestProfilesAreServedNowhereElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	require.NoError(t, telemetry.ServeProfiles(t.Context(), telemetry.ProfilesConfig{}, log))
	require.Empty(t, out.String())
	err := telemetry.ServeProfiles(t.Context(), telemetry.ProfilesConfig{Addr: "nowhere"}, log)
	require.ErrorContains(t, err, "PPROF_ADDR")
}
