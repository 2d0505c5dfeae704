package main

import (
	"context"
	"flag"
	"fmt"
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

	"github.com/mrmrthon/mrmrthon/workflows"
)

// The engine's limit is how many workflows the server closes when they do
// nothing: one local activity that returns, started eagerly by the process that
// runs them. No design on this server can credit faster.

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

// engineReport is what the child writes when every workflow has run its step.
type engineReport struct {
	Began  time.Time `json:"began"`
	Serial []float64 `json:"serial_ms,omitempty"` // of each workflow, when started one after the other
}

// runEngine is the child: `engine -address … -queue … -workflows … -starters …`.
func runEngine(ctx context.Context, say func(any) error, args []string) error {
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	address := flags.String("address", "", "of Temporal")
	queue := flags.String("queue", "", "task queue")
	count := flags.Int("workflows", 0, "how many")
	starters := flags.Int("starters", 1, "how many starts are in flight at once")
	serial := flags.Bool("serial", false, "wait for each before the next")
	searchable := flags.Bool("searchable", false, "give them the search attributes of a credit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := dial(ctx, *address, &client.GrpcCompressionNone{}) // like the stack's worker
	if err != nil {
		return err
	}
	defer c.Close()
	worker.SetStickyWorkflowCacheSize(2000) // like the worker
	w := worker.New(c, *queue, worker.Options{})
	w.RegisterWorkflow(NoOp)
	w.RegisterWorkflow(SearchableNoOp)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer w.Stop()
	if *serial {
		times := make([]float64, *count)
		for i := range times {
			began := time.Now()
			run, err := startNoOp(ctx, c, *queue, false)
			if err != nil {
				return err
			}
			if err := run.Get(ctx, nil); err != nil {
				return fmt.Errorf("wait for a workflow: %w", err)
			}
			times[i] = milliseconds(time.Since(began))
		}
		return say(engineReport{Serial: times})
	}
	began := time.Now()
	group, starting := errgroup.WithContext(ctx)
	group.SetLimit(*starters)
	for range *count {
		group.Go(func() error {
			_, err := startNoOp(starting, c, *queue, *searchable)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	err = until(ctx, time.Minute, 5*time.Millisecond, func() (bool, error) { return executed.Load() >= int64(*count), nil })
	if err != nil {
		return fmt.Errorf("wait for the workflows: %w", err)
	}
	if err := say(engineReport{Began: began}); err != nil {
		return err
	}
	<-ctx.Done() // the last tasks are still being completed
	return nil
}

func startNoOp(ctx context.Context, c client.Client, queue string, searchable bool) (client.WorkflowRun, error) {
	options := client.StartWorkflowOptions{
		ID: queue + "/" + uuid.NewString(), TaskQueue: queue, EnableEagerStart: true, WorkflowTaskTimeout: 3 * time.Second,
	}
	run := NoOp
	if searchable {
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

// engine measures the limit of the server at address: the rate at which it
// closes workflows.
func (b *bench) engine(ctx context.Context, address string, count int, searchable bool) (rate float64, err error) {
	c, err := dial(ctx, address, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := b.quiet(ctx); err != nil {
		return 0, err
	}
	queue := "engine-" + uuid.NewString()
	process, err := b.spawn(ctx, "engine", nil, "-address", address, "-queue", queue,
		"-workflows", strconv.Itoa(count), "-starters", strconv.Itoa(b.starters), "-searchable="+strconv.FormatBool(searchable))
	if err != nil {
		return 0, err
	}
	var said engineReport
	if err := process.hear(&said); err != nil {
		return 0, err
	}
	last, _, err := awaitClosed(ctx, c, fmt.Sprintf("TaskQueue = %q", queue), count)
	if err != nil {
		return 0, err
	}
	return perSecond(count, last.Sub(said.Began)), process.end()
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

// engineSerial returns how long single workflows take on an idle server, in ms.
func (b *bench) engineSerial(ctx context.Context, address string, count int) ([]float64, error) {
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	process, err := b.spawn(ctx, "engine", nil, "-serial", "-address", address, "-queue", "engine-"+uuid.NewString(),
		"-workflows", strconv.Itoa(count))
	if err != nil {
		return nil, err
	}
	var said engineReport
	if err := process.hear(&said); err != nil {
		return nil, err
	}
	return said.Serial, process.end()
}
