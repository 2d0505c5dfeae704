package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// TestReplay runs today's workflows over histories that a real server wrote
// (`make histories`), with the worker's interceptor: a change that would stop
// workflows which are under way fails here.
func TestReplay(t *testing.T) {
	t.Parallel()
	const folder = "testdata/histories"
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 16, "one history for each way through a workflow, and older ones while they may be running")
	for _, file := range files {
		t.Run(file.Name(), func(t *testing.T) {
			t.Parallel()
			metrics := activities.NewMetrics(prometheus.NewRegistry())
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
				Interceptors: []interceptor.WorkerInterceptor{activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))},
			})
			require.NoError(t, err)
			replayer.RegisterWorkflow(workflows.CreditRecord)
			replayer.RegisterWorkflow(workflows.AuditCredits)
			replayer.RegisterWorkflow(workflows.FinalizeRace)
			replayer.RegisterWorkflow(workflows.SweepStandings)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, filepath.Join(folder, file.Name())))
		})
	}
}
