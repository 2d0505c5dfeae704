// Command worker brings official records to the ledger: it takes messages off
// the records queue, starts a workflow for each, and executes the workflows'
// steps. Bridge and workers share the process and its client to Temporal, so
// that a workflow's first task comes back with its start.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/caarlos0/env/v11"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

func main() {
	os.Exit(run())
}

// run returns the program's exit status. A first SIGTERM or SIGINT stops the
// program in order, a second one at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	var cfg Config
	if err := env.Parse(&cfg); err != nil {
		telemetry.NewLogger(os.Stderr, slog.LevelInfo).Error("the settings do not suffice", "error", err)
		return 2
	}
	log := telemetry.NewLogger(os.Stderr, cfg.LogLevel)
	program := &Main{Config: cfg, Log: log}
	if err := program.Run(ctx); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	return 0
}
