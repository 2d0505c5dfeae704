package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// WakeSignal asks FinalizeRace to look at the databases again. It carries
	// nothing: what changed is read, not told.
	WakeSignal = "wake"

	// linger is how long a run waits for more before it ends: while a race goes on
	// a signal comes every second, and need not begin a run of its own.
	linger = 10 * time.Second
	// overdue is when a publication looks again that was not carried out at the end
	// of its window: a worker's clock may be behind, and a credit that it waits for
	// may never come. Those that come send a signal.
	overdue = 5 * time.Second
	// prompt is how long a recompute may take for the next to follow at once. The
	// largest races are below it; one that takes longer, of 100,000 entries or on a
	// busy machine, would leave worker and databases little time for credits.
	prompt = time.Second
	// maxRecomputes bounds the history of a run: each takes some 12 events.
	maxRecomputes = 40
)

// recomputeOptions let a recompute be retried for as long as it takes: it shows
// as pending, with its last failure, in the Web UI. 30,000 entries take about a
// second on a busy machine. One whose worker died, or was handed it while it
// stopped, is given up after three seconds without a sign of life.
var recomputeOptions = workflow.ActivityOptions{
	StartToCloseTimeout: time.Minute,
	HeartbeatTimeout:    3 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{
		InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
	},
}

// FinalizeInput names the race whose standings FinalizeRace keeps.
type FinalizeInput struct {
	RaceID string `json:"race_id"`
}

// FinalizeResult is how a run left the standings. The next signal begins
// another run.
type FinalizeResult struct {
	Version    int         `json:"version"`
	Status     race.Status `json:"status,omitempty"`
	Recomputes int         `json:"recomputes"` // of this run
}

// FinalizeRace keeps the standings of a race in step with its records and
// credits, and makes them official when a protest window has ended. It begins
// with a signal and holds no state of its own: records, credits and the open
// window are in the databases, so that nothing is lost with a signal that was
// sent before its change was read.
func FinalizeRace(ctx workflow.Context, input FinalizeInput) (FinalizeResult, error) {
	return newFinalize(ctx, input).run(ctx)
}

// finalize is the state of a FinalizeRace.
type finalize struct {
	input      FinalizeInput
	steps      *activities.Standings // never set: the worker's own is called by name
	wakes      workflow.ReceiveChannel
	recomputes int
}

func newFinalize(ctx workflow.Context, input FinalizeInput) *finalize {
	return &finalize{input: input, wakes: workflow.GetSignalChannel(ctx, WakeSignal)}
}

func (f *finalize) run(ctx workflow.Context) (FinalizeResult, error) {
	for {
		// Signals are drained before the databases are read: what they stand for is
		// committed by then. One that comes later stays in the channel and makes
		// another recompute. The window in which changes are gathered is the
		// coalescer's: a timer of the server is only exact to the second.
		f.drain()
		now, err := f.recompute(ctx)
		if err != nil {
			return FinalizeResult{}, err
		}
		if err := rest(ctx, now); err != nil {
			return FinalizeResult{}, err
		}
		woken, err := f.await(ctx, untilNext(ctx, now))
		switch {
		case err != nil:
			return FinalizeResult{}, err
		case f.recomputes >= maxRecomputes || workflow.GetInfo(ctx).GetContinueAsNewSuggested():
			// The next run recomputes first of all, which covers the signals seen here.
			f.drain()
			return FinalizeResult{}, workflow.NewContinueAsNewError(ctx, FinalizeRace, f.input)
		case !woken && now.PublishAt.IsZero():
			return FinalizeResult{Version: now.Version, Status: now.Status, Recomputes: f.recomputes}, nil
		}
	}
}

func (f *finalize) drain() {
	for f.wakes.ReceiveAsync(nil) {
		continue
	}
}

func (f *finalize) recompute(ctx workflow.Context) (activities.Recomputed, error) {
	f.recomputes++
	options := recomputeOptions
	options.Summary = "recompute: rank the race, write what changed"
	var now activities.Recomputed
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), f.steps.RecomputeStandings,
		activities.RecomputeInput{RaceID: f.input.RaceID}).Get(ctx, &now)
	if err == nil {
		workflow.SetCurrentDetails(ctx, inDetail(now))
	}
	return now, err
}

// rest makes a long recompute be followed by a pause as long, so that standings
// take half of the time at most. Signals that come meanwhile stay in the channel.
func rest(ctx workflow.Context, last activities.Recomputed) error {
	if last.Took <= prompt {
		return nil
	}
	summary := fmt.Sprintf("rest: the recompute took %s", last.Took.Round(100*time.Millisecond))
	return workflow.NewTimerWithOptions(ctx, last.Took, workflow.TimerOptions{Summary: summary}).Get(ctx, nil)
}

// untilNext returns how long a run may wait for a signal: until the protest
// window ends, or until it is no longer worth staying.
func untilNext(ctx workflow.Context, now activities.Recomputed) time.Duration {
	if now.PublishAt.IsZero() {
		return linger
	}
	if left := now.PublishAt.Sub(workflow.Now(ctx)); left > 0 {
		return left
	}
	return overdue
}

// await waits for a signal, and tells whether there is one. The signal stays in
// the channel.
func (f *finalize) await(ctx workflow.Context, limit time.Duration) (woken bool, err error) {
	timing, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timing, limit, workflow.TimerOptions{Summary: "wait for the next wake-up"})
	workflow.NewSelector(ctx).
		AddFuture(timer, func(workflow.Future) {}).
		AddReceive(f.wakes, func(workflow.ReceiveChannel, bool) {}).
		Select(ctx)
	return f.wakes.Len() > 0, ctx.Err()
}

// inDetail says how the standings are, for the Web UI.
func inDetail(now activities.Recomputed) string {
	if now.Version == 0 {
		return "There is nothing to rank yet."
	}
	detail := fmt.Sprintf("Version %d, %s, %d entries.", now.Version, now.Status, now.Entries)
	if now.Pending > 0 {
		detail += fmt.Sprintf(" %d records wait for their credit.", now.Pending)
	}
	if !now.PublishAt.IsZero() {
		detail += " The protest window ends at " + now.PublishAt.UTC().Format(time.RFC3339) + "."
	}
	return detail
}
