package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/prometheus/procfs"
	"github.com/sethvargo/go-retry"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/settings"
)

// bench is a stack that is being measured.
type bench struct {
	size   Size
	dir    string // of everything it creates
	log    *os.File
	report *Report
	turn   int // the repetition, from 0

	stack     *stack.Stack
	others    map[stack.Server]*stack.Stack // Temporal alone, with other settings
	mainDB    *sql.DB                       // as the owners of the databases
	userDB    *sql.DB
	temporal  client.Client
	organizer *apiclient.Client
	operator  *apiclient.Client
	finishers string // a race with complete standings; "" until there is one
}

// open starts the stack empty.
func open(ctx context.Context, size Size, report *Report) (*bench, error) {
	root, err := stack.FindRoot()
	if err != nil {
		return nil, err
	}
	b := &bench{
		size: size, report: report, dir: filepath.Join(root, ".local", "bench"),
		others: map[stack.Server]*stack.Stack{},
	}
	b.say("starting an empty stack, with its logs in %s", b.dir)
	if err := b.start(ctx); err != nil {
		return nil, b.close(err)
	}
	return b, nil
}

// say prints what is being measured, with the repetition.
func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "%6s %d/%d  %s\n",
		time.Since(b.report.Began).Round(time.Second), b.turn+1, b.size.Repetitions, fmt.Sprintf(format, args...))
}

func (b *bench) start(ctx context.Context) (err error) {
	// The audit is as frequent as in production. The stack's own comes more often,
	// because its queue lives in memory.
	env := map[stack.Part]map[string]string{stack.Worker: {"AUDIT_INTERVAL": "5m"}}
	if b.stack, err = b.startEmpty(ctx, "stack", stack.Options{Env: env}); err != nil {
		return err
	}
	var owners struct { // the bench fills tables of its own
		MainDB mysql.Config `envPrefix:"MAIN_DB_"`
		UserDB mysql.Config `envPrefix:"USER_DB_"`
	}
	var environ []string
	for name, value := range b.stack.Owners() {
		environ = append(environ, name+"="+value)
	}
	if err := settings.Read(&owners, environ); err != nil {
		return err
	}
	if b.mainDB, err = mysql.Open(owners.MainDB); err != nil {
		return err
	}
	if b.userDB, err = mysql.Open(owners.UserDB); err != nil {
		return err
	}
	if b.temporal, err = dial(ctx, b.stack.TemporalAddress()); err != nil {
		return err
	}
	login, password := b.stack.Operator()
	b.operator = &apiclient.Client{Base: b.stack.APIURL(), Login: login, Password: password, HTTP: keepAlive}
	b.organizer, err = b.signUp(ctx)
	return err
}

// startEmpty starts a stack without the data of an earlier bench. It refuses while
// another bench runs.
func (b *bench) startEmpty(ctx context.Context, name string, opts stack.Options) (*stack.Stack, error) {
	opts.Dir = filepath.Join(b.dir, name)
	if err := stack.Clean(ctx, opts.Dir, io.Discard); err != nil {
		return nil, err
	}
	if b.log == nil {
		var err error
		if b.log, err = os.Create(filepath.Join(b.dir, "bench.log")); err != nil {
			return nil, fmt.Errorf("create the bench's log: %w", err)
		}
	}
	opts.Out = b.log
	return stack.Start(ctx, opts)
}

// close stops everything and returns failed, joined with further errors. The folder is
// kept for inspection.
func (b *bench) close(failed error) error {
	all := []error{failed}
	if b.temporal != nil {
		b.temporal.Close()
	}
	for _, db := range []*sql.DB{b.mainDB, b.userDB} {
		if db != nil {
			all = append(all, db.Close())
		}
	}
	for _, other := range b.others {
		all = append(all, other.Stop())
	}
	if b.stack != nil {
		all = append(all, b.stack.Stop())
	}
	return errors.Join(all...)
}

// keepAlive keeps the connections of all clients: dialing is not measured.
var keepAlive = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}, Timeout: 5 * time.Minute}

// signUp creates an organizer. Its calls are never retried, since that would hide
// failures from the bench.
func (b *bench) signUp(ctx context.Context) (*apiclient.Client, error) {
	c := &apiclient.Client{Base: b.stack.APIURL(), Login: "bench-" + rand.Text() + "@example.org", Password: rand.Text(), HTTP: keepAlive}
	if err := c.SignUp(ctx, "organizer", "Bench"); err != nil {
		return nil, err
	}
	err := c.LogIn(ctx)
	return c, err
}

