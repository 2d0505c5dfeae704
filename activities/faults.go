// Package activities holds the steps of the workflows that have side effects. Each
// is thin: it reads or writes a store, applies a pure rule, and returns domain
// errors, which one interceptor translates for Temporal.
package activities

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// The types of the errors of steps, as the Web UI shows them and workflows branch
// on them.
const (
	// RejectionType is an expected outcome and is not retried; its message is the
	// reason.
	RejectionType = "Rejection"
	// UnavailableType is a database that cannot be reached at the moment.
	UnavailableType = "Unavailable"
	// HeldType is work that another step does, or did when it was killed: it is retried when
	// that step's lease ends.
	HeldType = "Held"
	// FaultType is everything else. It is retried too, since an operator or the
	// next release may fix the cause.
	FaultType = "Fault"
)

// Interceptor translates the domain errors of every activity into Temporal's,
// counts the attempts, and logs when the database of a step becomes unavailable and
// when it is available again. Activities themselves return plain wrapped errors:
// Temporal looks only at the outermost error, so a wrapped application error would
// lose its type and be retried.
type Interceptor struct {
	interceptor.WorkerInterceptorBase
	metrics *Metrics
	log     *slog.Logger

	mu    sync.Mutex
	links map[string]*telemetry.Link // by activity
}

// NewInterceptor returns the interceptor that the worker and the replay of
// histories use.
func NewInterceptor(metrics *Metrics, log *slog.Logger) *Interceptor {
	return &Interceptor{metrics: metrics, log: log, links: map[string]*telemetry.Link{}}
}

// InterceptActivity wraps an activity's execution.
func (i *Interceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	inbound := &inbound{of: i}
	inbound.Next = next
	return inbound
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	of *Interceptor
}

// ExecuteActivity runs the activity, local or not, and translates its error.
func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	within, cancel := withinTimeout(ctx)
	defer cancel()
	result, err := i.Next.ExecuteActivity(within, in)
	err = translate(err)
	i.of.note(ctx, info, err)
	i.of.metrics.attempted(info.ActivityType.Name, info.IsLocalActivity, err)
	if hasType(err, UnavailableType) {
		i.of.link(info.ActivityType.Name).Report(err)
	} else {
		i.of.link(info.ActivityType.Name).Report(nil)
	}
	return result, err
}

// withinTimeout ends an attempt when 95 % of its time are over, so that its own
// error says what it was waiting for. When Temporal ends the attempt, an operator
// sees nothing but "timeout".
func withinTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/20))
}

// note logs an attempt; the line carries the IDs of its workflow.
func (i *Interceptor) note(ctx context.Context, info activity.Info, err error) {
	if i.log.Enabled(ctx, slog.LevelDebug) {
		i.log.DebugContext(ctx, "step", "step", info.ActivityType.Name, "local", info.IsLocalActivity, "attempt", info.Attempt,
			"outcome", outcomeOf(err), "ms", float64(time.Since(info.StartedTime).Microseconds())/1000)
	}
}

// link returns the connection of an activity to its database.
func (i *Interceptor) link(step string) *telemetry.Link {
	i.mu.Lock()
	defer i.mu.Unlock()
	link, ok := i.links[step]
	if !ok {
		link = telemetry.NewLink("the database of "+step, i.log)
		i.links[step] = link
	}
	return link
}

func hasType(err error, name string) bool {
	var failure *temporal.ApplicationError
	return errors.As(err, &failure) && failure.Type() == name
}

func translate(err error) error {
	var already *temporal.ApplicationError
	var rejection *race.Rejection
	switch {
	case err == nil, errors.As(err, &already), temporal.IsCanceledError(err):
		return err
	case errors.As(err, &rejection):
		return temporal.NewApplicationErrorWithOptions(rejection.Reason, RejectionType, temporal.ApplicationErrorOptions{
			NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable("no answer in time; the database is unreachable or the row is locked: " + err.Error())
	case errors.Is(err, race.ErrUnavailable):
		return unavailable(err.Error())
	}
	if held, is := errors.AsType[*userdb.HeldError](err); is {
		return temporal.NewApplicationErrorWithOptions(err.Error(), HeldType, temporal.ApplicationErrorOptions{
			NextRetryDelay: held.For + heldSlack, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}
	return temporal.NewApplicationError(err.Error(), FaultType)
}

// heldSlack is how long after the end of a lease a step looks again: Temporal takes a delay
// of zero for none at all, and rounds.
const heldSlack = 100 * time.Millisecond

// unavailable returns a benign error; otherwise the SDK would log every attempt of
// every waiting activity.
func unavailable(message string) error {
	return temporal.NewApplicationErrorWithOptions(message, UnavailableType, temporal.ApplicationErrorOptions{
		Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// beat is the time between the heartbeats of a long activity.
const beat = time.Second

// keepAlive sends heartbeats with the given details until stop is called. Without
// them, Temporal considers an activity whose worker died to be running until it
// times out. A short activity ends before the first heartbeat and costs nothing.
// The details replace those of the previous heartbeat: pass where a new attempt
// should resume.
func keepAlive(ctx context.Context, details ...any) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx, details...)
			}
		}
	}()
	return cancel
}
