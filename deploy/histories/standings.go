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
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	mrmtemporal "github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// protestWindow is long enough for its timer to be a server's.
const protestWindow = 3 * time.Second

// standingsScenes are the paths through FinalizeRace: the result of each recompute, by
// its number. woken requests a signal during the recompute. The histories
// standings*.json without "steps" in their names are from workers that published within
// the recompute; they can no longer be recorded.
var standingsScenes = map[string]func(call int, in activities.RecomputeInput, began time.Time) (found any, woken bool){
	"standings_steps": func(call int, _ activities.RecomputeInput, _ time.Time) (any, bool) {
		return activities.Recomputed{Version: call, Status: race.Provisional, Entries: 3, Changed: true, Race: "Park 10K"}, call == 1
	},
	"standings_steps_published": func(call int, in activities.RecomputeInput, began time.Time) (any, bool) {
		found := activities.Recomputed{Version: 1, Status: race.Provisional, Entries: 3, Race: "Park 10K", PublishAt: began.Add(protestWindow)}
		switch {
		case time.Now().Before(found.PublishAt):
			return found, call == 1
		case in.PublishApart:
			found.Due = true
			return found, false
		}
		return activities.Recomputed{Version: 2, Status: race.Official, Entries: 3, Changed: true, Race: "Park 10K"}, false
	},
	"standings_steps_long": func(call int, _ activities.RecomputeInput, _ time.Time) (any, bool) {
		return activities.Recomputed{Version: call, Status: race.Provisional, Entries: 3, Race: "Park 10K", Elapsed: 1100 * time.Millisecond}, call == 1
	},
	"standings_steps_continued": func(call int, _ activities.RecomputeInput, _ time.Time) (any, bool) {
		return activities.Recomputed{Version: call, Status: race.Provisional, Entries: 3, Changed: true}, call < 45
	},
	// The result of an earlier worker's recompute, which also published and reported
	// its duration under another name.
	"standings_steps_earlier_recompute": func(call int, _ activities.RecomputeInput, began time.Time) (any, bool) {
		type earlier struct {
			Version   int         `json:"version"`
			Status    race.Status `json:"status"`
			Entries   int         `json:"entries"`
			Changed   bool        `json:"changed,omitempty"`
			PublishAt time.Time   `json:"publish_at,omitzero"`
			TookNS    int64       `json:"took_ns,omitempty"`
		}
		if ends := began.Add(protestWindow); time.Now().Before(ends) {
			return earlier{Version: 1, Status: race.Provisional, Entries: 3, PublishAt: ends, TookNS: 1_100_000_000}, call == 1
		}
		return earlier{Version: 2, Status: race.Official, Entries: 3, Changed: true}, false
	},
}

func wakeStandings(ctx context.Context, temporal client.Client, raceID string) error {
	return mrmtemporal.NewWorkflows(temporal, "default").SignalWithStart(ctx, workflows.FinalizeOptions(raceID),
		workflows.WakeSignal, workflows.FinalizeRace, workflows.FinalizeInput{RaceID: raceID})
}

// standingsStage recomputes races that are named for their scene.
type standingsStage struct {
	temporal client.Client
	began    time.Time

	mu             sync.Mutex
	calls, thinned map[string]int
}

