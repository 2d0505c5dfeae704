package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// TestReplay runs today's workflows over histories that a real server wrote
// (`make histories`), with the worker's interceptor: a change that would stop
// workflows which are under way fails here. Each is replayed with tracing and
// without, whichever it was recorded with: both may change at a restart.
// REPLAY_HISTORIES names a folder of others, such as those of the last release
// (.ci/replay).
func TestReplay(t *testing.T) {
	t.Parallel()
	const folder = "testdata/histories"
	files := histories(t, folder)
	require.Len(t, files, 38, "one history for each way through a workflow, and older ones while they may be running")
	recorded := map[string]bool{}
	for _, file := range files {
		recorded[readHistory(t, file).GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()] = true
	}
	for kind := range workflows.Inputs() {
		require.True(t, recorded[kind], "no history of %s: make histories", kind)
	}
	if others := os.Getenv("REPLAY_HISTORIES"); others != "" {
		files = append(files, histories(t, others)...)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replay(t, newReplayer(t), file))
			tracing := telemetry.WorkflowTracing(sdktrace.NewTracerProvider())
			require.NoError(t, replay(t, newReplayer(t, tracing), file))
		})
	}
}

// replay replays a history as the run that it is of: CreditRecord asks whether a
// reset began its run, and the replayer takes every run for the one before the
// reset unless it is told otherwise.
func replay(t *testing.T, replayer worker.WorkflowReplayer, file string) error {
	t.Helper()
	return replayHistory(replayer, readHistory(t, file))
}

func replayHistory(replayer worker.WorkflowReplayer, history *historypb.History) error {
	var options worker.ReplayWorkflowHistoryOptions
	options.OriginalExecution.ID = history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
	for _, event := range history.GetEvents() {
		if failed := event.GetWorkflowTaskFailedEventAttributes(); failed.GetNewRunId() != "" {
			options.OriginalExecution.RunID = failed.GetNewRunId()
		}
	}
	return replayer.ReplayWorkflowHistoryWithOptions(nil, history, options)
}

// histories are the files of a folder, of which there must be some.
func histories(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	return files
}

func newReplayer(t *testing.T, before ...interceptor.WorkerInterceptor) worker.WorkflowReplayer {
	t.Helper()
	metrics := activities.NewMetrics(prometheus.NewRegistry())
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		Interceptors:             append(before, activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))),
		DisableDeadlockDetection: true, // a second is too short on a slow machine
	})
	require.NoError(t, err)
	replayer.RegisterWorkflow(workflows.CreditRecord)
	replayer.RegisterWorkflow(workflows.AuditCredits)
	replayer.RegisterWorkflow(workflows.RebuildTotal)
	replayer.RegisterWorkflow(workflows.SendMail)
	replayer.RegisterWorkflow(workflows.HoldOffer)
	replayer.RegisterWorkflow(workflows.DrawRace)
	replayer.RegisterWorkflow(workflows.PublishPlanned)
	replayer.RegisterWorkflow(workflows.RemindOfTask)
	replayer.RegisterWorkflow(workflows.DeliverWebhook)
	replayer.RegisterWorkflow(workflows.TellNotice)
	replayer.RegisterWorkflow(workflows.FinalizeRace)
	replayer.RegisterWorkflow(workflows.SweepStandings)
	replayer.RegisterWorkflow(workflows.RankSeries)
	return replayer
}
