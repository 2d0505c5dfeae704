package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// execute runs a command with throwaway servers on free ports, whose addresses are
// in its environment:
//
//	TEST_MYSQL_ADDR, TEST_MYSQL_ROOT_PASSWORD   MariaDB, or the server that MYSQLD names; root may connect over TCP
//	TEST_SQS_ENDPOINT                           the SQS server
//	TEST_TEMPORAL_ADDRESS                       Temporal, when it is among the parts
//	TEMPORAL_CLI                                the Temporal CLI, for tests that start their own
//
// A TEST_MYSQL_ADDR that is set already names a server that runs elsewhere, which
// the tests then use; tests that start a whole stack start its server all the same.
func execute(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("exec", flag.ContinueOnError)
	list := flags.String("parts", "mariadb,sqs", "the servers to start: mariadb, sqs, temporal")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("exec: which command?")
	}
	parts, err := stack.ParseParts(*list)
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	if os.Getenv("TEST_MYSQL_ADDR") != "" {
		parts = slices.DeleteFunc(parts, func(p stack.Part) bool { return p == stack.MariaDB })
	}
	dir, err := os.MkdirTemp("", "mrmrthon-")
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	env, stop, err := standBy(ctx, dir, parts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return runCommand(ctx, flags.Args(), env)
}

// standBy starts the servers and returns the environment that names them.
func standBy(ctx context.Context, dir string, parts []stack.Part) (env []string, stop func() error, err error) {
	root, err := stack.FindRoot()
	if err != nil {
		return nil, nil, err
	}
	cli, err := stack.TemporalCLI(ctx, root, stack.NewConsole(os.Stderr))
	if err != nil {
		return nil, nil, err
	}
	env = []string{"TEMPORAL_CLI=" + cli}
	if len(parts) == 0 {
		return env, func() error { return nil }, nil
	}
	s, err := stack.Start(ctx, stack.Options{
		Dir: dir, Root: root, Parts: parts, Throwaway: true,
		// Tests create and drop a thousand databases; without a file for each table that
		// costs half as much.
		DatabaseOptions: []string{"--innodb-file-per-table=0"},
	})
	if err != nil {
		return nil, nil, err
	}
	if slices.Contains(parts, stack.MariaDB) {
		env = append(env, "TEST_MYSQL_ADDR="+s.MySQLAddr(), "TEST_MYSQL_ROOT_PASSWORD="+s.RootPassword())
	}
	if slices.Contains(parts, stack.SQS) {
		env = append(env, "TEST_SQS_ENDPOINT="+s.QueueEndpoint())
	}
	if slices.Contains(parts, stack.Temporal) {
		env = append(env, "TEST_TEMPORAL_ADDRESS="+s.TemporalAddress())
	}
	return env, s.Stop, nil
}

// runCommand runs the command in the foreground and passes its exit status on.
// A Ctrl-C reaches it from the terminal, a SIGTERM from here; in both cases
// the servers stop only after it has ended.
func runCommand(ctx context.Context, args, env []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if code := exit.ExitCode(); code > 0 {
			return exitStatus(code)
		}
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return err
}
