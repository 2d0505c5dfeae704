package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
)

// SeriesInput names the series whose standings RankSeries maintains.
type SeriesInput = activities.SeriesInput

// SeriesWorkflowID returns the ID of the workflow that keeps the standings of a
// series: series/<series>.
func SeriesWorkflowID(seriesID string) string { return "series/" + seriesID }

// SeriesOptions returns how RankSeries is started: always with WakeSignal, like
// FinalizeRace.
func SeriesOptions(seriesID string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                    SeriesWorkflowID(seriesID),
		TaskQueue:             SeriesTaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowTaskTimeout:   taskTimeout,
		StaticSummary:         "standings of series " + seriesID,
	}
}

const (
	// seriesPause is the least time from one recompute of a series to the next.
	// During a race its standings change every second.
	seriesPause = 2 * time.Second
	// seriesShare bounds the part of the time that is spent on a large series: after
	// each recompute it rests for so many times as long as that took.
	seriesShare = 4
)

// RankSeries keeps the standings of a series up to date with those of its races. It
// is started by a signal and holds no state of its own.
func RankSeries(ctx workflow.Context, input SeriesInput) (activities.RankedSeries, error) {
	var steps *activities.Series // never set: only used to name the worker's activities
	wakes := workflow.GetSignalChannel(ctx, WakeSignal)
	drain := func() {
		for wakes.ReceiveAsync(nil) {
			continue
		}
	}
	for recomputes := 1; ; recomputes++ {
		drain() // before the databases are read: what the signals announce is committed
		options := recomputeOptions
		options.Summary = "recompute: rank the series, write what changed"
		var now activities.RankedSeries
		if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), steps.RecomputeSeries, input).Get(ctx, &now); err != nil {
			return now, err
		}
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("%s: version %d, %d entries.", now.Name, now.Version, now.Entries))
		pause := workflow.TimerOptions{Summary: "pause before the next recompute"}
		if err := workflow.NewTimerWithOptions(ctx, max(seriesPause, seriesShare*now.Elapsed), pause).Get(ctx, nil); err != nil {
			return now, err
		}
		woken, err := workflow.AwaitWithTimeout(ctx, linger, func() bool { return wakes.Len() > 0 })
		switch {
		case err != nil:
			return now, err
		case !woken:
			return now, nil
		case recomputes >= maxRecomputes || workflow.GetInfo(ctx).GetContinueAsNewSuggested():
			drain() // the next run starts with a recompute
			return now, workflow.NewContinueAsNewError(ctx, RankSeries, input)
		}
	}
}
