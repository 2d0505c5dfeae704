package workflows_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/workflows"
)

func TestTraceURLEscapesTheSlashesOfAnID(t *testing.T) {
	t.Parallel()
	id := workflows.CreditWorkflowID("019a-race", "019a-record", 3)
	require.Equal(t, "credit/019a-race/019a-record/r3", id)
	require.Equal(t,
		"http://localhost:8233/namespaces/default/workflows/credit%2F019a-race%2F019a-record%2Fr3",
		workflows.TraceURL("http://localhost:8233/", "default", id))
}

// TestLogsAndSpansReadTheIDs: telemetry, which knows no workflows, reads the IDs
// that are made here.
func TestLogsAndSpansReadTheIDs(t *testing.T) {
	t.Parallel()
	race, record := slog.String("race_id", "019a-race"), slog.String("record_id", "019a-record")
	require.Equal(t, []slog.Attr{race, record, slog.Int("revision", 12)},
		telemetry.IDsOf(workflows.CreditWorkflowID("019a-race", "019a-record", 12)))
	require.Equal(t, []slog.Attr{race}, telemetry.IDsOf(workflows.StandingsWorkflowID("019a-race")))
	require.Empty(t, telemetry.IDsOf(workflows.AuditScheduleID))
}

func TestParseCreditWorkflowIDReadsWhatCreditWorkflowIDWrites(t *testing.T) {
	t.Parallel()
	of, ok := workflows.ParseCreditWorkflowID(workflows.CreditWorkflowID("019a-race", "019a-record", 12))
	require.True(t, ok)
	require.Equal(t, workflows.CreditInput{RaceID: "019a-race", RecordID: "019a-record", Revision: 12}, of)
	for _, other := range []string{"", "audit-credits/now", "standings/019a-race", "credit/a/b", "credit/a/b/c", "credit/a/b/r0", "credit/a/b/rx"} {
		_, ok := workflows.ParseCreditWorkflowID(other)
		require.False(t, ok, other)
	}
}
