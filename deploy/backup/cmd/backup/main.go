// Command backup backs up and restores the databases of the compose project:
//
//	backup             back up on a schedule, until it is stopped
//	backup now         back up once
//	backup restore     restore to a moment
//
// `backup --help` lists the settings, which come from the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/backup"
	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// database says where one of the two databases is.
type database struct {
	Addr     string `env:"ADDR,required" check:"host:port" help:"the database's server"`
	User     string `env:"BACKUP_USER,required" help:"an account that may do everything on the server"`
	Password string `env:"BACKUP_PASSWORD,required,unset" secret:"true" help:"its password"`
}

// Settings are those of all commands.
type Settings struct {
	MainDB database `envPrefix:"MAIN_DB_"`
	UserDB database `envPrefix:"USER_DB_"`
	Place  string   `env:"BACKUP_PLACE,required" help:"where backups are: a folder, or s3://bucket/prefix"`
}

// servers are the two databases' servers.
func (s Settings) servers() []backup.Server {
	return []backup.Server{
		{Name: "main-db", Addr: s.MainDB.Addr, User: s.MainDB.User, Password: s.MainDB.Password, Databases: []string{"main_db"}},
		{Name: "user-db", Addr: s.UserDB.Addr, User: s.UserDB.User, Password: s.UserDB.Password, Databases: []string{"user_db"}},
	}
}

// Keeping are those of commands that store backups.
type Keeping struct {
	Settings
	Keep time.Duration `env:"BACKUP_KEEP" envDefault:"720h" help:"how long backups are kept"`
}

type scheduleSettings struct {
	Keeping
	Listen    string        `env:"BACKUP_ADDR" envDefault:":8082" check:":port" help:"where the schedule serves its metrics"`
	Every     time.Duration `env:"BACKUP_EVERY" envDefault:"5m" help:"the time from one copy of the binary logs to the next: what can be lost"`
	DumpEvery time.Duration `env:"BACKUP_DUMP_EVERY" envDefault:"24h" help:"the age from which a dump is followed by a new one"`
}

type restoreSettings struct {
	Settings
	backup.RestoreSettings
}

type probeSettings struct {
	Listen string `env:"BACKUP_ADDR" envDefault:":8082" check:":port" help:"where the schedule serves its metrics"`
}

func main() {
	os.Exit(commands().Main(context.Background(), command.System{
		Args: os.Args[1:], Environ: os.Environ(), Out: os.Stdout, ErrOut: os.Stderr,
	}))
}

func commands() command.Program {
	var (
		schedule scheduleSettings
		now      Keeping
		restore  restoreSettings
		probe    probeSettings
	)
	ambient := []any{&queue.SDKSettings{}, &backup.SDKSettings{}}
	return command.Program{Name: "backup", Commands: append([]command.Command{
		{
			Does: "back up on a schedule", Config: &schedule, Ambient: ambient,
			Run: func(ctx context.Context, log *slog.Logger) error { return runSchedule(ctx, schedule, log) },
		},
		{
			Name: "now", Does: "back up once, with a dump", Config: &now, Ambient: ambient,
			Run: func(ctx context.Context, log *slog.Logger) error { return runNow(ctx, now, log) },
		},
		{
			Name: "restore", Does: "restore databases to a moment; stop the API and the worker first", Config: &restore, Ambient: ambient,
			Run: func(ctx context.Context, log *slog.Logger) error { return runRestore(ctx, restore, log) },
		},
	}, command.Probes(&probe, &probe.Listen)...)}
}

func runSchedule(ctx context.Context, s scheduleSettings, log *slog.Logger) error {
	place, err := backup.OpenPlace(ctx, s.Place)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("BACKUP_ADDR: %w", err)
	}
	registry := telemetry.NewRegistry()
	schedule := backup.Schedule{
		Servers: s.servers(), Place: place, Plan: backup.Plan{DumpEvery: s.DumpEvery, Keep: s.Keep}, Every: s.Every, Log: log,
	}
	schedule.Register(registry)
	server := &http.Server{Handler: telemetry.Handler(registry, log, telemetry.Running(ctx.Done())), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	schedule.Run(ctx)
	err = server.Close()
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

func runNow(ctx context.Context, s Keeping, log *slog.Logger) error {
	place, err := backup.OpenPlace(ctx, s.Place)
	if err != nil {
		return err
	}
	return backup.All(ctx, s.servers(), place, backup.Plan{Keep: s.Keep}, log)
}

func runRestore(ctx context.Context, s restoreSettings, log *slog.Logger) error {
	place, err := backup.OpenPlace(ctx, s.Place)
	if err != nil {
		return err
	}
	options, err := s.Options()
	if err != nil {
		return err
	}
	restored, accounts, err := backup.Restore(ctx, s.servers(), place, options, log)
	backup.Report(ctx, log, restored, accounts)
	return err
}
