package main

import (
	"context"
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
func (b *bench) engine(ctx context.Context, address string, count int, how string) (measured float64) {
	b.quiet(ctx)
	b.child(ctx, nil, func(said string) { measured = must(strconv.ParseFloat(said, 64)) }, "engine", address, strconv.Itoa(count), how)
	return measured
}

// runEngine is the child: `engine ADDRESS COUNT HOW`.
func runEngine(ctx context.Context, args []string) {
	address, count, how := args[0], must(strconv.Atoi(args[1])), args[2]
	c := dial(ctx, address)
	defer c.Close()
	worker.SetStickyWorkflowCacheSize(2000) // like the worker
	queue := "engine-" + uuid.NewString()
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(NoOp)
	w.RegisterWorkflow(SearchableNoOp)
	check(w.Start())
	defer w.Stop()
	if how == serial {
		fmt.Println(medianTime(ctx, c, queue, count))
	} else {
		fmt.Println(closedPerSecond(ctx, c, queue, count, how))
	}
}

// closedPerSecond returns the rate at which the server closes workflows.
func closedPerSecond(ctx context.Context, c client.Client, queue string, count int, how string) float64 {
	var cfg bridge.Config
	check(settings.Read(&cfg, os.Environ()))
	began := time.Now()
	each(ctx, count, cfg.Starts, func(ctx context.Context, _ int) error {
		_, err := startNoOp(ctx, c, queue, how)
		return err
	})
	until(ctx, time.Minute, 5*time.Millisecond, "the workflows", func() bool { return executed.Load() >= int64(count) })
	last, _ := awaitClosed(ctx, c, fmt.Sprintf("TaskQueue = %q", queue), count)
	return perSecond(count, last.Sub(began))
}

// medianTime returns how long single workflows take on an idle server, in ms.
func medianTime(ctx context.Context, c client.Client, queue string, count int) float64 {
	times := make([]float64, count)
	for i := range times {
		began := time.Now()
		check(must(startNoOp(ctx, c, queue, serial)).Get(ctx, nil))
		times[i] = milliseconds(time.Since(began))
	}
	return percentile(times, 0.50)
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
	return c.ExecuteWorkflow(ctx, options, run)
}

// awaitClosed polls Temporal's visibility store until it lists that many completed
// workflows. It returns when the last one closed, by the server's clock, and when the
// lists of the Web UI were complete. It is called when the work is done, so that the
// polls do not slow it down.
func awaitClosed(ctx context.Context, c client.Client, query string, want int) (last, complete time.Time) {
	query += ` AND ExecutionStatus = "Completed"`
	until(ctx, 3*time.Minute, 50*time.Millisecond, thousands(want)+" workflows to be listed", func() bool {
		answer := must(c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query}))
		complete = time.Now()
		return int(answer.GetCount()) >= want
	})
	// The list begins with the last one closed.
	page := must(c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000}))
	for _, execution := range page.GetExecutions() {
		if at := execution.GetCloseTime().AsTime(); at.After(last) {
			last = at
		}
	}
	return last, complete
}
