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
	// cachedWorkflows is how many open workflows are kept in memory. Usually a
	// handful is open; in an outage each one that waits costs some 30 kB.
	cachedWorkflows = 2000
	// temporalRetry is the pause between attempts to reach Temporal at the start.
	temporalRetry = 500 * time.Millisecond
	// temporalTimeout bounds one such attempt.
	temporalTimeout = 5 * time.Second
)

// newWorker returns the worker of the records task queue, not started yet; gaveUp
// is called if it stops because of a fatal error.
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
	records.RegisterWorkflow(workflows.RebuildTotal)
	records.RegisterActivity(w.credits)
	records.RegisterActivity(w.notes)
	records.RegisterActivity(w.audits)
	records.RegisterActivity(w.offers) // for the audit
	return records
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

// recomputeSlots is how many races a process recomputes at once: one with 30,000
// entries takes a processor core for a second, and commits are more important.
const recomputeSlots = 2

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

// newStandingsWorker returns the worker of the standings task queue, not started
// yet; gaveUp is called if it stops because of a fatal error.
func (w *work) newStandingsWorker(gaveUp func(error)) worker.Worker {
	standings := worker.New(w.temporal, workflows.StandingsTaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: recomputeSlots,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       gaveUp,
		Interceptors:                       []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, w.log)},
	})
	standings.RegisterWorkflow(workflows.FinalizeRace)
	standings.RegisterWorkflow(workflows.SweepStandings)
	standings.RegisterActivity(w.standings.recomputes)
	standings.RegisterActivity(w.standings.sweeps)
	return standings
}

// newSeriesWorker returns the worker of the series task queue, not started yet; gaveUp
// is called if it stops because of a fatal error. A process ranks one series at a time:
// one with 150,000 results takes half a second to two, and some 200 MB.
func (w *work) newSeriesWorker(gaveUp func(error)) worker.Worker {
	series := worker.New(w.temporal, workflows.SeriesTaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: 1,
		MaxConcurrentWorkflowTaskPollers:   2, // the least that the SDK takes
		MaxConcurrentActivityTaskPollers:   1,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       gaveUp,
		Interceptors:                       []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, w.log)},
	})
	series.RegisterWorkflow(workflows.RankSeries)
	series.RegisterActivity(w.standings.series)
	return series
}

// mailSlots is how many mails a process hands to the provider at once.
const mailSlots = 4

// newMailWorker returns the worker of the mail task queue, not started yet; gaveUp
// is called if it stops because of a fatal error.
func (w *work) newMailWorker(gaveUp func(error)) worker.Worker {
	mails := worker.New(w.temporal, workflows.MailTaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: mailSlots,
		MaxConcurrentWorkflowTaskPollers:   2, // the least that the SDK takes
		MaxConcurrentActivityTaskPollers:   1,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       gaveUp,
		Interceptors:                       []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, w.log)},
	})
	mails.RegisterWorkflow(workflows.SendMail)
	mails.RegisterActivity(w.mails)
	return mails
}

// offerSlots is how many offers of places a process ends at once. They wait for each
// other where they are of the same pool.
const offerSlots = 8

// newEntriesWorker returns the worker of the entries task queue, not started yet; gaveUp
// is called if it stops because of a fatal error.
func (w *work) newEntriesWorker(gaveUp func(error)) worker.Worker {
	entries := worker.New(w.temporal, workflows.EntriesTaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: offerSlots,
		MaxConcurrentWorkflowTaskPollers:   2, // the least that the SDK takes
		MaxConcurrentActivityTaskPollers:   2,
		WorkerStopTimeout:                  stopTimeout,
		OnFatalError:                       gaveUp,
		Interceptors:                       []interceptor.WorkerInterceptor{activities.NewInterceptor(w.metrics, w.log)},
	})
	entries.RegisterWorkflow(workflows.HoldOffer)
	entries.RegisterActivity(w.offers)
	return entries
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
