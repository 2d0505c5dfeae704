package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how long a part may take to end after SIGTERM. The worker lets
// running activities finish for up to this time.
const grace = 30 * time.Second

// process is one running part.
type process struct {
	part    Part
	cmd     *exec.Cmd
	out     *lineWriter
	pidFile string
	exited  chan struct{} // closed when the process is gone and reaped
	err     error         // how it ended; read after exited is closed
}

// startProcess starts a command by start in a process group of its own and notes
// its ID, so that after a crash of this stack the next one can find what is left.
func startProcess(part Part, cmd *exec.Cmd, start func(*exec.Cmd) error, out *lineWriter, run string) (*process, error) {
	p := &process{
		part: part, cmd: cmd, out: out,
		pidFile: filepath.Join(run, string(part)+".pid"),
		exited:  make(chan struct{}),
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = processAttributes()
	cmd.WaitDelay = time.Second // a grandchild may hold the pipe open

	started := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that forked ends, so
		// this thread must live as long as the part.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := start(cmd)
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		_ = os.Remove(p.pidFile)
		_ = out.Close()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", part, err), out.Close())
	}
	if err := writeFile(p.pidFile, []byte(strconv.Itoa(cmd.Process.Pid))); err != nil {
		return nil, errors.Join(fmt.Errorf("note the process of %s: %w", part, err), p.kill())
	}
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal reaches the whole group. A group that is gone is not an error.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %s: %w", p.part, err)
	}
	return nil
}

// kill ends the part as a crash would, and returns when it is gone.
func (p *process) kill() error {
	if !p.alive() {
		return nil
	}
	err := p.signal(syscall.SIGKILL)
	<-p.exited
	return err
}

// stop asks the part to end, and insists after the grace. A program of ours must
// end without an error.
func (p *process) stop() error {
	if !p.alive() {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
		if p.err != nil && (p.part == API || p.part == Worker) {
			return p.ending()
		}
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not stop within %s and was killed", p.part, grace), p.kill())
	}
}

// ending describes how the process ended, with its last lines.
func (p *process) ending() error {
	how := "it exited without an error"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended: %s; its last lines:%s", p.part, how, p.out.lastLines())
}

// endStale ends what a killed stack of this folder left behind. A process is ours
// if its ID is noted and its command line names the folder: the ID alone may have
// been reused.
func endStale(ctx context.Context, dir string, console *Console) error {
	notes, err := filepath.Glob(filepath.Join(dir, "run", "*.pid"))
	if err != nil {
		return fmt.Errorf("look for processes left behind: %w", err)
	}
	for _, note := range notes {
		text, err := os.ReadFile(note)
		if err != nil {
			return fmt.Errorf("look for processes left behind: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil && pid > 1 && strings.Contains(commandLine(pid), dir) {
			name := strings.TrimSuffix(filepath.Base(note), ".pid")
			console.say("%s (process %d) is left from a stack that was killed: stopping it", name, pid)
			if err := endProcess(ctx, pid); err != nil {
				return fmt.Errorf("stop %s, left from a stack that was killed: %w", name, err)
			}
		}
		if err := os.Remove(note); err != nil {
			return fmt.Errorf("remove the note of a process that was left behind: %w", err)
		}
	}
	return nil
}

// endProcess ends a process that is not our child.
func endProcess(ctx context.Context, pid int) error {
	gone := func(context.Context) error {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) || commandLine(pid) == "" {
			return nil
		}
		return fmt.Errorf("process %d is still there", pid)
	}
	_ = syscall.Kill(-pid, syscall.SIGTERM)
	if poll(ctx, grace, gone) == nil {
		return nil
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	return poll(ctx, grace, gone)
}

// pollEvery is short compared with what is waited for (0.1 to 5 s), and long
// compared with the cost of one check.
const pollEvery = 50 * time.Millisecond

// poll calls ask until it returns no error, and returns the last error when the
// time is over.
func poll(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		// If time ran out during the last check, the answer before it says more.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (after %s)", last, limit)
		case <-tick.C:
		}
	}
}
