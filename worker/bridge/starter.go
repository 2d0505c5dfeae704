package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/tracecontext"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// CreditStarter starts CreditRecord. The client should be the worker's own, so
// that the start is eager.
type CreditStarter struct {
	Client client.Client
	Log    *slog.Logger
}

// Start starts the workflow that credits the message's revision and does not
// wait for its result.
func (s CreditStarter) Start(ctx context.Context, m queue.Message) error {
	input := workflows.CreditInput{RaceID: m.RaceID, RecordID: m.RecordID, Revision: m.Revision}
	options := workflows.StartCreditOptions(input, workflows.CreditLabel{Bib: m.Label.Bib, RaceName: m.Label.RaceName})
	run, err := s.Client.ExecuteWorkflow(ctx, options, workflows.CreditRecord, input)
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &already):
		return ErrAlreadyStarted
	case err != nil:
		return fmt.Errorf("start %s: %w", options.ID, err)
	}
	s.Log.DebugContext(ctx, "workflow started", "race_id", m.RaceID, "record_id", m.RecordID, "revision", m.Revision,
		"workflow_id", options.ID, "run_id", run.GetRunID())
	return nil
}

// Traced returns a starter with a span for each attempt to start, in the trace
// that the message belongs to. Without a provider it returns next.
func Traced(next Starter, provider trace.TracerProvider) Starter {
	if provider == nil {
		return next
	}
	return traced{next, provider.Tracer("github.com/mrmrthon/mrmrthon/worker/bridge")}
}

type traced struct {
	next   Starter
	tracer trace.Tracer
}

// Start starts the workflow of a message within the message's trace.
func (s traced) Start(ctx context.Context, m queue.Message) error {
	ctx, span := tracecontext.StartFrom(ctx, s.tracer, "process records", m.Trace.Parent, m.Trace.Link,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("messaging.system", "aws_sqs"), attribute.String("messaging.operation.type", "process"),
			attribute.String("race_id", m.RaceID), attribute.String("record_id", m.RecordID),
			attribute.Int("revision", m.Revision),
		))
	defer span.End()
	err := s.next.Start(ctx, m)
	switch {
	case errors.Is(err, ErrAlreadyStarted):
		span.AddEvent("the workflow had already been started")
	case err != nil:
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
