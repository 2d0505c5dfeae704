package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
)

// bench is a stack that is being measured.
type bench struct {
	size     Size
	root     string
	dir      string // of everything it creates
	lock     *os.File
	log      *os.File
	began    time.Time
	report   *Report
	starters int    // starts in flight at once in the bridge
	turn     string // the repetition, for say

	stack     *stack.Stack
	others    map[stack.Server]*stack.Stack // Temporal alone, with other settings
	mainDB    *sql.DB                       // as the owners of the databases
	userDB    *sql.DB
	temporal  client.Client
	organizer *apiclient.Client
	operator  *apiclient.Client
	finishers string // a race whose records are all credited; "" until there is one
}

// open starts the stack empty. programs adds to the settings of its programs.
func open(ctx context.Context, size Size, programs map[stack.Part]map[string]string) (*bench, error) {
	root, err := stack.FindRoot()
	if err != nil {
		return nil, err
	}
	b := &bench{
		size: size, root: root, dir: filepath.Join(root, ".local", "bench"), began: time.Now(),
		report: &Report{Size: size, Machine: thisMachine()}, others: map[stack.Server]*stack.Stack{},
	}
	var bridgeConfig bridge.Config
	if err := settings.Read(&bridgeConfig, os.Environ()); err != nil {
		return nil, err
	}
	b.starters = bridgeConfig.Starts
	b.say("starting an empty stack")
	if b.lock, err = takeLock(b.dir + ".lock"); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(b.dir), os.MkdirAll(b.dir, 0o700)); err != nil {
		return nil, fmt.Errorf("empty the bench's folder: %w", err)
	}
	if b.log, err = os.Create(filepath.Join(b.dir, "bench.log")); err != nil {
		return nil, fmt.Errorf("create the bench's log: %w", err)
	}
	if err := b.start(ctx, programs); err != nil {
		return nil, b.close(err)
	}
	return b, nil
}

// say prints what is being measured.
func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "%6s  %s%s\n", time.Since(b.began).Round(time.Second), fmt.Sprintf(format, args...), b.turn)
}

// repeat measures as often as the size asks for.
func (b *bench) repeat(once func() error) error {
	defer func() { b.turn = "" }()
	for i := range b.size.Repetitions {
		b.turn = fmt.Sprintf(", %d of %d", i+1, b.size.Repetitions)
		if err := once(); err != nil {
			return err
		}
	}
	return nil
}

// takeLock keeps a second bench out of the folder until the lock is closed or this
// process has ended.
func takeLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // other tools keep their files there
		return nil, fmt.Errorf("create the bench's folder: %w", err)
	}
	lock, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("lock the bench's folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("a bench is running already (it holds %s): let it finish first", path), lock.Close())
	}
	return lock, nil
}

// auditInterval is production's: the stack's own is shorter because its queue
// lives in memory.
const auditInterval = "5m"

func (b *bench) start(ctx context.Context, programs map[stack.Part]map[string]string) (err error) {
	env := map[stack.Part]map[string]string{stack.API: {}, stack.Worker: {"AUDIT_INTERVAL": auditInterval}}
	for part, extra := range programs {
		maps.Copy(env[part], extra)
	}
	b.stack, err = stack.Start(ctx, stack.Options{Dir: filepath.Join(b.dir, "stack"), Root: b.root, Env: env, Out: b.log})
	if err != nil {
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
	if b.temporal, err = dial(ctx, b.stack.TemporalAddress(), nil); err != nil {
		return err
	}
	if b.report.Versions, err = b.versions(ctx); err != nil {
		return err
	}
	if b.organizer, err = b.signUp(ctx); err != nil {
		return err
	}
	login, password := b.stack.Operator()
	b.operator = &apiclient.Client{Base: b.stack.APIURL(), Login: login, Password: password, HTTP: keepAlive}
	return nil
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

func dial(ctx context.Context, address string, compression client.GrpcCompression) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: address, Logger: silent{}, ConnectionOptions: client.ConnectionOptions{GrpcCompression: compression},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s: %w", address, err)
	}
	return c, nil
}

// silent drops the SDK's log.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

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
	return errors.Join(append(all, b.log.Close(), b.lock.Close())...)
}

