package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// closed is when the last of some workflows closed, by the server's clock, and
// when its lists, which the Web UI shows, had all of them.
type closed struct{ last, complete time.Time }

// awaitClosed asks the visibility store until it lists so many as completed. It
// is called when the work is done, so that asking costs the work nothing.
func awaitClosed(ctx context.Context, c client.Client, query string, want int) (closed, error) {
	query += ` AND ExecutionStatus = "Completed"`
	var seen closed
	err := until(ctx, 3*time.Minute, 50*time.Millisecond, func() (bool, error) {
		answer, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			return false, err
		}
		seen.complete = time.Now()
		return int(answer.GetCount()) >= want, nil
	})
	if err != nil {
		return closed{}, fmt.Errorf("wait until %d workflows are listed: %w", want, err)
	}
	// The list begins with what closed last.
	page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000})
	if err != nil {
		return closed{}, fmt.Errorf("list workflows: %w", err)
	}
	for _, execution := range page.GetExecutions() {
		if at := execution.GetCloseTime().AsTime(); at.After(seen.last) {
			seen.last = at
		}
	}
	return seen, nil
}

// until asks again and again, with a pause, whether something is so.
func until(ctx context.Context, limit, pause time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
