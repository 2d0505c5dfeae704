package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
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

// CreditLabel is what people call a record; both fields are optional and public.
type CreditLabel struct {
	Bib      string
	RaceName string
}

// summary is what the Web UI shows of a credit, such as "bib 101 · Park 10K ·
// revision 2".
func (l CreditLabel) summary(input CreditInput) string {
	parts := []string{"record " + input.RecordID}
	if l.Bib != "" {
		parts[0] = "bib " + l.Bib
	}
	if name := fitting(l.RaceName, 200); name != "" {
		parts = append(parts, name)
	}
	return strings.Join(append(parts, fmt.Sprintf("revision %d", input.Revision)), " · ")
}

// fitting cuts a text so that it takes at most so many bytes as JSON, where some
// characters take six. The server refuses to start a workflow whose summary is
// longer than 400 bytes.
func fitting(text string, most int) string {
	for i, r := range text {
		encoded, err := json.Marshal(string(r))
		if most -= len(encoded) - len(`""`); err != nil || most < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// StartCreditOptions returns how CreditRecord is started: once for each revision,
// again only if it failed, and with an error when it has been started before,
// which the SDK would otherwise hide. The start is eager when a worker of the
// same client has a slot: the first task comes back with the response instead of
// through a task queue.
func StartCreditOptions(input CreditInput, label CreditLabel) client.StartWorkflowOptions {
	attributes := []temporal.SearchAttributeUpdate{
		RaceIDKey.ValueSet(input.RaceID),
		RecordIDKey.ValueSet(input.RecordID),
		CreditStatusKey.ValueSet(string(race.Pending)),
	}
	if label.Bib != "" {
		attributes = append(attributes, BibKey.ValueSet(label.Bib))
	}
	return client.StartWorkflowOptions{
		ID:                                       CreditWorkflowID(input.RaceID, input.RecordID, input.Revision),
		TaskQueue:                                RecordsTaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         true,
		WorkflowTaskTimeout:                      taskTimeout,
		TypedSearchAttributes:                    temporal.NewSearchAttributes(attributes...),
		StaticSummary:                            label.summary(input),
	}
}
