package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
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

// Interceptor translates the domain errors of every activity into Temporal's
// and counts the attempts. Activities themselves return plain wrapped errors:
// Temporal looks at the outermost one alone, so an application error that
// somebody wraps loses its type and is retried.
type Interceptor struct {
	interceptor.WorkerInterceptorBase
	metrics *Metrics
}

// NewInterceptor returns the interceptor that the worker and the replay of
// histories use.
func NewInterceptor(metrics *Metrics) *Interceptor { return &Interceptor{metrics: metrics} }

// InterceptActivity wraps an activity's execution.
func (i *Interceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	inbound := &inbound{metrics: i.metrics}
	inbound.Next = next
	return inbound
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	metrics *Metrics
}

// ExecuteActivity runs the activity, local or not, and translates its error.
func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := i.Next.ExecuteActivity(ctx, in)
	err = translate(err)
	info := activity.GetInfo(ctx)
	i.metrics.attempted(info.ActivityType.Name, info.IsLocalActivity, err)
	return result, err
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
	case mysql.IsUnavailable(err), errors.Is(err, context.DeadlineExceeded):
		return temporal.NewApplicationError(err.Error(), UnavailableType)
	}
	return temporal.NewApplicationError(err.Error(), FaultType)
}
