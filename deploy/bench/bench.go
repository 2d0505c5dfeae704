package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
)

// bench is a stack that is being measured.
type bench struct {
	size     Size
	root     string
	dir      string // of everything it makes
	lock     *os.File
	log      *os.File
	bar      *progress
	report   *Report
	starters int // starts under way at once in the bridge

	stack     *stack.Stack
	others    map[stack.Server]*stack.Stack // Temporal alone, with other settings
	mainDB    *sql.DB                       // as the owners of the databases
	userDB    *sql.DB
	temporal  client.Client
	organizer *caller
	operator  *caller
	finishers string // a race whose records are all credited; "" until there is one
}

// open starts the stack empty. env adds to the settings of its programs.
func open(ctx context.Context, size Size, steps int, programs map[stack.Part]map[string]string) (*bench, error) {
	root, err := stack.FindRoot()
	if err != nil {
		return nil, err
	}
	b := &bench{
		size: size, root: root, dir: filepath.Join(root, ".local", "bench"), report: &Report{Size: size, Machine: thisMachine()},
		others: map[stack.Server]*stack.Stack{}, bar: newProgress(os.Stderr, steps),
	}
	var pace bridge.Config
	if err := settings.Read(&pace, os.Environ()); err != nil {
		return nil, err
	}
	b.starters = pace.Starts
	b.bar.step("starting an empty stack")
	if b.lock, err = takeLock(b.dir + ".lock"); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(b.dir); err != nil {
		return nil, fmt.Errorf("forget the last bench: %w", err)
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the bench's folder: %w", err)
	}
	if b.log, err = os.Create(filepath.Join(b.dir, "bench.log")); err != nil {
		return nil, fmt.Errorf("make the bench's log: %w", err)
	}
	if err := b.start(ctx, programs); err != nil {
		return nil, b.close(err)
	}
	b.report.Settings = map[string]any{
		"bridge": pace, "GOMAXPROCS": runtime.GOMAXPROCS(0),
		"api": withoutSecrets(b.stack.Env(stack.API)), "worker": withoutSecrets(b.stack.Env(stack.Worker)),
	}
	return b, nil
}

// takeLock keeps a second bench from the folder of the first, until it is closed
// or this process is gone.
func takeLock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // others keep their things there
		return nil, fmt.Errorf("make the bench's folder: %w", err)
	}
	lock, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("lock the bench's folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("a bench runs already (it holds %s): let it finish first", path), lock.Close())
	}
	return lock, nil
}

// withoutSecrets is an environment that a report may show.
func withoutSecrets(env map[string]string) map[string]string {
	maps.DeleteFunc(env, func(name, _ string) bool {
		return strings.Contains(name, "PASSWORD") || strings.Contains(name, "KEY") || strings.Contains(name, "SECRET")
	})
	return env
}

// auditInterval is production's: the stack's own is shorter because its queue
// forgets.
const auditInterval = "5m"

func (b *bench) start(ctx context.Context, programs map[stack.Part]map[string]string) (err error) {
	env := map[stack.Part]map[string]string{stack.API: {}, stack.Worker: {"AUDIT_INTERVAL": auditInterval}}
	for part, extra := range programs {
		maps.Copy(env[part], extra)
	}
	b.stack, err = stack.Start(ctx, stack.Options{
		Dir: filepath.Join(b.dir, "stack"), Root: b.root, Env: env, Out: b.log,
	})
	if err != nil {
		return err
	}
	if b.mainDB, b.userDB, err = b.databases(); err != nil {
		return err
	}
	if b.temporal, err = dial(ctx, b.stack.TemporalAddress(), nil); err != nil {
		return err
	}
	if b.report.Versions, err = b.versionsOf(ctx); err != nil {
		return err
	}
	b.report.Commit = commitOf(ctx, b.root)
	if b.organizer, err = signUp(ctx, b.stack.APIURL()); err != nil {
		return err
	}
	login, password := b.stack.Operator()
	b.operator = &caller{api: b.stack.APIURL(), login: login, password: password, http: keepAlive}
	return nil
}

// databases are opened by their owners: the bench fills tables of its own.
func (b *bench) databases() (mainDB, userDB *sql.DB, err error) {
	var owners struct {
		MainDB mysql.Config `envPrefix:"MAIN_DB_"`
		UserDB mysql.Config `envPrefix:"USER_DB_"`
	}
	var environ []string
	for name, value := range b.stack.Owners() {
		environ = append(environ, name+"="+value)
	}
	if err := settings.Read(&owners, environ); err != nil {
		return nil, nil, err
	}
	if mainDB, err = mysql.Open(owners.MainDB); err != nil {
		return nil, nil, err
	}
	userDB, err = mysql.Open(owners.UserDB)
	return mainDB, userDB, err
}

// close ends everything; it returns failed, with what else went wrong. The
// folder stays for who wants to look.
func (b *bench) close(failed error) error {
	problems := []error{failed}
	if b.temporal != nil {
		b.temporal.Close()
	}
	for _, db := range []*sql.DB{b.mainDB, b.userDB} {
		if db != nil {
			problems = append(problems, db.Close())
		}
	}
	for _, other := range b.others {
		problems = append(problems, other.Stop())
	}
	if b.stack != nil {
		problems = append(problems, b.stack.Stop())
	}
	return errors.Join(append(problems, b.log.Close(), b.lock.Close())...)
}

// withServer starts Temporal alone with other settings, on a database of its
// own that grows from call to call as the stack's does, for as long as use
// runs.
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

// withoutWorker stops the worker for as long as use runs.
func (b *bench) withoutWorker(ctx context.Context, use func() error) error {
	if err := b.stack.StopPart(stack.Worker); err != nil {
		return err
	}
	return errors.Join(use(), b.stack.StartPart(ctx, stack.Worker))
}

// with has a child take the messages off the queue in the worker's place.
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
	err = use()
	_, ended := process.end()
	return errors.Join(err, ended)
}

// quiet waits until the stack has nothing left to do, so that one figure does
// not pay for the one before; at most 30 s, since a slow machine may never be
// idle.
func (b *bench) quiet(ctx context.Context) error {
	const look, idle, most = 500 * time.Millisecond, 50 * time.Millisecond, 60
	before, err := b.usages()
	if err != nil {
		return err
	}
	for calm, looks := 0, 0; calm < 2 && looks < most; looks++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
		after, err := b.usages()
		if err != nil {
			return err
		}
		var busy time.Duration
		for _, cpu := range spent(before, after) {
			busy += cpu
		}
		calm++
		if busy > idle {
			calm = 0
		}
		before = after
	}
	return nil
}