func (s *standingsStage) recompute(ctx context.Context, in activities.RecomputeInput) (any, error) {
	s.mu.Lock()
	s.calls[in.RaceID]++
	call := s.calls[in.RaceID]
	s.mu.Unlock()
	found, woken := standingsScenes[in.RaceID](call, in, s.began)
	if woken {
		if err := wakeStandings(ctx, s.temporal, in.RaceID); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *standingsStage) publish(ctx context.Context, in activities.RecomputeInput) (any, error) {
	in.PublishApart = false
	return s.recompute(ctx, in)
}

func (s *standingsStage) thin(_ context.Context, in activities.ThinInput) (maindb.Thinned, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thinned[in.RaceID]++
	return maindb.Thinned{Dropped: 1}, nil
}

// recordSeries records a series that is woken while it is ranked.
func recordSeries(ctx context.Context, temporal client.Client, folder string) error {
	wake := func(ctx context.Context) error {
		return mrmtemporal.NewWorkflows(temporal, "default").SignalWithStart(ctx, workflows.SeriesOptions(seriesID),
			workflows.WakeSignal, workflows.RankSeries, workflows.SeriesInput{SeriesID: seriesID})
	}
	calls := 0 // one activity runs at a time
	recompute := func(ctx context.Context, _ activities.SeriesInput) (activities.RankedSeries, error) {
		calls++
		ranked := activities.RankedSeries{Version: calls, Entries: 3, Changed: true, Name: "Park Series", Elapsed: 600 * time.Millisecond}
		if calls == 1 {
			return ranked, wake(ctx)
		}
		return ranked, nil
	}
	series := worker.New(temporal, workflows.SeriesTaskQueue, worker.Options{})
	series.RegisterWorkflow(workflows.RankSeries)
	series.RegisterActivityWithOptions(recompute, activity.RegisterOptions{Name: "RecomputeSeries"})
	if err := series.Start(); err != nil {
		return fmt.Errorf("start the worker of series: %w", err)
	}
	defer series.Stop()
	if err := wake(ctx); err != nil {
		return err
	}
	if err := save(ctx, temporal, temporal.GetWorkflow(ctx, workflows.SeriesWorkflowID(seriesID), ""), filepath.Join(folder, "series.json")); err != nil {
		return err
	}
	if calls < 2 {
		return fmt.Errorf("the series was ranked %d times, although it was woken meanwhile", calls)
	}
	return nil
}

func sweepNothing(context.Context) (activities.Swept, error) {
	return activities.Swept{Checked: 2, Stale: 1}, nil
}

// recordStandings writes the histories of the workflows that keep standings.
func recordStandings(ctx context.Context, temporal client.Client, folder string) error {
	stage := &standingsStage{temporal: temporal, began: time.Now(), calls: map[string]int{}, thinned: map[string]int{}}
	metrics := activities.NewMetrics(prometheus.NewRegistry())
	standings := worker.New(temporal, workflows.StandingsTaskQueue, worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))},
	})
	standings.RegisterWorkflow(workflows.FinalizeRace)
	standings.RegisterWorkflow(workflows.SweepStandings)
	standings.RegisterActivityWithOptions(stage.recompute, activity.RegisterOptions{Name: "RecomputeStandings"})
	standings.RegisterActivityWithOptions(stage.publish, activity.RegisterOptions{Name: "PublishStandings"})
	standings.RegisterActivityWithOptions(stage.thin, activity.RegisterOptions{Name: "ThinStandings"})
	standings.RegisterActivityWithOptions(sweepNothing, activity.RegisterOptions{Name: "WakeStaleStandings"})
	if err := standings.Start(); err != nil {
		return fmt.Errorf("start the worker of standings: %w", err)
	}
	defer standings.Stop()

	runs := map[string]client.WorkflowRun{}
	for scene := range standingsScenes {
		if err := wakeStandings(ctx, temporal, scene); err != nil {
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

// check makes sure that no signal was lost, since every one that was sent during a
// recompute and the end of the window made another, and that versions were thinned
// out.
func (s *standingsStage) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for scene, least := range map[string]int{
		"standings_steps": 2, "standings_steps_long": 2, "standings_steps_published": 4, "standings_steps_continued": 45,
		"standings_steps_earlier_recompute": 3,
	} {
		if s.calls[scene] < least {
			return fmt.Errorf("%s: %d recomputes instead of %d", scene, s.calls[scene], least)
		}
	}
	for _, scene := range []string{"standings_steps", "standings_steps_published", "standings_steps_continued"} {
		if s.thinned[scene] == 0 {
			return fmt.Errorf("%s: nothing was thinned out", scene)
		}
	}
	return nil
}
