package activities_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

const knownAction = "01926b1e-0000-7000-8000-00000000000a"

// notebook stands in for main_db and Temporal: every run was reset for a reason.
type notebook struct {
	reason string
	added  []maindb.Action
}

func (n *notebook) AddUnmatched(context.Context, maindb.Unmatched) error { return nil }

func (n *notebook) AddOutsideAction(_ context.Context, a maindb.Action, runID string) (bool, error) {
	if runID != "" {
		n.added = append(n.added, a)
	}
	return true, nil
}

func (n *notebook) HasAction(_ context.Context, actionID string) (bool, error) {
	return actionID == knownAction, nil
}

func (n *notebook) ResetCause(context.Context, temporal.Run) (temporal.ResetCause, error) {
	return temporal.ResetCause{BaseRunID: "base", Reason: n.reason, At: time.Now()}, nil
}

func TestAResetIsNotedUnlessTheLogHasItsAction(t *testing.T) {
	t.Parallel()
	const operator = "operator 01926b1e-0000-7000-8000-000000000001, action "
	for reason, actor := range map[string]string{
		operator + knownAction:                               "",
		operator + knownAction + ": restored":                "",
		operator + "01926b1e-0000-7000-8000-00000000000b: x": maindb.ActorTemporal,
		"by hand":                       maindb.ActorTemporal,
		"":                              maindb.ActorTemporal,
		strings.Repeat("é", 600):        maindb.ActorTemporal,
		"audit: the ledger lacks it":    maindb.ActorAudit,
		"see " + operator + knownAction: maindb.ActorTemporal,
	} {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		book := &notebook{reason: reason}
		notes := activities.NewNotes(book, book)
		env.RegisterActivity(notes)
		_, err := env.ExecuteActivity(notes.NoteReset, second)
		require.NoError(t, err)
		if actor == "" {
			require.Empty(t, book.added, reason)
			continue
		}
		require.Len(t, book.added, 1, reason)
		require.Equal(t, actor, book.added[0].Actor, reason)
		require.Equal(t, "record", book.added[0].Target)
		require.LessOrEqual(t, len([]rune(book.added[0].Reason)), 500)
		require.JSONEq(t, `{"revision": 2, "run_id": "base"}`, string(book.added[0].Before))
	}
}
