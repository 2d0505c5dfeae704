package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// WakeSignal asks FinalizeRace to read the databases again. It carries no data:
	// what changed is read from the databases.
	WakeSignal = "wake"

	// quietPeriod is how long a run waits for more signals before it thins out the
	// versions and ends: during a race a signal comes every second and should not
	// start a new run each time.
	quietPeriod = activities.ThinAfter + time.Second
	// linger is how long a run waits for more signals when it has nothing to thin
	// out.
	linger = 10 * time.Second
	// overdue is after how long a publication is tried again that was not carried
	// out at the end of its window: a worker's clock may be slow, and a credit that
	// it waits for may never come. Credits that do come send a signal.
	overdue = 5 * time.Second
	// prompt is how long a recompute may take so that the next may follow at once.
	// The largest races stay below it. Recomputes that take longer, of 100,000
	// entries or on a busy machine, would leave worker and databases too little
	// time for credits.
	prompt = time.Second
	// maxRecomputes bounds the history of a run: each recompute adds some 12
	// events.
	maxRecomputes = 40
	// maxUnthinned bounds how many versions a run adds before it thins them out
	// even if a burst goes on: with 30,000 entries each takes 1.45 MB.
	maxUnthinned = 20
)

// separateSteps is the change by which publishing and thinning became steps of
// their own, and a long recompute is followed by a rest.
//
// How a workflow behaves may depend on a new field of an activity's result only
// under a version: a new worker's activity may answer an old worker's workflow,
// whose history the new one then replays. Rests once depended on took_ns without
// one. Histories of those workers still replay by it, and no activity writes it
// any more, so that it says nothing in histories that know no rests.
const separateSteps = "separate-steps"

// recomputeOptions let a recompute be retried for as long as it takes; the Web UI
// shows it as pending, with its last failure. 30,000 entries take about a second on
// a busy machine. An attempt whose worker died, or received it while it was
// stopping, times out after three seconds without a heartbeat.
var recomputeOptions = workflow.ActivityOptions{
	StartToCloseTimeout: time.Minute,
	HeartbeatTimeout:    3 * time.Second,
	RetryPolicy: &temporal.RetryPolicy{
		InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second,
	},
}

// FinalizeInput names the race whose standings FinalizeRace maintains.
type FinalizeInput struct {
	RaceID string `json:"race_id"`
}

// FinalizeOptions returns how FinalizeRace is started: always with WakeSignal, also
// when a run is open, because that may already have read the databases for the last
// time. What was committed before the signal is in the standings then.
func FinalizeOptions(raceID string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                    StandingsWorkflowID(raceID),
		TaskQueue:             StandingsTaskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowTaskTimeout:   taskTimeout,
		StaticSummary:         "standings of race " + raceID,
	}
}

// FinalizeResult is the state of the standings at the end of a run. The next signal
// begins another run.
type FinalizeResult struct {
	Version    int         `json:"version"`
	Status     race.Status `json:"status,omitempty"`
	Recomputes int         `json:"recomputes"` // of this run
}

// FinalizeRace keeps the standings of a race up to date with its records and
// credits, and makes them official when a protest window has ended. It is started
// by a signal and holds no state of its own: records, credits and the open window
// are in the databases, so that losing a signal, or receiving one early, loses no
// change.
func FinalizeRace(ctx workflow.Context, input FinalizeInput) (FinalizeResult, error) {
	return newFinalize(ctx, input).run(ctx)
}

// finalize is the state of a FinalizeRace.
type finalize struct {
	input      FinalizeInput
	steps      *activities.Standings // never set: only used to name the worker's activities
	wakes      workflow.ReceiveChannel
	recomputes int
	unthinned  int  // versions written since the last thinning; 1 at first, for what earlier runs left
	separate   bool // separateSteps holds for this run
}

// recomputed is the result of a recompute, as written by this and earlier releases.
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
		// Signals are drained before the databases are read: the changes that they
		// announce are committed by then. One that comes later stays in the channel
		// and causes another recompute. Changes are gathered by the worker's
		// coalescer and not here, because a timer of the server is only exact to
		// the second.
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
			// The next run starts with a recompute, which covers the signals
			// received here.
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

// recompute updates the standings, and publishes them when that is due.
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

// rest pauses after a long recompute for as long as it took, so that standings take
// at most half of the time. Signals that come in the meantime stay in the channel.
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
// reports whether one came. It thins out versions when no signal has come for long
// enough, and during a long burst.
func (f *finalize) wait(ctx workflow.Context, now recomputed) (woken bool, err error) {
	if !f.separate || f.unthinned == 0 {
		return f.await(ctx, now, untilNext(ctx, now))
	}
	if f.unthinned >= maxUnthinned {
		if err := f.thin(ctx); err != nil {
			return false, err
		}
		f.unthinned = 1 // the newest versions cannot be thinned out yet
	}
	window := !now.PublishAt.IsZero()
	if next := untilNext(ctx, now); window && next <= quietPeriod {
		return f.await(ctx, now, next)
	}
	if woken, err := f.await(ctx, now, quietPeriod); woken || err != nil {
		return woken, err
	}
	if err := f.thin(ctx); err != nil || !window {
		return f.wakes.Len() > 0, err
	}
	return f.await(ctx, now, untilNext(ctx, now))
}

// untilNext returns how long a run may wait for a signal: until the protest window
// ends, or until the run should end.
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

// clock formats a time for the Web UI, with the day only if it is not today.
func clock(ctx workflow.Context, at time.Time) string {
	at = at.UTC()
	if at.Format(time.DateOnly) == workflow.Now(ctx).UTC().Format(time.DateOnly) {
		return at.Format("15:04 UTC")
	}
	return at.Format("2006-01-02 15:04 UTC")
}

// inDetail describes the state of the standings for the Web UI, as in "Park 10K:
// version 12, provisional, 300 entries, protest window until 15:04 UTC."
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
	if now.Disputes > 0 {
		detail += fmt.Sprintf(" %d open disputes hold up publication.", now.Disputes)
	}
	if now.Pending > 0 {
		detail += fmt.Sprintf(" %d records wait for their credit.", now.Pending)
	}
	return detail
}
