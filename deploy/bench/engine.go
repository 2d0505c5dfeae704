package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/workflows"
)

// The engine's limit: how many workflows the server closes when they do
// nothing, one local activity that returns, started eagerly by the process that
// runs them. No design on this server can credit faster.

// NoOp is the least that a durable step can be.
func NoOp(ctx workflow.Context) error {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Second})
	return workflow.ExecuteLocalActivity(ctx, Nothing).Get(ctx, nil)
}

// SearchableNoOp is NoOp with the search attributes of a credit, so that the
// server writes as much for its lists as a credit has it write.
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

// engineReport is what the child says when every workflow has taken its step.
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
	starters := flags.Int("starters", 1, "how many starts are under way at once")
	serial := flags.Bool("serial", false, "wait for each before the next")
	searchable := flags.Bool("searchable", false, "give them the search attributes of a credit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := dial(ctx, *address, &client.GrpcCompressionNone{}) // as the stack has the worker do
	if err != nil {
		return err
	}
	defer c.Close()
	worker.SetStickyWorkflowCacheSize(2000) // the worker's own
	w := worker.New(c, *queue, worker.Options{})
	w.RegisterWorkflow(NoOp)
	w.RegisterWorkflow(SearchableNoOp)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer w.Stop()
	if *serial {
		times, err := oneByOne(ctx, c, *queue, *count)
		if err != nil {
			return err
		}
		return say(engineReport{Serial: times})
	}
	began := time.Now()
	if err := startAll(ctx, c, *queue, *searchable, *count, *starters); err != nil {
		return err
	}
	if err := until(ctx, time.Minute, 5*time.Millisecond, func() (bool, error) {
		return executed.Load() >= int64(*count), nil
	}); err != nil {
		return fmt.Errorf("wait for the workflows: %w", err)
	}
	if err := say(engineReport{Began: began}); err != nil {
		return err
	}
	<-ctx.Done() // the last tasks are still being answered
	return nil
}

func noOpOptions(queue string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: queue + "/" + uuid.NewString(), TaskQueue: queue, EnableEagerStart: true, WorkflowTaskTimeout: 3 * time.Second,
	}
}

// startAll starts n workflows, some at a time, and waits for none.
func startAll(ctx context.Context, c client.Client, queue string, searchable bool, n, starters int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(starters)
	for range n {
		group.Go(func() error {
			options := noOpOptions(queue)
			if !searchable {
				_, err := c.ExecuteWorkflow(ctx, options, NoOp)
				return err
			}
			options.TypedSearchAttributes = temporal.NewSearchAttributes(
				workflows.RaceIDKey.ValueSet(queue), workflows.RecordIDKey.ValueSet(options.ID))
			_, err := c.ExecuteWorkflow(ctx, options, SearchableNoOp)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("start workflows: %w", err)
	}
	return nil
}

// oneByOne returns the time of each workflow from its start to its step.
func oneByOne(ctx context.Context, c client.Client, queue string, n int) ([]float64, error) {
	times := make([]float64, n)
	for i := range times {
		began := time.Now()
		run, err := c.ExecuteWorkflow(ctx, noOpOptions(queue), NoOp)
		if err != nil {
			return nil, fmt.Errorf("start a workflow: %w", err)
		}
		if err := run.Get(ctx, nil); err != nil {
			return nil, fmt.Errorf("wait for a workflow: %w", err)
		}
		times[i] = milliseconds(time.Since(began))
	}
	return times, nil
}

// engineRun is one measurement of the engine.
type engineRun struct {
	rate    float64       // workflows closed per second
	visible time.Duration // from the last close to the complete list
	cpu     time.Duration // of the process that starts and runs them
}

// engine measures the limit of the server at address, by workflows that do
// nothing, or nothing but be found.
func (b *bench) engine(ctx context.Context, address string, count int, searchable bool) (engineRun, error) {
	c, err := dial(ctx, address, nil)
	if err != nil {
		return engineRun{}, err
	}
	defer c.Close()
	if err := b.quiet(ctx); err != nil {
		return engineRun{}, err
	}
	queue := "engine-" + uuid.NewString()
	process, err := b.spawn(ctx, "engine", nil, "-address", address, "-queue", queue,
		"-workflows", strconv.Itoa(count), "-starters", strconv.Itoa(b.starters), "-searchable="+strconv.FormatBool(searchable))
	if err != nil {
		return engineRun{}, err
	}
	var said engineReport
	if err := process.hear(&said); err != nil {
		return engineRun{}, err
	}
	seen, err := awaitClosed(ctx, c, fmt.Sprintf("TaskQueue = %q", queue), count)
	if err != nil {
		return engineRun{}, err
	}
	cpu, err := process.end()
	return engineRun{perSecond(count, seen.last.Sub(said.Began)), seen.complete.Sub(seen.last), cpu}, err
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
	_, err = process.end()
	return said.Serial, err
}
