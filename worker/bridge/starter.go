package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/internal/queue"
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
