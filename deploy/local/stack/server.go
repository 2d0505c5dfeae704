package stack

import "os/exec"

// Server says with which settings the Temporal dev server runs. All but Tuned
// are there to be measured against.
type Server string

const (
	// Tuned is the zero value and how the stack runs it.
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

// dynamicConfig returns KEY=VALUE settings. Those of Tuned stop, beyond the
// limits, the work that the server does over and over; what they give together
// is measured by `make bench`.
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
	// One partition: nothing is to be spread over hosts.
	set("1", "matching.numTaskqueueReadPartitions", "matching.numTaskqueueWritePartitions")
	set("false", "system.forceSearchAttributesCacheRefreshOnRead")
	// An activity comes back with the workflow task that schedules it.
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
	// Finished tasks are scanned again until the next checkpoint.
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

// environment of the server's process. A larger heap makes for fewer
// collections: the live heap is small.
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
