package workflows_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// TestReplayOfMixedHistories replays what a deployment leaves behind: an old
// worker's workflow that a new worker's activity answered, or a new worker
// started. Each history is replayed with every field that its results and input
// did not have when it was recorded, and today have. A workflow that branches on
// one without workflow.GetVersion decides otherwise than the old worker did, and
// stops for good (TMPRL1100).
func TestReplayOfMixedHistories(t *testing.T) {
	t.Parallel()
	recorded := recordedFields(t)
	for _, file := range histories(t, "testdata/histories") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			known, ok := recorded[filepath.Base(file)]
			require.True(t, ok, "testdata/fields.json does not say which fields the results had when it was recorded")
			for name, fill := range map[string]filler{"small": {number: 1, at: time.Unix(0, 0)}, "large": {number: 1 << 40, flag: true, at: time.Now().Add(time.Hour)}} {
				paths := addFields(t, file, known, fill, nil)
				for _, path := range append([]string{""}, paths...) { // all at once, then each alone
					mixed := fill
					mixed.only = path
					history := readHistory(t, file)
					addFields(t, file, known, mixed, history)
					require.NoError(t, replayHistory(newReplayer(t), history), "%s: new field %q, %s", file, path, name)
				}
			}
		})
	}
}

// TestTheGateNoticesAnUnversionedField shows that the replay of mixed histories
// catches what it is for: a workflow that rests when a result has a new field.
func TestTheGateNoticesAnUnversionedField(t *testing.T) {
	t.Parallel()
	careless := func(ctx workflow.Context) (activities.Swept, error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		var found activities.Swept
		var steps *activities.Sweeps
		err := workflow.ExecuteActivity(ctx, steps.WakeStaleStandings).Get(ctx, &found)
		if err == nil && found.Windows > 0 {
			err = workflow.Sleep(ctx, time.Second)
		}
		return found, err
	}
	const file = "testdata/histories/sweep.json"
	before := map[string][]string{"WakeStaleStandings": {"checked", "stale"}}
	replay := func(history *historypb.History) error {
		replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
		require.NoError(t, err)
		replayer.RegisterWorkflowWithOptions(careless, workflow.RegisterOptions{Name: "SweepStandings"})
		return replayHistory(replayer, history)
	}
	require.NoError(t, replay(readHistory(t, file)))
	mixed := readHistory(t, file)
	require.Contains(t, addFields(t, file, before, filler{number: 1}, mixed), "WakeStaleStandings.windows")
	require.ErrorContains(t, replay(mixed), "TMPRL1100")
}

// recordedFields says for each history which fields the results of activities,
// and the input of the workflow, had when it was recorded.
func recordedFields(t *testing.T) (fields map[string]map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/fields.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &fields))
	return fields
}

