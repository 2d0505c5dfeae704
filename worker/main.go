// Command worker credits official records: it receives messages from the records
// queue, starts a workflow for each, and runs the workflows and their activities.
// Bridge and workers share the process and its Temporal client, so that a
// workflow's first task comes back with its start. `worker --help` lists its
// settings.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/worker/wake"
)

func main() {
	os.Exit(commands().Main(context.Background(), command.System{
		Args: os.Args[1:], Environ: os.Environ(), Out: os.Stdout, ErrOut: os.Stderr,
	}))
}

func commands() command.Program {
	var (
		cfg   Config
		probe probeSettings
	)
	return command.Program{Name: "worker", Commands: append([]command.Command{{
		Does:   "credit the records on the queue",
		Config: &cfg, Ambient: program.Ambient(),
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

// Config is what the worker reads from its environment.
type Config struct {
	program.Config
	Bridge bridge.Config
	Audit  activities.AuditConfig
	// AuditInterval is the time from one audit of credits to the next.
	AuditInterval time.Duration `env:"AUDIT_INTERVAL" envDefault:"5m" min:"1s" help:"the time from one audit of credits to the next"`
	Wake          wake.Config
	Sweep         activities.SweepConfig
	Mail          mail.Config
	Notices       activities.NoticesConfig
	Webhooks      webhook.Config
	// SweepInterval is the time from one sweep of standings to the next.
	SweepInterval time.Duration `env:"SWEEP_INTERVAL" envDefault:"1m" min:"1s" help:"the time from one sweep of standings to the next"`
	// Addr is where /healthz, /readyz and /metrics are served.
	Addr string `env:"WORKER_ADDR" envDefault:":8081" check:":port" help:"where health and metrics are served"`
}

// probeSettings say where the worker serves.
type probeSettings struct {
	Addr string `env:"WORKER_ADDR" envDefault:":8081" check:":port" help:"where health and metrics are served"`
}

// errorsOnly is the Temporal SDK's log handler. In an outage the SDK warns about
// every poll and every local attempt of thousands of workflows, where one line of
// our own is enough. LOG_LEVEL=debug shows all of them.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, level) && (level >= slog.LevelError || h.Handler.Enabled(ctx, slog.LevelDebug))
}

func (h errorsOnly) WithAttrs(attributes []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attributes)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler { return errorsOnly{h.Handler.WithGroup(name)} }
