package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// taskTimeout is how long the server waits for a worker that took a workflow
// task and died: what recovery from a killed worker waits for. It leaves the
// local window of a step, 2 s, its place.
const taskTimeout = 3 * time.Second

// StartCreditOptions returns how CreditRecord is started, in one place: once for
// each revision, again only if it failed, and with an error when it has been
// started before, which the SDK would otherwise hide. The start is eager when a
// worker of the same client has a slot: the first task comes back with the
// answer instead of through a task queue.
func StartCreditOptions(input CreditInput) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       CreditWorkflowID(input.RaceID, input.RecordID, input.Revision),
		TaskQueue:                                RecordsTaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         true,
		WorkflowTaskTimeout:                      taskTimeout,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			RaceIDKey.ValueSet(input.RaceID),
			RecordIDKey.ValueSet(input.RecordID),
			CreditStatusKey.ValueSet(string(race.Pending)),
		),
		StaticSummary: fmt.Sprintf("credit revision %d of record %s", input.Revision, input.RecordID),
	}
}
