package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// The engine's limit is how many workflows the server closes when they do
// nothing: one local activity that returns, started eagerly by the process that
// runs them. No design on this server can credit faster.

// What the engine does with workflows that do nothing.
const (
	eager      = "eager"      // start as many at once as the bridge does: workflows closed per second
	searchable = "searchable" // the same with the search attributes of a credit
	serial     = "serial"     // each after the one before: the median in milliseconds
)

// NoOp is the smallest possible workflow with a step.
func NoOp(ctx workflow.Context) error {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Second})
	return workflow.ExecuteLocalActivity(ctx, Nothing).Get(ctx, nil)
}

// SearchableNoOp is NoOp with the search attributes of a credit, so that the
// server writes as much for its lists as it does for a credit.
func SearchableNoOp(ctx workflow.Context) error {
	if err := NoOp(ctx); err != nil {
		return err
	}
	return workflow.UpsertTypedSearchAttributes(ctx,
		workflows.CreditStatusKey.ValueSet("credited"), workflows.RunnerIDKey.ValueSet(workflow.GetInfo(ctx).WorkflowExecution.RunID))
}

// executed counts the local activities of this process.
var executed atomic.Int64

// Nothing is a step without work.
func Nothing(context.Context) error {
	executed.Add(1)
	return nil
}

// engine runs workflows that do nothing on the server at address, and returns what the
// constant of how says.
func (b *bench) engine(ctx context.Context, address string, count int, how string) (measured float64, err error) {
	if err := b.quiet(ctx); err != nil {
		return 0, err
	}
	err = b.child(ctx, nil, func(said string) error {
		measured, err = strconv.ParseFloat(said, 64)
		return err
	}, "engine", address, strconv.Itoa(count), how)
	return measured, err
}

// runEngine is the child: `engine ADDRESS COUNT HOW`.
func runEngine(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: engine ADDRESS COUNT HOW")
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := dial(ctx, args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	worker.SetStickyWorkflowCacheSize(2000) // like the worker
	queue := "engine-" + uuid.NewString()
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(NoOp)
	w.RegisterWorkflow(SearchableNoOp)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer w.Stop()
	measure := closedPerSecond
	if args[2] == serial {
		measure = medianTime
	}
	measured, err := measure(ctx, c, queue, count, args[2])
	if err != nil {
		return err
	}
	fmt.Println(measured)
	return nil
}

// closedPerSecond returns the rate at which the server closes workflows.
func closedPerSecond(ctx context.Context, c client.Client, queue string, count int, how string) (float64, error) {
	var cfg bridge.Config
	if err := settings.Read(&cfg, os.Environ()); err != nil {
		return 0, err
	}
	began := time.Now()
	group, starting := errgroup.WithContext(ctx)
	group.SetLimit(cfg.Starts)
	for range count {
		group.Go(func() error {
			_, err := startNoOp(starting, c, queue, how)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	err := until(ctx, time.Minute, 5*time.Millisecond, func() (bool, error) { return executed.Load() >= int64(count), nil })
	if err != nil {
		return 0, fmt.Errorf("wait for the workflows: %w", err)
	}
	last, _, err := awaitClosed(ctx, c, fmt.Sprintf("TaskQueue = %q", queue), count)
	return perSecond(count, last.Sub(began)), err
}

// medianTime returns how long single workflows take on an idle server, in ms.
func medianTime(ctx context.Context, c client.Client, queue string, count int, how string) (float64, error) {
	times := make([]float64, count)
	for i := range times {
		began := time.Now()
		run, err := startNoOp(ctx, c, queue, how)
		if err != nil {
			return 0, err
		}
		if err := run.Get(ctx, nil); err != nil {
			return 0, fmt.Errorf("wait for a workflow: %w", err)
		}
		times[i] = milliseconds(time.Since(began))
	}
	return percentile(times, 0.50), nil
}

func startNoOp(ctx context.Context, c client.Client, queue, how string) (client.WorkflowRun, error) {
	options := client.StartWorkflowOptions{
		ID: queue + "/" + uuid.NewString(), TaskQueue: queue, EnableEagerStart: true, WorkflowTaskTimeout: 3 * time.Second,
	}
	run := NoOp
	if how == searchable {
		run = SearchableNoOp
		options.TypedSearchAttributes = temporal.NewSearchAttributes(
			workflows.RaceIDKey.ValueSet(queue), workflows.RecordIDKey.ValueSet(options.ID))
	}
	started, err := c.ExecuteWorkflow(ctx, options, run)
	if err != nil {
		return nil, fmt.Errorf("start a workflow: %w", err)
	}
	return started, nil
}

// awaitClosed polls Temporal's visibility store until it lists that many completed
// workflows. It returns when the last one closed, by the server's clock, and when the
// lists of the Web UI were complete. It is called when the work is done, so that the
// polls do not slow it down.
func awaitClosed(ctx context.Context, c client.Client, query string, want int) (last, complete time.Time, err error) {
	query += ` AND ExecutionStatus = "Completed"`
	err = until(ctx, 3*time.Minute, 50*time.Millisecond, func() (bool, error) {
		answer, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		complete = time.Now()
		return err == nil && int(answer.GetCount()) >= want, err
	})
	if err != nil {
		return last, complete, fmt.Errorf("wait until %d workflows are listed: %w", want, err)
	}
	// The list begins with the last one closed.
	page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000})
	if err != nil {
		return last, complete, fmt.Errorf("list workflows: %w", err)
	}
	for _, execution := range page.GetExecutions() {
		if at := execution.GetCloseTime().AsTime(); at.After(last) {
			last = at
		}
	}
	return last, complete, nil
}
