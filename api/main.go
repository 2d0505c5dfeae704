// Command api serves Mrmrthon's HTTP API, and holds the commands that go with
// it:
//
//	api            serve, and send the outbox to the queue
//	api migrate    bring both databases up to date and grant the accounts
//	api operator   add the operator, or change the operator's password
//
// Settings come from the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/caarlos0/env/v11"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// version is stamped by the build.
var version = "dev"

const usage = `usage: api [migrate|operator]

  api            serve the API and send the outbox to the queue
  api migrate    bring both databases up to date and grant the accounts
  api operator   add the operator, or change the operator's password
`

func main() {
	os.Exit(start(os.Args[1:]))
}

// start runs a command and returns its exit code.
func start(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var level struct {
		Log slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
	}
	err := env.Parse(&level)
	log := telemetry.NewLogger(os.Stderr, level.Log)
	if err == nil {
		err = run(ctx, args, log)
	}
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		return 2
	case err != nil:
		log.Error("stopped", "error", err)
		return 1
	}
	return 0
}

var errUsage = errors.New("no such command")

func run(ctx context.Context, args []string, log *slog.Logger) error {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	if len(args) > 1 {
		return errUsage
	}
	switch command {
	case "serve":
		return runServe(ctx, log)
	case "migrate":
		return runMigrate(ctx, log)
	case "operator":
		return runOperator(ctx, log)
	}
	return errUsage
}
