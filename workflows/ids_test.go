package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