// dial connects to Temporal as the stack's worker does: without compression.
func dial(ctx context.Context, address string) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: address, Logger: temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s: %w", address, err)
	}
	return c, nil
}

// withServer runs Temporal alone with other settings while use runs, on a database of
// its own that grows from call to call as the stack's does.
func (b *bench) withServer(ctx context.Context, server stack.Server, use func(address string) error) (err error) {
	other := b.others[server]
	if other == nil {
		other, err = b.startEmpty(ctx, fmt.Sprintf("temporal-%s", server), stack.Options{Parts: []stack.Part{stack.Temporal}, Server: server})
		if err != nil {
			return err
		}
		b.others[server] = other
	} else if err := other.StartPart(ctx, stack.Temporal); err != nil {
		return err
	}
	return errors.Join(use(other.TemporalAddress()), other.StopPart(stack.Temporal))
}

// instead stops the worker and lets a child receive the messages while use runs.
func (b *bench) instead(ctx context.Context, role string, extra map[string]string, use func() error) error {
	if err := b.stack.StopPart(stack.Worker); err != nil {
		return err
	}
	env := b.stack.Env(stack.Worker)
	maps.Copy(env, extra)
	err := b.child(ctx, env, func(string) error { return use() }, role)
	return errors.Join(err, b.stack.StartPart(ctx, stack.Worker))
}

// roles are what a child can be. It says one line (that it is ready, or what it has
// measured) and ends when ctx does, or earlier.
func roles() map[string]func(ctx context.Context, args []string) error {
	return map[string]func(context.Context, []string) error{
		"engine": runEngine, "plain": runPlain, "consumer": runConsumer, "router": runRouter,
	}
}

// child starts this program again as a role, with env added to its environment, waits
// for what it says, and stops it after use. A process of its own has its own heap and
// scheduler, as have the worker and the API that it is compared with.
func (b *bench) child(ctx context.Context, env map[string]string, use func(said string) error, role string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start %s: %w", role, err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{role}, args...)...)
	cmd.Env = os.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = b.log
	input, err1 := cmd.StdinPipe()
	output, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("start %s: %w", role, err)
	}
	if err := stack.StartInBatch(cmd); err != nil { // as worker and API are
		return fmt.Errorf("start %s: %w", role, err)
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() {
		return fmt.Errorf("%s ended early; %s says why: %w", role, b.log.Name(), errors.Join(lines.Err(), cmd.Wait()))
	}
	err = errors.Join(use(lines.Text()), input.Close())
	if failed := cmd.Wait(); failed != nil {
		err = errors.Join(err, fmt.Errorf("%s failed; %s says why: %w", role, b.log.Name(), failed))
	}
	return err
}

// runChild plays a role until it is done or the input ends, so that a child cannot
// outlive the bench.
func runChild(ctx context.Context, play func(context.Context, []string) error, args []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return play(ctx, args)
}

// cpu returns the CPU-seconds that each running part has used since it started.
func (b *bench) cpu() (map[stack.Part]float64, error) {
	used := map[stack.Part]float64{}
	for _, part := range stack.AllParts() {
		pid, err := b.stack.PID(part)
		if err != nil {
			continue // it is stopped at the moment
		}
		process, err := procfs.NewProc(pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
		stat, err := process.Stat()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
		used[part] = stat.CPUTime()
	}
	return used, nil
}

// quiet waits until the stack is idle, so that one figure does not affect the next, but
// for 30 s at most, since a slow machine may never be idle.
func (b *bench) quiet(ctx context.Context) error {
	const pause, looks, idle = 500 * time.Millisecond, 60, 0.05 // seconds of CPU between two looks
	calm, looked, before := 0, 0, 0.0
	return until(ctx, 2*looks*pause, pause, func() (bool, error) {
		parts, err := b.cpu()
		used := 0.0
		for _, seconds := range parts {
			used += seconds
		}
		calm++
		if used-before > idle {
			calm = 0
		}
		looked, before = looked+1, used
		return calm == 2 || looked == looks, err
	})
}

// until polls until done returns true.
func until(ctx context.Context, limit, pause time.Duration, done func() (bool, error)) error {
	return retry.Do(ctx, retry.WithMaxDuration(limit, retry.NewConstant(pause)), func(context.Context) error {
		ok, err := done()
		if err == nil && !ok {
			return retry.RetryableError(fmt.Errorf("not within %s", limit))
		}
		return err
	})
}
