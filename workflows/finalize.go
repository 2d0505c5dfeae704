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

	// settled is how long a run waits for more before it thins out the versions and
	// ends: while a race goes on a signal comes every second, and need not begin a
	// run of its own.
	settled = activities.ThinAfter + time.Second
	// linger is what runs without a thinning wait.
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
	// maxUnthinned bounds how many versions a run adds before it thins them out,
	// though a burst goes on: those of 30,000 entries take 1.45 MB each.
	maxUnthinned = 20
)

// separateSteps is the change since which publishing and thinning are steps of
// their own and a long recompute is followed by a rest under this version.
//
// How a workflow behaves may depend on a new field of an activity's result only
// under a version: a new worker's activity may answer an old worker's workflow,
// whose history the new one then replays. Rests once depended on took_ns without
// one. Histories of those workers still replay by it, and no activity writes it
// any more, so that it says nothing in histories that know no rests.
const separateSteps = "separate-steps"

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
	unthinned  int  // versions written since the last thinning; 1 at first, for what earlier runs left
	separate   bool // separateSteps holds for this run
}

// recomputed is a recompute's answer, as today's and earlier workers write it.
type recomputed struct {
	activities.Recomputed
	Took time.Duration `json:"took_ns,omitempty"` // see separateSteps
}

func newFinalize(ctx workflow.Context, input FinalizeInput) *finalize {
	return &finalize{
		input: input, wakes: workflow.GetSignalChannel(ctx, WakeSignal), unthinned: 1,
		separate: workflow.GetVersion(ctx, separateSteps, workflow.DefaultVersion, 1) >= 1,
	}
}

func (f *finalize) run(ctx workflow.Context) (FinalizeResult, error) {
	for {
		// Signals are drained before the databases are read: what they stand for is
		// committed by then. One that comes later stays in the channel and makes
		// another recompute. The window in which changes are gathered is the
		// coalescer's: a timer of the server is only exact to the second.
		f.drain()
		now, err := f.recompute(ctx)
		if err == nil {
			err = f.rest(ctx, now)
		}
		if err != nil {
			return FinalizeResult{}, err
		}
		woken, err := f.wait(ctx, now)
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

// recompute brings the standings up to date, and publishes them when that is due.
func (f *finalize) recompute(ctx workflow.Context) (recomputed, error) {
	f.recomputes++
	in := activities.RecomputeInput{RaceID: f.input.RaceID, PublishApart: f.separate}
	var now recomputed
	err := f.do(ctx, "recompute: rank the race, write what changed", f.steps.RecomputeStandings, in, &now)
	if err == nil && f.separate && now.Due {
		summary := "publish: the protest window ended at " + clock(ctx, now.PublishAt) + ", make the standings official"
		now = recomputed{}
		err = f.do(ctx, summary, f.steps.PublishStandings, in, &now)
	}
	if err != nil {
		return now, err
	}
	if now.Changed {
		f.unthinned++
	}
	workflow.SetCurrentDetails(ctx, inDetail(ctx, now.Recomputed))
	return now, nil
}

func (f *finalize) do(ctx workflow.Context, summary string, step, in, result any) error {
	options := recomputeOptions
	options.Summary = summary
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), step, in).Get(ctx, result)
}

// thin drops the rows of versions that nobody needs any more.
func (f *finalize) thin(ctx workflow.Context) error {
	f.unthinned = 0
	return f.do(ctx, "thin out: drop the rows of old provisional versions", f.steps.ThinStandings,
		activities.ThinInput{RaceID: f.input.RaceID}, nil)
}

// rest makes a long recompute be followed by a pause as long, so that standings
// take half of the time at most. Signals that come meanwhile stay in the channel.
func (f *finalize) rest(ctx workflow.Context, last recomputed) error {
	took := last.Took
	if f.separate {
		took = max(took, last.Elapsed)
	}
	if took <= prompt {
		return nil
	}
	summary := fmt.Sprintf("rest: the recompute took %s", took.Round(100*time.Millisecond))
	return workflow.NewTimerWithOptions(ctx, took, workflow.TimerOptions{Summary: summary}).Get(ctx, nil)
}

// wait waits for a signal until the next recompute is due or the run may end, and
// reports whether one came. Versions are thinned out when it has been quiet for
// long enough, and during a long burst.
func (f *finalize) wait(ctx workflow.Context, now recomputed) (woken bool, err error) {
	if !f.separate || f.unthinned == 0 {
		return f.await(ctx, now, untilNext(ctx, now))
	}
	if f.unthinned >= maxUnthinned {
		if err := f.thin(ctx); err != nil {
			return false, err
		}
		f.unthinned = 1 // the newest are not thinned out yet
	}
	window := !now.PublishAt.IsZero()
	if next := untilNext(ctx, now); window && next <= settled {
		return f.await(ctx, now, next)
	}
	if woken, err := f.await(ctx, now, settled); woken || err != nil {
		return woken, err
	}
	if err := f.thin(ctx); err != nil || !window {
		return f.wakes.Len() > 0, err
	}
	return f.await(ctx, now, untilNext(ctx, now))
}

// untilNext returns how long a run may wait for a signal: until the protest
// window ends, or until it is no longer worth staying.
func untilNext(ctx workflow.Context, now recomputed) time.Duration {
	if now.PublishAt.IsZero() {
		return linger
	}
	if left := now.PublishAt.Sub(workflow.Now(ctx)); left > 0 {
		return left
	}
	return overdue
}

// await waits for a signal, and reports whether there is one. The signal stays in
// the channel.
func (f *finalize) await(ctx workflow.Context, now recomputed, limit time.Duration) (woken bool, err error) {
	summary := "wait for the next wake-up"
	switch {
	case now.PublishAt.After(workflow.Now(ctx)):
		summary = "protest window until " + clock(ctx, now.PublishAt)
	case now.Pending > 0 && !now.PublishAt.IsZero():
		summary = fmt.Sprintf("publishing waits for the credits of %d records", now.Pending)
	}
	timing, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timing, limit, workflow.TimerOptions{Summary: summary})
	workflow.NewSelector(ctx).
		AddFuture(timer, func(workflow.Future) {}).
		AddReceive(f.wakes, func(workflow.ReceiveChannel, bool) {}).
		Select(ctx)
	return f.wakes.Len() > 0, ctx.Err()
}

// clock writes a time for the Web UI: the day only when it is another one.
func clock(ctx workflow.Context, at time.Time) string {
	at = at.UTC()
	if at.Format(time.DateOnly) == workflow.Now(ctx).UTC().Format(time.DateOnly) {
		return at.Format("15:04 UTC")
	}
	return at.Format("2006-01-02 15:04 UTC")
}

// inDetail says how the standings are, for the Web UI, as in "Park 10K: version
// 12, provisional, 300 entries, protest window until 15:04 UTC."
func inDetail(ctx workflow.Context, now activities.Recomputed) string {
	name := now.Race
	if name == "" {
		name = "This race"
	}
	if now.Version == 0 {
		return name + ": nothing to rank yet."
	}
	detail := fmt.Sprintf("%s: version %d, %s, %d entries", name, now.Version, now.Status, now.Entries)
	if !now.PublishAt.IsZero() {
		detail += ", protest window until " + clock(ctx, now.PublishAt)
	}
	detail += "."
	if now.Pending > 0 {
		detail += fmt.Sprintf(" %d records wait for their credit.", now.Pending)
	}
	return detail
}
