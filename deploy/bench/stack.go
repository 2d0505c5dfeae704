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
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/procfs"
	"github.com/sethvargo/go-retry"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// bench is a stack that is being measured.
type bench struct {
	size   Size
	dir    string // of everything it creates
	log    *os.File
	report *Report
	turn   int // the repetition, from 0

	stack     *stack.Stack
	worker    map[string]string // settings of the worker, read at its next start
	running   []func() error    // what close stops
	mainDB    *sql.DB           // as the owners of the databases
	userDB    *sql.DB
	temporal  client.Client
	organizer *apiclient.Client
	operator  *apiclient.Client
	finishers string // a race with complete standings; "" until there is one
}

// say prints what is being measured, with the repetition.
func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "%6s %d/%d  %s\n",
		time.Since(b.report.Began).Round(time.Second), b.turn+1, b.size.Repetitions, fmt.Sprintf(format, args...))
}

// start starts the stack empty.
func (b *bench) start(ctx context.Context) {
	b.dir = filepath.Join(must(stack.FindRoot()), ".local", "bench")
	b.say("starting an empty stack, with its logs in %s", b.dir)
	// The audit is as frequent as in production. The stack's own comes more often,
	// because its queue lives in memory.
	b.worker = map[string]string{"AUDIT_INTERVAL": "5m"}
	b.stack = b.startEmpty(ctx, "stack", stack.Options{Env: map[stack.Part]map[string]string{stack.Worker: b.worker}})
	b.running = append(b.running, b.stack.Stop)
	owners := b.stack.Owners() // the bench fills tables of its own
	open := func(prefix string) *sql.DB {
		db := must(mysql.Open(mysql.Config{
			Addr: owners[prefix+"ADDR"], Name: owners[prefix+"NAME"], User: owners[prefix+"USER"], Password: owners[prefix+"PASSWORD"], MaxConns: 16,
		}))
		b.running = append(b.running, db.Close)
		return db
	}
	b.mainDB, b.userDB = open("MAIN_DB_"), open("USER_DB_")
	b.temporal = dial(ctx, b.stack.TemporalAddress())
	b.running = append(b.running, func() error { b.temporal.Close(); return nil })
	login, password := b.stack.Operator()
	b.operator = &apiclient.Client{Base: b.stack.APIURL(), Login: login, Password: password, HTTP: keepAlive}
	b.organizer = b.signUp(ctx)
}

// startEmpty starts a stack without the data of an earlier bench. It refuses while
// another bench runs.
func (b *bench) startEmpty(ctx context.Context, name string, opts stack.Options) *stack.Stack {
	opts.Dir = filepath.Join(b.dir, name)
	check(stack.Clean(ctx, opts.Dir, io.Discard))
	if b.log == nil {
		b.log = must(os.Create(filepath.Join(b.dir, "bench.log")))
	}
	opts.Out = b.log
	return must(stack.Start(ctx, opts))
}

// close stops everything. The folder is kept for inspection.
func (b *bench) close() error {
	var all []error
	for _, stop := range slices.Backward(b.running) {
		all = append(all, stop())
	}
	return errors.Join(all...)
}

// keepAlive keeps the connections of all clients: dialing is not measured.
var keepAlive = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}, Timeout: 5 * time.Minute}

// signUp creates an organizer. Its calls are never retried, since that would hide
// failures from the bench.
func (b *bench) signUp(ctx context.Context) *apiclient.Client {
	c := &apiclient.Client{Base: b.stack.APIURL(), Login: "bench-" + rand.Text() + "@example.org", Password: rand.Text(), HTTP: keepAlive}
	check(c.SignUp(ctx, "organizer", "Bench"))
	check(c.LogIn(ctx))
	return c
}

// dial connects to Temporal as the stack's worker does: without compression.
func dial(ctx context.Context, address string) client.Client {
	return must(client.DialContext(ctx, client.Options{
		HostPort: address, Logger: temporallog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
	}))
}

// withServer runs Temporal alone with other settings, on a new database, while use runs.
func (b *bench) withServer(ctx context.Context, server stack.Server, use func(address string)) {
	other := b.startEmpty(ctx, fmt.Sprintf("temporal-%s", server), stack.Options{Parts: []stack.Part{stack.Temporal}, Server: server})
	err := attempt(func() { use(other.TemporalAddress()) })
	check(errors.Join(err, other.Stop()))
}

