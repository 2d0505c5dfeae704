package telemetry_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func TestMetricsOfTemporalsSDK(t *testing.T) {
	t.Parallel()
	registry := telemetry.NewRegistry()
	sdk := telemetry.TemporalMetrics(registry)
	records := sdk.WithTags(map[string]string{"task_queue": "records", "client_name": "temporal_go", "worker_type": "none"})
	records.Counter("temporal_request").Inc(2)
	records.WithTags(map[string]string{"operation": "PollWorkflowTaskQueue"}).Counter("temporal_request").Inc(1)
	sdk.Gauge("temporal_num_pollers").Update(3)
	records.Timer("temporal_request_latency").Record(2 * time.Millisecond)

	answer := get(t, telemetry.Handler(registry, slog.New(slog.DiscardHandler)), "/metrics")
	require.Equal(t, http.StatusOK, answer.Code, "the same name with other tags is no mistake")
	text := answer.Body.String()
	require.Regexp(t, `temporal_request_total\{[^}]*operation="",[^}]*task_queue="records",[^}]*worker_type=""[^}]*\} 2\n`, text)
	require.Regexp(t, `temporal_request_total\{[^}]*operation="PollWorkflowTaskQueue",[^}]*task_queue="records"[^}]*\} 1\n`, text)
	require.Regexp(t, `temporal_num_pollers\{[^}]*\} 3\n`, text)
	require.Regexp(t, `temporal_request_latency_seconds_bucket\{[^}]*le="0.001"\} 0\n`, text)
	require.Regexp(t, `temporal_request_latency_seconds_bucket\{[^}]*le="0.0025"\} 1\n`, text)
}
