package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-retry"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/wake"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	// slotsPerConnection is how many activities may run for each connection of a
	// database's pool; more would only wait for the pool. An activity uses one
	// of the two pools.
	slotsPerConnection = 2
	// recomputeSlots is how many races a process recomputes at once: one with 30,000
	// entries takes a processor core for a second, and commits are more important.
	recomputeSlots = 2
	// seriesSlots is how many series a process ranks at once: one with 150,000 results
	// takes half a second to two, and some 200 MB.
	seriesSlots = 1
	// mailSlots is how many mails a process hands to the provider at once.
	mailSlots = 4
	// offerSlots is how many offers of places a process ends at once. They wait for each
	// other where they are of the same pool.
	offerSlots = 8
	// cachedWorkflows is how many open workflows are kept in memory. Usually a
	// handful is open; in an outage each one that waits costs some 30 kB.
	cachedWorkflows = 2000
	// deadlock is after how long a workflow that does not give way is taken for stuck and
	// its task for failed. After a second, the SDK's default, that is also any workflow of
	// a machine that is short of processor time, whose tasks then fail again and again.
	deadlock = 30 * time.Second
	// temporalRetry is the pause between attempts to reach Temporal at the start.
	temporalRetry = 500 * time.Millisecond
	// temporalTimeout bounds one such attempt.
	temporalTimeout = 5 * time.Second
)

// few bounds the pollers of task queues on which little happens. The SDK takes no fewer
// than two for workflows.
var few = worker.Options{MaxConcurrentWorkflowTaskPollers: 2, MaxConcurrentActivityTaskPollers: 1}

// workers returns a worker for each task queue, not started yet, in the order of their
// start; gaveUp is called if one stops because of a fatal error.
func (w *work) workers(gaveUp func(error)) []worker.Worker {
	worker.SetStickyWorkflowCacheSize(cachedWorkflows)
	newWorker := func(taskQueue string, slots int, options worker.Options, kinds []any, activitiesOf ...any) worker.Worker {
		options.MaxConcurrentActivityExecutionSize = slots
		options.WorkerStopTimeout = stopTimeout
		options.DeadlockDetectionTimeout = deadlock
		options.OnFatalError = gaveUp
		options.Interceptors = []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, w.log)}
		made := worker.New(w.temporal, taskQueue, options)
		for _, kind := range kinds {
			made.RegisterWorkflow(kind)
		}
		for _, each := range activitiesOf {
			made.RegisterActivity(each)
		}
		return made
	}
	commits := slotsPerConnection * min(w.cfg.MainDB.MaxConns, w.cfg.UserDB.MaxConns)
	return []worker.Worker{
		newWorker(workflows.MailTaskQueue, mailSlots, few, []any{workflows.SendMail}, w.mails),
		newWorker(workflows.NoticesTaskQueue, noticeSlots, few, []any{workflows.TellNotice}, w.notices),
		newWorker(workflows.EntriesTaskQueue, offerSlots,
			worker.Options{MaxConcurrentWorkflowTaskPollers: 2, MaxConcurrentActivityTaskPollers: 2},
			[]any{workflows.HoldOffer, workflows.DrawRace, workflows.PublishPlanned, workflows.RemindOfTask}, w.offers),
		newWorker(workflows.WebhooksTaskQueue, webhookSlots, few, []any{workflows.DeliverWebhook}, w.webhooks),
		newWorker(workflows.SeriesTaskQueue, seriesSlots, few, []any{workflows.RankSeries}, w.standings.series),
		newWorker(workflows.StandingsTaskQueue, recomputeSlots, worker.Options{},
			[]any{workflows.FinalizeRace, workflows.SweepStandings}, w.standings.recomputes, w.standings.sweeps),
		newWorker(workflows.RecordsTaskQueue, commits, worker.Options{MaxConcurrentLocalActivityExecutionSize: commits},
			[]any{workflows.CreditRecord, workflows.AuditCredits, workflows.RebuildTotal},
			w.credits, w.notes, w.audits, w.offers), // the audit looks at offers, too
	}
}

// awaitTemporal waits until Temporal answers and knows the namespace, because
// otherwise a worker does not start. It returns false if ctx ended first.
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

// scheduleAudit creates or updates the audit's schedule.
func (w *work) scheduleAudit(ctx context.Context) {
	w.untilDone(ctx, "schedule the audit", func(ctx context.Context) error {
		return w.runs.Schedule(ctx, w.cfg.AuditInterval, workflows.AuditAction())
	})
}

