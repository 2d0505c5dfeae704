package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	temporalNamespace = "default"
	// retention is how long closed workflows are kept.
	retention = 7 * 24 * time.Hour
)

// searchAttributes are what the Web UI finds a credit by.
func searchAttributes() []string {
	return []string{"RaceId", "RunnerId", "RecordId", "Bib", "CreditStatus"}
}

func (s *Stack) temporal() component {
	return component{
		command: s.temporalCommand,
		start:   s.opts.Server.start(),
		ready:   s.settleTemporal,
		ports:   []int{s.ports.Temporal, s.ports.TemporalUI},
	}
}

func (s *Stack) temporalCommand(context.Context) (*exec.Cmd, error) {
	args := []string{
		"server", "start-dev",
		"--ip", host, "--port", strconv.Itoa(s.ports.Temporal),
		"--ui-ip", host, "--ui-port", strconv.Itoa(s.ports.TemporalUI),
		"--db-filename", s.folder.path("temporal", "temporal.db"),
		"--namespace", temporalNamespace,
		"--log-level", "error",
	}
	for _, name := range searchAttributes() {
		args = append(args, "--search-attribute", name+"=Keyword")
	}
	for _, setting := range s.opts.Server.dynamicConfig() {
		args = append(args, "--dynamic-config-value", setting)
	}
	for _, pragma := range s.opts.Server.sqlitePragmas() {
		args = append(args, "--sqlite-pragma", pragma)
	}
	cmd := exec.Command(s.programs.of(Temporal), args...) //nolint:noctx // ends by Stop, not by a context
	cmd.Env = append(environmentWithout("TEMPORAL_"), s.opts.Server.environment()...)
	return cmd, nil
}

// settleTemporal returns when the server is healthy, closed workflows are kept for a
// week, and the search attributes are registered: a start with an unregistered one is
// refused.
func (s *Stack) settleTemporal(ctx context.Context) (err error) {
	// While a server starts, the SDK's log would be full of refused connections.
	options := client.Options{HostPort: s.TemporalAddress(), Namespace: temporalNamespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.CheckHealth(ctx, nil); err != nil {
		return err
	}
	if err := keepWorkflows(ctx, c.WorkflowService()); err != nil {
		return err
	}
	if err := registerSearchAttributes(ctx, c.OperatorService()); err != nil {
		return err
	}
	if s.opts.Server == Tuned {
		s.trimVisibility(ctx, c.WorkflowService())
	}
	return nil
}

func keepWorkflows(ctx context.Context, service workflowservice.WorkflowServiceClient) error {
	namespace, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
		Namespace: temporalNamespace,
	})
	if err != nil {
		return fmt.Errorf("describe the namespace: %w", err)
	}
	if namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration() == retention {
		return nil
	}
	_, err = service.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: temporalNamespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(retention)},
	})
	if err != nil {
		return fmt.Errorf("set the retention: %w", err)
	}
	return nil
}

// registerSearchAttributes adds the search attributes that are missing: the database may
// have been created by an older version with fewer of them.
func registerSearchAttributes(ctx context.Context, service operatorservice.OperatorServiceClient) error {
	known, err := service.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{
		Namespace: temporalNamespace,
	})
	if err != nil {
		return fmt.Errorf("list the search attributes: %w", err)
	}
	missing := map[string]enums.IndexedValueType{}
	for _, name := range searchAttributes() {
		if known.GetCustomAttributes()[name] != enums.INDEXED_VALUE_TYPE_KEYWORD {
			missing[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = service.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: temporalNamespace, SearchAttributes: missing,
	})
	if err != nil {
		return fmt.Errorf("register the search attributes: %w", err)
	}
	return errors.New("the search attributes were just registered") // asked again until they show
}

// environmentWithout is this process's environment without the variables whose
// names begin so: settings of the machine's user must not reach the stack.
func environmentWithout(prefixes ...string) []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(entry, prefix) })
	})
}

