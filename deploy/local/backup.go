package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/mrmrthon/mrmrthon/deploy/backup"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// backUp backs the stack's databases up. It uses the server of a stack that runs,
// and otherwise starts that server alone.
func backUp(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("backup", flag.ContinueOnError)
	logs := flags.Bool("logs", false, "copy the binary logs only, when there is a dump already")
	keep := flags.Duration("keep", 0, "delete what is not needed to restore to a moment within this `time`; 0: nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	place, err := placeOf(ctx, flags)
	if err != nil {
		return err
	}
	server, stop, err := databaseServer(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	plan := backup.Plan{Keep: *keep}
	if *logs {
		plan.DumpEvery = 1<<63 - 1
	}
	return backup.All(ctx, []backup.Server{server}, place, plan, plainLog())
}

// restore restores the stack's databases.
func restore(ctx context.Context, args []string) (err error) {
	set, err := env.ParseAs[backup.RestoreSettings]()
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	options, err := set.Options()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("restore", flag.ContinueOnError)
	if err := flags.Parse(args); err != nil {
		return err
	}
	place, err := placeOf(ctx, flags)
	if err != nil {
		return err
	}
	server, stop, err := databaseServer(ctx, options.Running)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	log := plainLog()
	restored, accounts, err := backup.Restore(ctx, []backup.Server{server}, place, options, log)
	backup.Report(ctx, log, restored, accounts)
	return err
}

// verifyLog verifies the change log of the stack.
func verifyLog(ctx context.Context) (err error) {
	server, stop, err := databaseServer(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	db, err := mysql.Open(mysql.Config{Addr: server.Addr, Name: server.Databases[0], User: server.User, Password: server.Password, MaxConns: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return maindb.New(db, time.Now).VerifyLog(ctx, os.Getenv("CHANGE_LOG_ANCHOR"), plainLog())
}

func placeOf(ctx context.Context, flags *flag.FlagSet) (backup.Place, error) {
	if flags.NArg() != 1 {
		return nil, fmt.Errorf("%s: name one place, a folder or s3://bucket/prefix", flags.Name())
	}
	return backup.OpenPlace(ctx, flags.Arg(0))
}

// databaseServer starts the stack's database server, or finds that of a stack that
// runs, where that is allowed.
func databaseServer(ctx context.Context, running bool) (server backup.Server, stop func() error, err error) {
	set, err := env.ParseAs[stack.Ports]()
	if err != nil {
		return backup.Server{}, nil, fmt.Errorf("read the settings: %w", err)
	}
	root, err := stack.FindRoot()
	if err != nil {
		return backup.Server{}, nil, err
	}
	dir := filepath.Join(root, ".local")
	s, err := stack.Start(ctx, stack.Options{
		Dir: dir, Root: root, Ports: stack.Ports{MariaDB: set.MariaDB}, Parts: []stack.Part{stack.MariaDB}, Out: os.Stderr,
	})
	switch {
	case err == nil:
		return s.BackupServer(), s.Stop, nil
	case errors.Is(err, stack.ErrRunning) && running:
		server, err := stack.RunningServer(dir, set.MariaDB)
		return server, func() error { return nil }, err
	default:
		return backup.Server{}, nil, err
	}
}

// plainLog prints for a person who waits.
func plainLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey && a.Value.String() == slog.LevelInfo.String() {
			return slog.Attr{}
		}
		return a
	}}))
}
