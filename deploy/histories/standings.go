package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// protestWindow is long enough for its timer to be a server's.
const protestWindow = 3 * time.Second

// standingsScenes are the ways through FinalizeRace: what a recompute finds, by
// its number. woken asks for a signal while the recompute is under way.
var standingsScenes = map[string]func(call int, began time.Time) (found activities.Recomputed, woken bool){
	"standings": func(call int, _ time.Time) (activities.Recomputed, bool) {
		return activities.Recomputed{Version: call, Status: race.Provisional, Entries: 3, Changed: true}, call == 1
	},
	"standings_published": func(call int, began time.Time) (activities.Recomputed, bool) {
		if ends := began.Add(protestWindow); time.Now().Before(ends) {
			return activities.Recomputed{Version: 1, Status: race.Provisional, Entries: 3, PublishAt: ends}, call == 1
		}
		return activities.Recomputed{Version: 2, Status: race.Official, Entries: 3, Changed: true}, false
	},
	"standings_long": func(call int, _ time.Time) (activities.Recomputed, bool) {
		return activities.Recomputed{Version: call, Status: race.Provisional, Entries: 3, Changed: true, Took: 1100 * time.Millisecond}, call == 1
	},
	"standings_continued": func(call int, _ time.Time) (activities.Recomputed, bool) {
		return activities.Recomputed{Version: call, Status: race.Provisional, Entries: 3, Changed: true}, call < 45
	},
}

// standingsStage recomputes races that are named for their scene.
type standingsStage struct {
	temporal client.Client
	began    time.Time

	mu    sync.Mutex
	calls map[string]int
}

func (s *standingsStage) recompute(ctx context.Context, in activities.RecomputeInput) (activities.Recomputed, error) {
	s.mu.Lock()
	s.calls[in.RaceID]++
	call := s.calls[in.RaceID]
	s.mu.Unlock()
	found, woken := standingsScenes[in.RaceID](call, s.began)
	if woken {
		if err := workflows.WakeStandings(ctx, s.temporal, in.RaceID); err != nil {
			return activities.Recomputed{}, err
		}
	}
	return found, nil
}

func sweepNothing(context.Context) (activities.Swept, error) {
	return activities.Swept{Checked: 2, Stale: 1}, nil
}

// recordStandings writes the histories of the workflows that keep standings.
func recordStandings(ctx context.Context, temporal client.Client, folder string) error {
	stage := &standingsStage{temporal: temporal, began: time.Now(), calls: map[string]int{}}
	metrics := activities.NewMetrics(prometheus.NewRegistry())
	standings := worker.New(temporal, workflows.StandingsTaskQueue, worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))},
	})
	standings.RegisterWorkflow(workflows.FinalizeRace)
	standings.RegisterWorkflow(workflows.SweepStandings)
	standings.RegisterActivityWithOptions(stage.recompute, activity.RegisterOptions{Name: "RecomputeStandings"})
	standings.RegisterActivityWithOptions(sweepNothing, activity.RegisterOptions{Name: "WakeStaleStandings"})
	if err := standings.Start(); err != nil {
		return fmt.Errorf("start the worker of standings: %w", err)
	}
	defer standings.Stop()

	runs := map[string]client.WorkflowRun{}
	for scene := range standingsScenes {
		if err := workflows.WakeStandings(ctx, temporal, scene); err != nil {
			return err
		}
		described, err := temporal.DescribeWorkflowExecution(ctx, workflows.StandingsWorkflowID(scene), "")
		if err != nil {
			return fmt.Errorf("look at %s: %w", scene, err)
		}
		first := described.GetWorkflowExecutionInfo().GetFirstRunId()
		runs[scene] = temporal.GetWorkflow(ctx, workflows.StandingsWorkflowID(scene), first)
	}
	options := client.StartWorkflowOptions{ID: workflows.SweepScheduleID, TaskQueue: workflows.StandingsTaskQueue}
	run, err := temporal.ExecuteWorkflow(ctx, options, workflows.SweepStandings)
	if err != nil {
		return fmt.Errorf("start the sweep: %w", err)
	}
	runs["sweep"] = run
	for name, run := range runs {
		if err := save(ctx, temporal, run, filepath.Join(folder, name+".json")); err != nil {
			return err
		}
	}
	return stage.check()
}

// check makes sure that no signal was lost: every one that was sent during a
// recompute, and the end of the window, made another.
func (s *standingsStage) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for scene, least := range map[string]int{"standings": 2, "standings_long": 2, "standings_published": 3, "standings_continued": 45} {
		if s.calls[scene] < least {
			return fmt.Errorf("%s: %d recomputes instead of %d", scene, s.calls[scene], least)
		}
	}
	return nil
}
