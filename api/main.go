// Command api serves Mrmrthon's HTTP API, and holds the commands that go with
// it: `api --help` lists them and their settings, which come from the
// environment.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/program"
)

func main() {
	os.Exit(commands().Main(context.Background(), command.System{
		Args: os.Args[1:], Environ: os.Environ(), Out: os.Stdout, ErrOut: os.Stderr,
	}))
}

// probeSettings say where the API serves.
type probeSettings struct {
	Addr string `env:"API_ADDR" envDefault:":8080" check:":port" help:"where the API serves"`
}

// commands returns the commands, each with settings of its own.
func commands() command.Program {
	var (
		serve    settings
		migrate  migrateSettings
		operator operatorSettings
		verify   verifySettings
		probe    probeSettings
	)
	return command.Program{Name: "api", Commands: append([]command.Command{
		{
			Does:   "serve the API and send the outbox to the queue",
			Config: &serve, Ambient: program.Ambient(),
			Run: func(ctx context.Context, log *slog.Logger) error { return runServe(ctx, serve, log, nil) },
		},
		{
			Name: "migrate", Does: "migrate both databases and grant rights to the accounts", Config: &migrate,
			Run: func(ctx context.Context, log *slog.Logger) error { return runMigrate(ctx, migrate, log) },
		},
		{
			Name: "operator", Does: "add the operator, or change the operator's password", Config: &operator,
			Run: func(ctx context.Context, log *slog.Logger) error { return runOperator(ctx, operator, log) },
		},
		{
			Name: "verify-log", Does: "verify the change log: what was removed, altered, inserted or reordered", Config: &verify,
			Run: func(ctx context.Context, log *slog.Logger) error { return runVerifyLog(ctx, verify, log) },
		},
	}, command.Probes(&probe, &probe.Addr)...)}
}