// TemporalAddress is host:port of Temporal's frontend.
func (s *Stack) TemporalAddress() string { return address(s.ports.Temporal) }

// TemporalUIURL is the address of the Web UI.
func (s *Stack) TemporalUIURL() string { return "http://" + address(s.ports.TemporalUI) }

// Server selects the settings of the Temporal dev server. All but Tuned exist for
// comparison in the bench.
type Server string

const (
	// Tuned is the zero value, with which the stack runs.
	Tuned Server = ""
	// SettingsAlone is Tuned with all the indexes of the dev server's schema.
	SettingsAlone Server = "settings-alone"
	// LimitsLifted lifts the rate limits, which are made for a cluster that
	// many share, and nothing else.
	LimitsLifted Server = "limits-lifted"
	// Untouched is `temporal server start-dev` with a database file.
	Untouched Server = "untouched"
)

const unlimited = "1000000"

// dynamicConfig returns KEY=VALUE settings. Those of Tuned lift the limits and also avoid
// work that the server would repeat; `make bench` measures their combined effect.
func (s Server) dynamicConfig() []string {
	if s == Untouched {
		return nil
	}
	var settings []string
	set := func(value string, keys ...string) {
		for _, key := range keys {
			settings = append(settings, key+"="+value)
		}
	}
	set(unlimited,
		"matching.rps", "frontend.rps", "frontend.namespaceRPS", "frontend.namespaceCount", "history.rps",
		"history.persistenceMaxQPS", "matching.persistenceMaxQPS",
		"frontend.persistenceMaxQPS", "worker.persistenceMaxQPS")
	if s == LimitsLifted {
		return settings
	}
	// One partition, since there is only one host.
	set("1", "matching.numTaskqueueReadPartitions", "matching.numTaskqueueWritePartitions")
	set("false", "system.forceSearchAttributesCacheRefreshOnRead")
	// An activity is returned with the workflow task that schedules it.
	set("true", "system.enableActivityEagerExecution")
	// Plain activities on an idle server: 280 ms to 25 ms.
	set("100000",
		"history.transferProcessorMaxPollRPS", "history.timerProcessorMaxPollRPS",
		"history.transferProcessorMaxPollHostRPS", "history.timerProcessorMaxPollHostRPS",
		"history.visibilityProcessorMaxPollHostRPS")
	// Few, large reads: the start record of a workflow that has closed
	// meanwhile is skipped. The large batch keeps the Web UI within a second.
	set("2", "history.visibilityProcessorMaxPollRPS")
	set("5000", "history.visibilityTaskBatchSize")
	// Completed tasks are scanned again until the next checkpoint.
	set(`"1s"`,
		"history.transferProcessorUpdateAckInterval", "history.timerProcessorUpdateAckInterval",
		"history.visibilityProcessorUpdateAckInterval")
	set(unlimited, "history.queueMoveGroupTaskCountBase")
	set("20000", "history.hostLevelCacheMaxSize")
	return settings
}

// sqlitePragmas: with synchronous=NORMAL a power cut may forget the last
// workflows (a kill does not); the audit finds their records.
func (s Server) sqlitePragmas() []string {
	switch s {
	case Untouched:
		return nil
	case LimitsLifted:
		return []string{"journal_mode=WAL", "synchronous=NORMAL"}
	case Tuned, SettingsAlone:
	}
	return []string{
		"journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536", "temp_store=2", "wal_autocheckpoint=4000",
	}
}

// environment returns the environment of the server's process. A larger heap needs fewer
// collections, since the live heap is small.
func (s Server) environment() []string {
	switch s {
	case Tuned, SettingsAlone:
		return []string{"GOGC=400"}
	case LimitsLifted, Untouched:
	}
	return nil
}

// start is how the server's process is started.
func (s Server) start() func(*exec.Cmd) error {
	switch s {
	case Tuned, SettingsAlone:
	case LimitsLifted, Untouched:
		return (*exec.Cmd).Start
	}
	return StartInBatch
}
