// Command worker brings official records to the ledger: it takes messages off
// the records queue, starts a workflow for each, and executes the workflows'
// steps. Bridge and workers share the process and its client to Temporal, so
// that a workflow's first task comes back with its start. `worker --help` lists
// its settings.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func main() {
	os.Exit(program().Main(context.Background(), command.System{
		Args: os.Args[1:], Environ: os.Environ(), Out: os.Stdout, ErrOut: os.Stderr,
	}))
}

func program() command.Program {
	var (
		cfg   Config
		probe probeSettings
	)
	return command.Program{Name: "worker", Commands: append([]command.Command{{
		Does:   "take records off the queue and credit them",
		Config: &cfg, Ambient: []any{&queue.SDKSettings{}, &telemetry.TracingSDKSettings{}},
		Run: func(ctx context.Context, log *slog.Logger) error {
			collectLess()
			main := &Main{Config: cfg, Log: log}
			return main.Run(ctx)
		},
	}}, command.Probes(&probe, &probe.Addr)...)}
}

// gcPercent lets the heap grow to five times what is live, some 20 MiB, before
// it is collected: 11 % less CPU for a credit and 50 MiB more at the peak.
// GOMEMLIMIT bounds it all the same.
const gcPercent = 400

// collectLess sets gcPercent unless GOGC says otherwise.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