func readHistory(t *testing.T, file string) *historypb.History {
	t.Helper()
	reader, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	history, err := client.HistoryFromJSON(reader, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return history
}

// addFields adds the fields that are not known to all results and inputs of a
// history, and returns their paths. Without a history it only looks.
func addFields(t *testing.T, file string, known map[string][]string, fill filler, history *historypb.History) []string {
	t.Helper()
	if history == nil {
		history = readHistory(t, file)
	}
	fill.paths = &[]string{}
	scheduled := map[int64]string{} // activity types by event
	for _, event := range history.Events {
		switch {
		case event.GetWorkflowExecutionStartedEventAttributes() != nil:
			started := event.GetWorkflowExecutionStartedEventAttributes()
			name := started.GetWorkflowType().GetName()
			input, ok := workflows.Inputs()[name]
			require.True(t, ok, "workflows.Inputs does not know %s", name)
			if input != nil {
				fill.payloads(t, started.GetInput(), name, input, known[name])
			}
		case event.GetActivityTaskScheduledEventAttributes() != nil:
			scheduled[event.GetEventId()] = event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
		case event.GetActivityTaskCompletedEventAttributes() != nil:
			completed := event.GetActivityTaskCompletedEventAttributes()
			fill.result(t, completed.GetResult(), scheduled[completed.GetScheduledEventId()], known)
		case event.GetMarkerRecordedEventAttributes().GetMarkerName() == "LocalActivity":
			details := event.GetMarkerRecordedEventAttributes().GetDetails()
			var local struct{ ActivityType string }
			require.NoError(t, json.Unmarshal(details["data"].GetPayloads()[0].GetData(), &local))
			fill.result(t, details["result"], local.ActivityType, known)
		}
	}
	slices.Sort(*fill.paths)
	return slices.Compact(*fill.paths)
}

// filler makes up values for new fields.
type filler struct {
	number int64
	flag   bool
	at     time.Time
	only   string    // the path of the one field to add; all when empty
	paths  *[]string // of the fields that are new
}

func (f filler) result(t *testing.T, result *commonpb.Payloads, name string, known map[string][]string) {
	t.Helper()
	if len(result.GetPayloads()) == 0 {
		return // it has an error alone
	}
	of, ok := activities.Results()[name]
	require.True(t, ok, "activities.Results does not know %s", name)
	f.payloads(t, result, name, of, known[name])
}

func (f filler) payloads(t *testing.T, payloads *commonpb.Payloads, name string, of reflect.Type, known []string) {
	t.Helper()
	payload := payloads.GetPayloads()[0]
	var value any
	require.NoError(t, json.Unmarshal(payload.GetData(), &value))
	data, err := json.Marshal(f.extend(value, of, name, "", known))
	require.NoError(t, err)
	payload.Data = data
}

// extend adds the new fields to a value of a type.
func (f filler) extend(value any, of reflect.Type, name, prefix string, known []string) any {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch had := value.(type) {
	case []any:
		for i := range had {
			had[i] = f.extend(had[i], of.Elem(), name, prefix, known)
		}
	case map[string]any:
		for _, field := range activities.JSONFields(of) {
			path := prefix + field.Name
			if !slices.Contains(known, path) {
				*f.paths = append(*f.paths, name+"."+path)
				if f.only == "" || f.only == name+"."+path {
					had[field.Name] = f.sample(field.Type)
				}
			} else if below, ok := had[field.Name]; ok {
				had[field.Name] = f.extend(below, field.Type, name, path+".", known)
			}
		}
	}
	return value
}

func (f filler) sample(of reflect.Type) any {
	if of == reflect.TypeFor[time.Time]() {
		return f.at
	}
	if fields := activities.JSONFields(of); len(fields) > 0 {
		value := map[string]any{}
		for _, field := range fields {
			value[field.Name] = f.sample(field.Type)
		}
		return value
	}
	switch of.Kind() {
	case reflect.Pointer:
		return f.sample(of.Elem())
	case reflect.Slice:
		return []any{f.sample(of.Elem())}
	case reflect.Bool:
		return f.flag
	case reflect.String:
		return fmt.Sprint("new ", f.number)
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return f.number
	default:
		return reflect.Zero(of).Interface()
	}
}

// TestSummariesInTheWebUI looks at the words that the server keeps beside a
// published race's steps.
func TestSummariesInTheWebUI(t *testing.T) {
	t.Parallel()
	var summaries []string
	for _, event := range readHistory(t, "testdata/histories/standings_steps_published.json").Events {
		if data := event.GetUserMetadata().GetSummary().GetData(); data != nil {
			var summary string
			require.NoError(t, json.Unmarshal(data, &summary))
			summaries = append(summaries, regexp.MustCompile(`\d\d:\d\d`).ReplaceAllString(summary, "15:04"))
		}
	}
	for _, summary := range []string{
		"recompute: rank the race, write what changed", "protest window until 15:04 UTC",
		"publish: the protest window ended at 15:04 UTC, make the standings official",
		"thin out: drop the rows of old provisional versions",
	} {
		require.Contains(t, summaries, summary)
	}
}