// instead stops the worker and lets a child receive the messages while use runs.
func (b *bench) instead(ctx context.Context, role string, extra map[string]string, use func()) {
	check(b.stack.StopPart(stack.Worker))
	env := b.stack.Env(stack.Worker)
	maps.Copy(env, extra)
	b.child(ctx, env, func(string) { use() }, role)
	check(b.stack.StartPart(ctx, stack.Worker))
}

// roles are what a child can be. It says one line (that it is ready, or what it has
// measured) and ends when ctx does, or earlier.
func roles() map[string]func(ctx context.Context, args []string) {
	return map[string]func(context.Context, []string){
		"engine": runEngine, "plain": runPlain, "consumer": runConsumer, "router": runRouter,
		"mailer": runMailer, "receiver": runReceiver, "caller": runCaller,
	}
}

// child starts this program again as a role, with env added to its environment, waits
// for what it says, and stops it after use. A process of its own has its own heap and
// scheduler, as have the worker and the API that it is compared with.
func (b *bench) child(ctx context.Context, env map[string]string, use func(said string), role string, args ...string) {
	cmd := exec.CommandContext(ctx, must(os.Executable()), append([]string{role}, args...)...)
	cmd.Env, cmd.Stderr = os.Environ(), b.log
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	input, output := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	check(stack.StartInBatch(cmd)) // as worker and API are
	lines := bufio.NewScanner(output)
	said := lines.Scan()
	err := attempt(func() {
		if said {
			use(lines.Text())
		}
	})
	err = errors.Join(err, input.Close())
	if failed := cmd.Wait(); failed != nil || !said {
		err = errors.Join(err, fmt.Errorf("%s failed; %s says why: %w", role, b.log.Name(), errors.Join(failed, lines.Err())))
	}
	check(err)
}

// runChild plays a role until it is done or the input ends, so that a child cannot
// outlive the bench.
func runChild(ctx context.Context, play func(context.Context, []string), args []string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	play(ctx, args)
}

// process returns what the kernel knows of a running part.
func (b *bench) process(part stack.Part) (procfs.Proc, error) {
	pid, err := b.stack.PID(part)
	if err != nil {
		return procfs.Proc{}, err
	}
	return procfs.NewProc(pid)
}

// cpu returns the CPU-seconds that each running part has used since it started.
func (b *bench) cpu() map[stack.Part]float64 {
	used := map[stack.Part]float64{}
	for _, part := range stack.AllParts() {
		if process, err := b.process(part); err == nil { // otherwise it is stopped at the moment
			used[part] = must(process.Stat()).CPUTime()
		}
	}
	return used
}

// quiet waits until the stack is idle, so that one figure does not affect the next, but
// for 30 s at most, since a slow machine may never be idle.
func (b *bench) quiet(ctx context.Context) {
	const pause, looks, idle = 500 * time.Millisecond, 60, 0.05 // seconds of CPU between two looks
	calm, looked, before := 0, 0, 0.0
	until(ctx, 2*looks*pause, pause, "an idle stack", func() bool {
		used := 0.0
		for _, seconds := range b.cpu() {
			used += seconds
		}
		calm++
		if used-before > idle {
			calm = 0
		}
		looked, before = looked+1, used
		return calm == 2 || looked == looks
	})
}

// until polls until done returns true.
func until(ctx context.Context, limit, pause time.Duration, what string, done func() bool) {
	check(retry.Do(ctx, retry.WithMaxDuration(limit, retry.NewConstant(pause)), func(context.Context) error {
		if !done() {
			return retry.RetryableError(fmt.Errorf("waited %s for %s", limit, what))
		}
		return nil
	}))
}

// each makes n calls, so many at a time, and returns calls per second. The first call
// that fails ends it.
func each(ctx context.Context, n, atATime int, call func(ctx context.Context, i int) error) (rate float64) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atATime)
	began := time.Now()
	for i := range n {
		group.Go(func() error { return call(ctx, i) })
	}
	check(group.Wait())
	return perSecond(n, time.Since(began))
}

// hammer lets several callers repeat a call for a while, each one call after the other,
// and returns calls per second. The first call that fails ends it.
func hammer(ctx context.Context, callers int, during time.Duration, call func(ctx context.Context, caller int) error) (rate float64) {
	var calls atomic.Int64
	began := time.Now()
	each(ctx, callers, callers, func(ctx context.Context, caller int) error {
		for time.Since(began) < during {
			if err := call(ctx, caller); err != nil {
				return err
			}
			calls.Add(1)
		}
		return nil
	})
	return perSecond(int(calls.Load()), time.Since(began))
}
