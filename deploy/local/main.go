// Command local runs the system on one machine:
//
//	local up                          the whole stack and the sample race; SAMPLE=none starts it empty
//	local exec [--parts …] -- cmd …   a command with throwaway servers for its tests
//	local backup PLACE                dumps both databases and copies the binary logs; --logs: the logs alone
//	local restore PLACE               restores them, to a moment too
//	local verify-log                  verifies the change log
//	local clean                       removes the stack's data
//	local sample --api URL            only the sample race, against any API
//
// `make run` and `make test` call it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

const usage = `usage:
  local up [--parts mariadb,sqs,...]     start the stack and load the sample race (SAMPLE=none: start it empty)
  local exec [--parts mariadb,sqs] -- command [argument ...]
                                         run a command with throwaway servers
  local backup [--logs] [--keep 720h] PLACE
                                         back both databases up to a folder or s3://bucket/prefix, whether the stack runs or not
  local restore PLACE                    restore them while the stack is stopped; DATABASES=main_db,user_db AT=2026-04-20T09:30:00Z
                                         RUNNING=true UNDO_ERASURES=true say which, to which moment, and what else
  local verify-log                       verify the change log, from CHANGE_LOG_ANCHOR on if that is set
  local clean                            forget the stack's data, logs, passwords and programs
  local sample --api URL                 load the sample race through an API that runs elsewhere
`

// exitStatus ends the program with the status of the command that exec ran.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	err := run(ctx, os.Args[1:])
	stop()
	if status, ok := errors.AsType[exitStatus](err); ok {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	switch name, rest := args[0], args[1:]; name {
	case "up":
		return up(ctx, rest)
	case "sample":
		return loadAnywhere(ctx, rest)
	case "exec":
		return execute(ctx, rest)
	case "backup":
		return backUp(ctx, rest)
	case "restore":
		return restore(ctx, rest)
	case "verify-log":
		return verifyLog(ctx)
	case "clean":
		return clean(ctx)
	case "help", "-h", "--help":
		fmt.Print(usage)
		return nil
	default:
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("there is no command %q", name)
	}
}

// clean removes the data of `local up`.
func clean(ctx context.Context) error {
	root, err := stack.FindRoot()
	if err != nil {
		return err
	}
	return stack.Clean(ctx, filepath.Join(root, ".local"), os.Stdout)
}

// loadAnywhere puts the sample race through an API that runs anywhere. The
// organizer's password is SAMPLE_PASSWORD, else the one kept in .local.
func loadAnywhere(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("sample", flag.ContinueOnError)
	api := flags.String("api", "http://127.0.0.1:8080", "base `URL` of the API")
	login := flags.String("login", sampleLogin, "the organizer, who is signed up when new")
	rows := flags.Int("rows", 0, "take so many rows; 0: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("sample: there is nothing to name but flags")
	}
	password := os.Getenv("SAMPLE_PASSWORD")
	if password == "" {
		root, err := stack.FindRoot()
		if err != nil {
			return err
		}
		secrets, err := stack.LoadSecrets(filepath.Join(root, ".local"))
		if err != nil {
			return err
		}
		password = secrets.Organizer
	}
	console := stack.NewConsole(os.Stdout)
	summary, err := runSample(ctx, *api, *login, password, *rows, console, console.Terminal())
	if err != nil {
		return err
	}
	summary.Print(console)
	return nil
}
