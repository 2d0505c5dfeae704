package stack

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/sethvargo/go-retry"
)

// keeper holds the process of one part and whether it should be running.
type keeper struct {
	mu     sync.Mutex
	proc   *process
	wanted bool
	pauses retry.Backoff // between restarts after which the part soon ended again
}

func (k *keeper) hold(p *process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.proc, k.wanted = p, true
}

// release returns the process, whose end is expected from now on.
func (k *keeper) release() *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted = false
	return k.proc
}

func (k *keeper) current() *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.proc
}

// surprised reports whether p ended without being stopped.
func (k *keeper) surprised(p *process) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wanted && k.proc == p
}

// pause returns how long to wait before the next restart: twice as long each time,
// until the part has run for goodRun.
func (k *keeper) pause(ran time.Duration) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pauses == nil || ran >= goodRun {
		k.pauses = retry.WithCappedDuration(lastPause, retry.NewExponential(firstPause))
	}
	pause, _ := k.pauses.Next() // it never stops
	return pause
}

// readyLimit is how long a part may take to be ready. That includes MariaDB's crash
// recovery and a machine that is short of processor time; one that ends is noticed at once.
const readyLimit = 3 * time.Minute

// component describes how to run a part.
type component struct {
	command func(context.Context) (*exec.Cmd, error)
	start   func(*exec.Cmd) error // StartInBatch unless set
	ready   func(context.Context) error
	ports   []int
}

func (s *Stack) component(part Part) component {
	switch part {
	case MariaDB:
		return s.mariadb()
	case SQS:
		return s.sqs()
	case Temporal:
		return s.temporal()
	case Mail:
		return s.mail()
	case API:
		return s.program(API, s.ports.API)
	case Worker:
		return s.program(Worker, s.ports.Worker)
	case Alertmanager:
		return s.alertmanager()
	case Prometheus:
		return s.prometheus()
	default:
		panic("stack: no component for part " + string(part))
	}
}

// launch starts the process of a part and watches it.
func (s *Stack) launch(ctx context.Context, part Part) error {
	k := s.keepers[part]
	if p := k.current(); p != nil && p.alive() {
		return fmt.Errorf("%s is already running", part)
	}
	c := s.component(part)
	for _, port := range c.ports {
		if err := awaitFree(ctx, port); err != nil {
			return fmt.Errorf("start %s: port %d %w", part, port, err)
		}
	}
	cmd, err := c.command(ctx)
	if err != nil {
		return err
	}
	out, err := newLineWriter(s.console, part, s.folder.path("logs"))
	if err != nil {
		return err
	}
	start := StartInBatch
	if c.start != nil {
		start = c.start
	}
	p, err := startProcess(part, cmd, start, out, s.folder.path("run"))
	if err != nil {
		return err
	}
	k.hold(p)
	s.keeping.Go(func() { s.keep(part, p) })
	return nil
}

// errEnded marks a part that ended before it was ready.
var errEnded = errors.New("ended before it was ready")

// WaitReady returns when the part answers. Errors: it ended, or did not answer
// within its time; either quotes its last lines.
func (s *Stack) WaitReady(ctx context.Context, part Part) error {
	if !s.Has(part) {
		return errNotPart(part)
	}
	p := s.keepers[part].current()
	if p == nil {
		return fmt.Errorf("%s was not started", part)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.exited:
			cancel(errEnded)
		case <-ctx.Done():
		}
	}()
	c := s.component(part)
	err := poll(ctx, readyLimit, c.ready)
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errEnded):
		return fmt.Errorf("%w: %w", errEnded, p.ending())
	case ctx.Err() != nil:
		return fmt.Errorf("wait for %s: %w", part, context.Cause(ctx))
	default:
		return fmt.Errorf("%s is not ready: %w; its last lines:%s", part, err, p.out.lastLines())
	}
}

// Kill ends a part as a crash would (SIGKILL) and returns when it is gone. It
// stays down until StartPart.
func (s *Stack) Kill(part Part) error {
	if !s.Has(part) {
		return errNotPart(part)
	}
	p := s.keepers[part].release()
	if p == nil {
		return nil
	}
	return p.kill()
}

// StopPart ends one part with SIGTERM and grace. It stays down until
// StartPart.
func (s *Stack) StopPart(part Part) error {
	if !s.Has(part) {
		return errNotPart(part)
	}
	return s.stopPart(part)
}

// StartPart starts a part again and waits until it is ready. A server that is
// started right after a kill may fail because of what the kill left behind (a port,
// a lock of its database), so a part that ends at once is started up to three
// times.
func (s *Stack) StartPart(ctx context.Context, part Part) error {
	if !s.Has(part) {
		return errNotPart(part)
	}
	for try := 1; ; try++ {
		if err := s.launch(ctx, part); err != nil {
			return err
		}
		if err := s.WaitReady(ctx, part); !errors.Is(err, errEnded) || try == 3 {
			return err
		}
	}
}

// Restart kills a part and starts it again.
func (s *Stack) Restart(ctx context.Context, part Part) error {
	if err := s.Kill(part); err != nil {
		return err
	}
	return s.StartPart(ctx, part)
}

// The pauses between two restarts of a part that ends unexpectedly.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
	goodRun    = time.Minute // after this long the pauses start again from the shortest
)

// keep reports the unexpected end of a process and, when the stack is to
// restart parts, starts the next one until it stays.
func (s *Stack) keep(part Part, p *process) {
	began := time.Now()
	select {
	case <-p.exited:
	case <-s.life.Done():
		return
	}
	k := s.keepers[part]
	if !k.surprised(p) || s.life.Err() != nil {
		return
	}
	s.console.say("%v", p.ending())
	if !s.opts.Restart {
		return
	}
	ran := time.Since(began)
	for {
		pause := k.pause(ran)
		s.console.say("%s is started again in %s", part, pause)
		select {
		case <-time.After(pause):
		case <-s.life.Done():
			return
		}
		if !k.surprised(p) {
			return // it was stopped or started in the meantime
		}
		err := s.bringUp(s.life, part)
		if err != nil && !errors.Is(err, errEnded) && s.life.Err() == nil {
			s.console.say("%v", err)
		}
		if k.current() != p {
			return // another call of keep watches the new process
		}
		ran = 0
	}
}