// withServer runs Temporal alone with other settings while use runs, on a
// database of its own that grows from call to call as the stack's does.
func (b *bench) withServer(ctx context.Context, server stack.Server, use func(address string) error) (err error) {
	other := b.others[server]
	if other == nil {
		other, err = stack.Start(ctx, stack.Options{
			Dir: filepath.Join(b.dir, fmt.Sprintf("temporal-%s", server)), Root: b.root,
			Parts: []stack.Part{stack.Temporal}, Server: server, Out: b.log,
		})
		if err != nil {
			return err
		}
		b.others[server] = other
	} else if err := other.StartPart(ctx, stack.Temporal); err != nil {
		return err
	}
	return errors.Join(use(other.TemporalAddress()), other.StopPart(stack.Temporal))
}

// withoutWorker stops the worker while use runs.
func (b *bench) withoutWorker(ctx context.Context, use func() error) error {
	if err := b.stack.StopPart(stack.Worker); err != nil {
		return err
	}
	return errors.Join(use(), b.stack.StartPart(ctx, stack.Worker))
}

// with lets a child receive the messages instead of the worker.
func (b *bench) with(ctx context.Context, role string, extra map[string]string, use func() error) error {
	env := b.stack.Env(stack.Worker)
	maps.Copy(env, extra)
	process, err := b.spawn(ctx, role, env)
	if err != nil {
		return err
	}
	if err := process.hear(&ready{}); err != nil {
		return err
	}
	return errors.Join(use(), process.end())
}

// quiet waits until the stack is idle, so that one figure does not affect the next, but
// for 30 s at most, since a slow machine may never be idle.
func (b *bench) quiet(ctx context.Context) error {
	const interval, idle, most = 500 * time.Millisecond, 50 * time.Millisecond, 60
	before, err := b.usages()
	if err != nil {
		return err
	}
	for calm, looks := 0, 0; calm < 2 && looks < most; looks++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
		after, err := b.usages()
		if err != nil {
			return err
		}
		var busy time.Duration
		for part, u := range after {
			busy += u.cpu - before[part].cpu
		}
		calm++
		if busy > idle {
			calm = 0
		}
		before = after
	}
	return nil
}

// child is this program again in a process of its own, so that what is compared with
// the worker or the API has its own heap and scheduler, as they do. It writes lines of
// JSON and ends when its input does, so that it cannot outlive the bench.
type child struct {
	cmd   *exec.Cmd
	input io.Closer
	lines *bufio.Scanner
	name  string
}

type role func(ctx context.Context, say func(any) error, args []string) error

func roles() map[string]role {
	return map[string]role{"engine": runEngine, "plain": runPlain, "consumer": runConsumer, "router": runRouter}
}

// ready is what a child writes when it is ready.
type ready struct {
	Address string `json:"address,omitempty"`
}

// runChild plays a role until it is done or the input ends.
func runChild(ctx context.Context, play role, args []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return play(ctx, json.NewEncoder(os.Stdout).Encode, args)
}

// spawn starts a child with env added to this process's environment.
func (b *bench) spawn(ctx context.Context, role string, env map[string]string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
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
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	if err := stack.StartInBatch(cmd); err != nil { // as worker and API are
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return &child{cmd: cmd, input: input, lines: bufio.NewScanner(output), name: role}, nil
}

// hear waits for the child's next line.
func (c *child) hear(into any) error {
	if !c.lines.Scan() {
		return fmt.Errorf("%s ended early; the bench's log says why: %w", c.name, errors.Join(c.lines.Err(), c.cmd.Wait()))
	}
	if err := json.Unmarshal(c.lines.Bytes(), into); err != nil {
		return fmt.Errorf("%s said %q: %w", c.name, c.lines.Text(), err)
	}
	return nil
}

// end asks the child to stop and waits for it.
func (c *child) end() error {
	err := c.input.Close()
	for c.lines.Scan() { // further output does not matter
	}
	if failed := c.cmd.Wait(); failed != nil {
		err = errors.Join(err, fmt.Errorf("%s failed; the bench's log says why: %w", c.name, failed))
	}
	return err
}
