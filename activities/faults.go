// Package activities holds the steps of a workflow that touch the world. Each is
// thin: it reads or writes a store, applies a pure rule, and returns domain
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
)

// The types of the errors by which a step fails, as the Web UI shows them and
// workflows branch on them.
const (
	// RejectionType is an expected answer and not retried; its message is the reason.
	RejectionType = "Rejection"
	// UnavailableType is a database that cannot be reached just now.
	UnavailableType = "Unavailable"
	// FaultType is everything else. It is retried too: what is wrong may be put
	// right by an operator or the next release.
	FaultType = "Fault"
)

// Interceptor translates the domain errors of every activity into Temporal's,
// counts the attempts and logs when a step begins and ceases to find its
// database unavailable. Activities themselves return plain wrapped errors:
// Temporal looks at the outermost one alone, so an application error that
// somebody wraps loses its type and is retried.
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
	within, cancel := inTimeToTell(ctx)
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

// inTimeToTell ends an attempt a twentieth before its time is over, so that it
// tells itself what it was waiting for. Once Temporal has ended it, "timeout" is
// all that an operator gets to see.
func inTimeToTell(ctx context.Context) (context.Context, context.CancelFunc) {
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

// link returns the way of an activity to what it depends on.
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
		return unavailable("no answer in time, from a database that is away or has the row locked: " + err.Error())
	case errors.Is(err, race.ErrUnavailable):
		return unavailable(err.Error())
	}
	return temporal.NewApplicationError(err.Error(), FaultType)
}

// unavailable is benign, or the SDK logs every attempt of everything that waits.
func unavailable(message string) error {
	return temporal.NewApplicationErrorWithOptions(message, UnavailableType, temporal.ApplicationErrorOptions{
		Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// beat is the time between the heartbeats of a long activity.
const beat = time.Second

// keepAlive sends heartbeats with the given details until stop is called. Without
// them Temporal takes an activity whose worker died for running until it times
// out. A short activity ends before the first and costs nothing. The details
// replace those sent before: pass where a new attempt would resume.
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
