package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// creditRuns tells the audit about the workflows of credits. It stands here
// because activities do not know the workflows' IDs.
type creditRuns struct{ temporal.Workflows }

// Completed returns the latest run of a revision's workflow if it completed, and
// an empty ID otherwise.
func (r creditRuns) Completed(ctx context.Context, of activities.CreditInput) (runID string, err error) {
	latest, err := r.Describe(ctx, workflows.CreditWorkflowID(of.RaceID, of.RecordID, of.Revision))
	if errors.Is(err, race.ErrNotFound) {
		return "", nil
	}
	if err != nil || latest.Status != temporal.Completed {
		return "", err
	}
	return latest.RunID, nil
}

// Reset begins a run of a revision's workflow again from its first task.
func (r creditRuns) Reset(ctx context.Context, of activities.CreditInput, runID, reason string) error {
	run := temporal.Run{WorkflowID: workflows.CreditWorkflowID(of.RaceID, of.RecordID, of.Revision), RunID: runID}
	_, err := r.Workflows.Reset(ctx, run, reason)
	return err
}

// OpenSince counts the workflows of credits that were started before a time and
// are still open, and returns the IDs of up to limit of them. Visibility may lag
// behind by a second or so.
func (r creditRuns) OpenSince(ctx context.Context, before time.Time, limit int) (open int, workflowIDs []string, err error) {
	query := fmt.Sprintf("WorkflowType = 'CreditRecord' AND ExecutionStatus = 'Running' AND StartTime < '%s'",
		before.UTC().Format(time.RFC3339Nano))
	if open, err = r.Count(ctx, query); err != nil {
		return 0, nil, err
	}
	runs, err := r.List(ctx, query, limit)
	for _, run := range runs {
		workflowIDs = append(workflowIDs, run.WorkflowID)
	}
	return open, workflowIDs, err
}