// untilDone repeats a call until it succeeds, and logs the first failure. It
// returns false if ctx ended first.
func (w *work) untilDone(ctx context.Context, what string, call func(context.Context) error) bool {
	warned := false
	return retry.Do(ctx, retry.NewConstant(temporalRetry), func(ctx context.Context) error {
		bounded, cancel := context.WithTimeout(ctx, temporalTimeout)
		defer cancel()
		err := call(bounded)
		if err != nil && ctx.Err() == nil && !warned {
			warned = true
			w.log.Warn("calling Temporal failed; retrying until it succeeds", "call", what, "error", err)
		}
		return retry.RetryableError(err)
	}) == nil && ctx.Err() == nil
}

// standingsWork keeps standings up to date: it wakes them, recomputes them, and
// sweeps for those that were missed.
type standingsWork struct {
	wakes      *wake.Coalescer
	recomputes *activities.Standings
	sweeps     *activities.Sweeps
	series     *activities.Series
}

func newStandingsWork(cfg Config, runs temporal.Workflows, main *maindb.Outcomes, user *userdb.Ledger, log *slog.Logger, registry prometheus.Registerer) standingsWork {
	metrics := activities.NewStandingsMetrics(registry)
	wakes := wake.New(cfg.Wake, func(ctx context.Context, raceID string) error {
		return runs.SignalWithStart(ctx, workflows.FinalizeOptions(raceID), workflows.WakeSignal, workflows.FinalizeRace, workflows.FinalizeInput{RaceID: raceID})
	}, log, registry)
	series := activities.NewSeries(main, func(ctx context.Context, seriesID string) error {
		return runs.SignalWithStart(ctx, workflows.SeriesOptions(seriesID), workflows.WakeSignal, workflows.RankSeries, workflows.SeriesInput{SeriesID: seriesID})
	}, time.Now)
	recomputes, sweeps := activities.NewStandings(main, user, time.Now, metrics), activities.NewSweeps(cfg.Sweep, main, user, wakes.Wake, time.Now, metrics)
	recomputes.Series, sweeps.Series = series, series
	return standingsWork{wakes: wakes, recomputes: recomputes, sweeps: sweeps, series: series}
}

// scheduleSweep creates or updates the sweep's schedule, and sweeps once: this worker
// may take over from one that died between a credit and its signal.
func (w *work) scheduleSweep(ctx context.Context) {
	w.untilDone(ctx, "schedule the sweep of standings", func(ctx context.Context) error {
		if err := w.runs.Schedule(ctx, w.cfg.SweepInterval, workflows.SweepAction()); err != nil {
			return err
		}
		return w.runs.Trigger(ctx, workflows.SweepScheduleID)
	})
}

// runsOf gives the audit access to the workflows of credits and offers. It is here
// because package activities does not know the workflows' IDs.
type runsOf struct{ temporal.Workflows }

// Completed returns the latest run of a revision's workflow if it completed, and
// an empty ID otherwise.
func (r runsOf) Completed(ctx context.Context, of activities.CreditInput) (runID string, err error) {
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
func (r runsOf) Reset(ctx context.Context, of activities.CreditInput, runID, reason string) error {
	run := temporal.Run{WorkflowID: workflows.CreditWorkflowID(of.RaceID, of.RecordID, of.Revision), RunID: runID}
	_, err := r.Workflows.Reset(ctx, run, reason)
	return err
}

// OfferRuns reports whether the workflow of an offer is running.
func (r runsOf) OfferRuns(ctx context.Context, of activities.OfferInput) (bool, error) {
	latest, err := r.Describe(ctx, workflows.OfferWorkflowID(of))
	if errors.Is(err, race.ErrNotFound) {
		return false, nil
	}
	return latest.Status == temporal.Running, err
}

// DrawRuns reports whether the workflow of a race's draw is running.
func (r runsOf) DrawRuns(ctx context.Context, of activities.DrawInput) (bool, error) {
	latest, err := r.Describe(ctx, workflows.DrawWorkflowID(of.RaceID))
	if errors.Is(err, race.ErrNotFound) {
		return false, nil
	}
	return latest.Status == temporal.Running, err
}

// PostRuns reports whether the workflow of a planned post is running.
func (r runsOf) PostRuns(ctx context.Context, of activities.PostInput) (bool, error) {
	latest, err := r.Describe(ctx, workflows.PostWorkflowID(of))
	if errors.Is(err, race.ErrNotFound) {
		return false, nil
	}
	return latest.Status == temporal.Running, err
}

// OpenSince counts the workflows of credits that were started before a time and
// are still open, and returns the IDs of up to limit of them. Visibility may lag
// behind by a second or so.
func (r runsOf) OpenSince(ctx context.Context, before time.Time, limit int) (open int, workflowIDs []string, err error) {
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
