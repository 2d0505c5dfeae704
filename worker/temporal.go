package main

import (
	"context"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	// slotsPerConnection is how many steps may run for each connection of a
	// database's pool; more would only queue up at the pool. A step uses one of
	// the two pools.
	slotsPerConnection = 2
	// cachedWorkflows is how many open workflows are kept in memory. Usually a
	// handful is open; in an outage each that waits costs some 30 kB.
	cachedWorkflows = 2000
	// temporalRetry is the pause between attempts to reach Temporal at the start.
	temporalRetry = 500 * time.Millisecond
	// temporalTimeout bounds one such attempt.
	temporalTimeout = 5 * time.Second
)

// newWorker returns the worker of the records task queue, not started; gaveUp is
// called if it stops for good by itself.
func (w *work) newWorker(gaveUp func(error)) worker.Worker {
	worker.SetStickyWorkflowCacheSize(cachedWorkflows)
	slots := slotsPerConnection * min(w.cfg.MainDB.MaxConns, w.cfg.UserDB.MaxConns)
	records := worker.New(w.temporal, workflows.RecordsTaskQueue, worker.Options{
		MaxConcurrentLocalActivityExecutionSize: slots,
		MaxConcurrentActivityExecutionSize:      slots,
		WorkerStopTimeout:                       stopTimeout,
		OnFatalError:                            gaveUp,
		Interceptors:                            []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, w.log)},
	})
	records.RegisterWorkflow(workflows.CreditRecord)
	records.RegisterWorkflow(workflows.AuditCredits)
	records.RegisterActivity(w.credits)
	records.RegisterActivity(w.notes)
	records.RegisterActivity(w.audits)
	records.RegisterActivity(w.checks)
	return records
}

// awaitTemporal waits until Temporal answers and knows the namespace, without
// which a worker does not start; false when ctx ended first.
func (w *work) awaitTemporal(ctx context.Context) bool {
	return w.untilDone(ctx, "reach Temporal", func(ctx context.Context) error {
		if _, err := w.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			return err
		}
		_, err := w.temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
			Namespace: w.cfg.Temporal.Namespace,
		})
		return err
	})
}

// scheduleAudit makes or updates the audit's schedule.
func (w *work) scheduleAudit(ctx context.Context) {
	w.untilDone(ctx, "schedule the audit", func(ctx context.Context) error {
		return workflows.ScheduleAudit(ctx, w.temporal.ScheduleClient(), w.cfg.AuditInterval)
	})
}

// untilDone repeats a call until it succeeds and logs the first failure; false
// when ctx ended first.
func (w *work) untilDone(ctx context.Context, what string, call func(context.Context) error) bool {
	for failures := 0; ; failures++ {
		bounded, cancel := context.WithTimeout(ctx, temporalTimeout)
		err := call(bounded)
		cancel()
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			return true
		case failures == 0:
			w.log.Warn("cannot yet: waiting", "what", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(temporalRetry):
		}
	}
}
