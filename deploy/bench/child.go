package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// child is this program again, in a process of its own: what is compared with
// the worker or the API should have its own heap and scheduler, as they do. It
// speaks in lines of JSON and ends when its input does, so that it cannot
// outlive the bench.
type child struct {
	cmd   *exec.Cmd
	input io.Closer
	lines *bufio.Scanner
	name  string
}

// roles are what a child can be.
func roles() map[string]func(ctx context.Context, say func(any) error, args []string) error {
	return map[string]func(context.Context, func(any) error, []string) error{
		"engine": runEngine, "plain": runPlain, "consumer": runConsumer, "router": runRouter,
	}
}

// beChild runs a role until it is done or the input ends.
func beChild(ctx context.Context, role func(context.Context, func(any) error, []string) error, args []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return role(ctx, json.NewEncoder(os.Stdout).Encode, args)
}

// spawn starts a child with the settings of the worker and those in env.
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
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	if err := stack.StartInBatch(cmd); err != nil { // as the worker and the API are
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return &child{cmd: cmd, input: input, lines: bufio.NewScanner(output), name: role}, nil
}

// hear waits for the child's next line.
func (c *child) hear(into any) error {
	if !c.lines.Scan() {
		err := errors.Join(c.lines.Err(), c.cmd.Wait())
		if err == nil {
			err = errors.New("it ended early")
		}
		return fmt.Errorf("%s: %w; why is in the bench's log", c.name, err)
	}
	if err := json.Unmarshal(c.lines.Bytes(), into); err != nil {
		return fmt.Errorf("%s said %q: %w", c.name, c.lines.Text(), err)
	}
	return nil
}

// end asks the child to stop, waits for it and returns the CPU time it took.
func (c *child) end() (time.Duration, error) {
	err := c.input.Close()
	for c.lines.Scan() { // what it still says is of no interest
	}
	if failed := c.cmd.Wait(); failed != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w; why is in the bench's log", c.name, failed))
	}
	return c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime(), err
}
