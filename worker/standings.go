package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/wake"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// recomputeSlots is how many races a process recomputes at once: one takes a
// processor for a second when it has 30,000 entries, and commits come first.
const recomputeSlots = 2

// standingsWork keeps the standings of races: what wakes them, what recomputes
// them, and what sweeps up those that nobody woke.
type standingsWork struct {
	wakes      *wake.Coalescer
	recomputes *activities.Standings
	sweeps     *activities.Sweeps
}

func newStandingsWork(cfg Config, temporal client.Client, main *maindb.Store, user *userdb.Store, log *slog.Logger, registry prometheus.Registerer) standingsWork {
	metrics := activities.NewStandingsMetrics(registry)
	wakes := wake.New(cfg.Wake, func(ctx context.Context, raceID string) error {
		return workflows.WakeStandings(ctx, temporal, raceID)
	}, log, registry)
	return standingsWork{
		wakes:      wakes,
		recomputes: activities.NewStandings(main, user, time.Now, metrics),
		sweeps:     activities.NewSweeps(cfg.Sweep, main, user, wakes.Wake, time.Now, metrics),
	}
}

// newStandingsWorker returns the worker of the standings task queue, not
// started; gaveUp is called if it stops for good by itself.
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

// scheduleSweep makes or updates the sweep's schedule, and sweeps once.
func (w *work) scheduleSweep(ctx context.Context) {
	w.untilDone(ctx, "schedule the sweep of standings", func(ctx context.Context) error {
		return workflows.ScheduleSweep(ctx, w.temporal.ScheduleClient(), w.cfg.SweepInterval)
	})
}
