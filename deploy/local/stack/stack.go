// Package stack runs the whole system on one machine without containers: a
// private MariaDB, an SQS-compatible server, a Temporal dev server, a mail catcher,
// the API and the worker, each a child process in its own process group. `make run`, the
// end-to-end tests and the load bench all start it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what a stack consists of and where its data is.
type Options struct {
	// Dir holds data, logs, passwords and binaries; a second start in the same
	// folder continues with the same data. Only one stack uses a folder at a
	// time.
	Dir string
	// Root is the folder of go.mod. Empty: found from the working folder.
	Root string
	// Ports that are 0 are chosen.
	Ports Ports
	// Parts to start. Empty: all.
	Parts []Part
	// Env adds to or overrides the settings of the API and the worker.
	Env map[Part]map[string]string
	// Programs are executables that are built already (see Build); parts of
	// ours without one are built from Root.
	Programs map[Part]string
	// Out is where the parts print; nil discards it. The logs keep it anyway.
	Out io.Writer
	// Throwaway is for tests: MariaDB leaves all it writes to the operating system
	// (which survives a kill -9, not a power cut) and root may connect over
	// TCP.
	Throwaway bool
	// DatabaseOptions are added to those that the database server is started with.
	DatabaseOptions []string
	// Race builds the programs with the race detector.
	Race bool
	// Server says how the Temporal server is set; the zero value is right but
	// for comparisons.
	Server Server
	// Monitor says how the system is watched, when Monitors are among the parts.
	Monitor Monitor
	// Restart restarts a part that ends unexpectedly, after 1 s, 2 s, … 30 s.
	// Without it the end is reported and nothing else.
	Restart bool
}

// Stack is a running stack. Its methods may be called from any goroutine.
type Stack struct {
	opts     Options
	parts    []Part
	ports    Ports
	giveBack func() error // the ports that were drawn
	folder   *folder
	console  *Console
	secrets  Secrets
	programs programs
	began    time.Time

	keepers map[Part]*keeper
	life    context.Context // ends when the stack stops
	end     context.CancelFunc
	keeping sync.WaitGroup

	stopOnce sync.Once
	stopErr  error
}

// Start starts the parts and returns when all are ready. When it fails, what it
// had started is stopped again. Ports are checked before anything starts. ctx
// bounds only the start: end the stack with Stop.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	s, err := open(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// open prepares everything that needs no process.
func open(ctx context.Context, opts Options) (*Stack, error) {
	s := &Stack{
		opts: opts, parts: inOrder(opts.Parts), ports: opts.Ports,
		giveBack: func() error { return nil },
		console:  NewConsole(opts.Out), keepers: map[Part]*keeper{}, began: time.Now(),
	}
	if s.opts.Root == "" {
		root, err := FindRoot()
		if err != nil {
			return nil, err
		}
		s.opts.Root = root
	}
	if opts.Dir == "" {
		return nil, errors.New("start the stack: in which folder?")
	}
	var err error
	if s.folder, err = openFolder(opts.Dir); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.giveBack(), s.folder.Close())
	}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	for _, part := range s.parts {
		s.keepers[part] = &keeper{}
	}
	return s, nil
}

func (s *Stack) prepare(ctx context.Context) error {
	if err := endStale(ctx, s.folder.dir, s.console); err != nil {
		return err
	}
	giveBack, err := s.ports.choose(ctx, s.parts)
	if err != nil {
		return err
	}
	s.giveBack = giveBack
	s.secrets, err = LoadSecrets(s.folder.dir)
	return err
}

// start starts the servers while the programs are being built, then the
// programs: they need the servers, the servers need nobody.
//
// A failure is final: what is wrong is for a person to see, not to be tried
// again.
func (s *Stack) start(ctx context.Context) error {
	if err := s.findServers(ctx); err != nil {
		return err
	}
	servers, within := errgroup.WithContext(ctx)
	for _, part := range []Part{MariaDB, Temporal} {
		if contains(s.parts, part) {
			servers.Go(func() error { return s.bringUp(within, part) })
		}
	}
	servers.Go(func() error {
		if err := s.buildPrograms(within); err != nil {
			return err
		}
		for _, part := range []Part{SQS, Mail} {
			if contains(s.parts, part) {
				servers.Go(func() error { return s.bringUp(within, part) })
			}
		}
		return nil
	})
	if err := servers.Wait(); err != nil {
		return err
	}
	if err := s.prepareData(ctx); err != nil {
		return err
	}
	if err := s.prepareMonitors(ctx); err != nil {
		return err
	}
	programs, within := errgroup.WithContext(ctx)
	for _, part := range []Part{API, Worker, Alertmanager, Prometheus} {
		if contains(s.parts, part) {
			programs.Go(func() error { return s.bringUp(within, part) })
		}
	}
	return programs.Wait()
}

// bringUp starts a part, waits until it is ready and says so.
func (s *Stack) bringUp(ctx context.Context, part Part) error {
	began := time.Now()
	if err := s.launch(ctx, part); err != nil {
		return err
	}
	if err := s.WaitReady(ctx, part); err != nil {
		return err
	}
	s.console.say("%s is ready after %s", part, round(time.Since(began)))
	return nil
}

// Stop ends the parts in reverse order, each with SIGTERM and 30 s of grace,
// and frees the folder. The second call returns what the first did.
func (s *Stack) Stop() error {
	s.stopOnce.Do(func() {
		s.end()
		s.keeping.Wait()
		var problems []error
		for _, part := range slices.Backward(s.parts) {
			problems = append(problems, s.stopPart(part))
		}
		s.stopErr = errors.Join(append(problems, s.giveBack(), s.folder.Close())...)
	})
	return s.stopErr
}

func (s *Stack) stopPart(part Part) error {
	p := s.keepers[part].release()
	if p == nil || !p.alive() {
		return nil
	}
	began := time.Now()
	err := p.stop()
	s.console.say("%s stopped after %s", part, round(time.Since(began)))
	return err
}

// Say prints a line among those of the parts.
func (s *Stack) Say(format string, args ...any) { s.console.say(format, args...) }

// Console is where the stack prints.
func (s *Stack) Console() *Console { return s.console }

// Age is the time since the start began.
func (s *Stack) Age() time.Duration { return time.Since(s.began) }

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// Has reports whether the stack was started with the part.
func (s *Stack) Has(part Part) bool { return s.keepers[part] != nil }

func errNotPart(part Part) error { return fmt.Errorf("this stack was started without %s", part) }

// PID is the process of a part that runs, for who measures it.
func (s *Stack) PID(part Part) (int, error) {
	if !s.Has(part) {
		return 0, errNotPart(part)
	}
	p := s.keepers[part].current()
	if p == nil || !p.alive() {
		return 0, fmt.Errorf("%s does not run", part)
	}
	return p.cmd.Process.Pid, nil
}

// Owners are the settings by which the accounts that own the databases log in,
// in the form of Env: they may make and drop tables, which the programs may not.
func (s *Stack) Owners() map[string]string {
	return map[string]string{
		"MAIN_DB_ADDR": s.MySQLAddr(), "MAIN_DB_NAME": mainDB,
		"MAIN_DB_USER": mainDDL, "MAIN_DB_PASSWORD": s.secrets.MainDDL,
		"USER_DB_ADDR": s.MySQLAddr(), "USER_DB_NAME": userDB,
		"USER_DB_USER": userDDL, "USER_DB_PASSWORD": s.secrets.UserDDL,
	}
}
