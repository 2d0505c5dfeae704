// Smoke runs a race of ten through the public API of a deployed environment and removes
// its records again:
//
//	SMOKE_PASSWORD=… go run ./deploy/smoke -api https://results.example.org
//
// It logs in as an organizer (and signs up the first time), imports a start list, posts
// ten records, waits until each is credited, checks places and points in the public
// standings and a runner's total, removes the records and waits until the points are
// reversed. The race and the two accounts are kept for the next run; official records
// are never deleted, so the race keeps their history.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv("SMOKE_PASSWORD"), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, password string, out io.Writer) error {
	flags := flag.NewFlagSet("smoke", flag.ContinueOnError)
	api := flags.String("api", "http://127.0.0.1:8080", "base `URL` of the API")
	login := flags.String("login", "smoke-test", "login of the organizer, who is signed up when new; the runner's is this with -runner")
	limit := flags.Duration("limit", 2*time.Minute, "how long each step may take before the test fails")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if password == "" {
		return errors.New("SMOKE_PASSWORD is not set: choose one for the accounts of this test, and keep it for the next run")
	}
	return newRace(*api, *login, password, *limit, out).run(ctx)
}
