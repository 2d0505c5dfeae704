package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// creditID is the documented ID of the workflow that credits a revision.
func creditID(raceID, recordID string, revision int) string {
	return fmt.Sprintf("credit/%s/%s/r%d", raceID, recordID, revision)
}

// traced returns the workflow that a trace link leads to, which must have completed.
func (s *system) traced(t *testing.T, link string) (workflowID string) {
	t.Helper()
	escaped, found := strings.CutPrefix(link, s.TemporalUIURL()+"/namespaces/default/workflows/")
	require.True(t, found, link)
	require.NotContains(t, escaped, "/")
	workflowID, err := url.PathUnescape(escaped)
	require.NoError(t, err)
	s.completed(t, workflowID)
	return workflowID
}

// completed waits until the workflow has completed: its credit shows in the
// ledger a moment earlier.
func (s *system) completed(t *testing.T, workflowID string) {
	t.Helper()
	eventually(t, patience, func() error {
		found, err := s.temporal.DescribeWorkflowExecution(t.Context(), workflowID, "")
		status := found.GetWorkflowExecutionInfo().GetStatus()
		if err == nil && status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			err = fmt.Errorf("%s is %s", workflowID, status)
		}
		return err
	})
}

// showsTheOutage waits until the Web UI would show the outage: a pending activity with
// its attempts and its last error.
func (s *system) showsTheOutage(t *testing.T, workflowID string) {
	t.Helper()
	eventually(t, patience, func() error {
		found, err := s.temporal.DescribeWorkflowExecution(t.Context(), workflowID, "")
		if err != nil {
			return err
		}
		for _, pending := range found.GetPendingActivities() {
			if pending.GetLastFailure().GetMessage() != "" {
				return nil
			}
		}
		return fmt.Errorf("%s has %d pending activities, none with an error", workflowID, len(found.GetPendingActivities()))
	})
}

// found waits until the Web UI's search, which lags by up to a second, finds exactly n
// workflows.
func (s *system) found(t *testing.T, n int, query string) {
	t.Helper()
	eventually(t, patience, func() error {
		got, err := s.countWorkflows(t.Context(), query)
		if err == nil && got != int64(n) {
			err = fmt.Errorf("%s finds %d, not %d", query, got, n)
		}
		return err
	})
}

func (s *system) countWorkflows(ctx context.Context, query string) (int64, error) {
	answer, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	return answer.GetCount(), err
}

// allFound checks that the race's workflows are those of the book's revisions,
// each found by its ID and by its search attributes.
func (s *system) allFound(t *testing.T, raceID string, b *book) {
	t.Helper()
	ofRace := fmt.Sprintf("RaceId = '%s'", raceID)
	s.found(t, b.revisions, ofRace)
	s.found(t, b.revisions, ofRace+" AND ExecutionStatus = 'Completed'")
	s.found(t, b.rejected, ofRace+" AND CreditStatus = 'rejected'")
	s.found(t, b.revisions-b.rejected, ofRace+" AND CreditStatus = 'credited'")

	want := map[string]bool{}
	for recordID, latest := range b.revision {
		for revision := 1; revision <= latest; revision++ {
			want[creditID(raceID, recordID, revision)] = true
		}
	}
	var token []byte
	for {
		page, err := s.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: ofRace, PageSize: 1000, NextPageToken: token,
		})
		require.NoError(t, err)
		for _, execution := range page.GetExecutions() {
			id := execution.GetExecution().GetWorkflowId()
			require.True(t, want[id], "%s is nobody's", id)
			delete(want, id)
		}
		if token = page.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	require.Empty(t, want)
}
