package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// load is one import whose records have been credited.
type load struct {
	raceID string
	rate   float64                // credits per second, from the request to the last commit
	cpu    map[stack.Part]float64 // seconds for 1,000 records
}

// load imports the results of a new race and waits for their credits.
func (b *bench) load(ctx context.Context, records int) (load, error) {
	raceID, err := b.race(ctx, records)
	if err != nil {
		return load{}, err
	}
	file := results(records)
	if err := b.quiet(ctx); err != nil {
		return load{}, err
	}
	before, err := b.cpu()
	if err != nil {
		return load{}, err
	}
	began := time.Now()
	if err := b.upload(ctx, resultsPath(raceID), records, file); err != nil {
		return load{}, err
	}
	last, err := b.awaitCredits(ctx, raceID, records)
	if err != nil {
		return load{}, err
	}
	cpu, err := b.cpu()
	for part := range cpu {
		cpu[part] = (cpu[part] - before[part]) * 1000 / float64(records)
	}
	return load{raceID, perSecond(records, last.Sub(began)), cpu}, err
}

// credits measures credits per second against the engine's limit, the same on servers
// with other settings, the plain design, and no Temporal at all. They alternate, so that
// a machine that becomes slower slows all of them.
func (b *bench) credits(ctx context.Context) error {
	const figure = "credits"
	r := b.report
	b.say("%d credits", b.size.Credits)
	l, err := b.load(ctx, b.size.Credits)
	if err != nil {
		return err
	}
	last, listed, err := awaitClosed(ctx, b.temporal, fmt.Sprintf("WorkflowType = 'CreditRecord' AND RaceId = %q", l.raceID), b.size.Credits)
	if err != nil {
		return err
	}
	b.say("the engine alone, %d workflows", b.size.Engine)
	engine, err := b.engine(ctx, b.stack.TemporalAddress(), b.size.Engine, eager)
	if err != nil {
		return err
	}
	var tuned, set, lifted, direct, plain float64
	for _, other := range []struct {
		rate    *float64
		measure func() (float64, error)
	}{
		{&tuned, func() (float64, error) { return b.server(ctx, stack.Tuned) }},
		{&set, func() (float64, error) { return b.server(ctx, stack.SettingsAlone) }},
		{&lifted, func() (float64, error) { return b.server(ctx, stack.LimitsLifted) }},
		{&direct, func() (float64, error) { return b.direct(ctx) }},
		{&plain, func() (float64, error) { return b.plain(ctx) }},
	} {
		if *other.rate, err = other.measure(); err != nil {
			return err
		}
	}
	r.add(figure, fmt.Sprintf("credits, %s in one import, request to last commit", thousands(b.size.Credits)), "/s", l.rate, target{})
	r.add(figure, "engine's limit: no-op workflows, same server", "/s", engine, target{})
	r.ratio(figure, "credits to the engine's limit", l.rate, engine, target{atLeast: 0.90, floor: 0.5})
	r.add(figure, "plain design, server with default settings", "/s", plain, target{})
	r.ratio(figure, "credits to the plain design", l.rate, plain, target{atLeast: 5, floor: 5})
	r.add(figure, "no Temporal: the queue and the databases alone", "/s", direct, target{})
	r.ratio(figure, "credits to no Temporal", l.rate, direct, target{})
	r.add(figure, "searchable no-op workflows, new database, limits lifted", "/s", lifted, target{})
	r.add(figure, "searchable no-op workflows, new database, settings", "/s", set, target{})
	r.ratio(figure, "settings to limits lifted", set, lifted, target{atLeast: 1.6, floor: 1.2})
	r.add(figure, "searchable no-op workflows, new database, settings and fewer indexes", "/s", tuned, target{})
	r.ratio(figure, "settings and fewer indexes to limits lifted", tuned, lifted, target{atLeast: 2.2})
	r.add(figure, "lists complete after the last close", "s", listed.Sub(last).Seconds(), target{atMost: 2})
	for _, part := range []stack.Part{stack.Temporal, stack.Worker, stack.MariaDB, stack.API} {
		r.add("processes", string(part)+": CPU per 1,000 credits", "s", l.cpu[part], target{})
	}
	r.ratio("processes", "CPU of worker and API to Temporal's", l.cpu[stack.Worker]+l.cpu[stack.API], l.cpu[stack.Temporal], target{atMost: 0.40})
	return nil
}

// server measures the engine alone on a server with other settings, whose database is
// warmed up the first time.
func (b *bench) server(ctx context.Context, server stack.Server) (rate float64, err error) {
	b.say("the engine alone, %s, %d workflows", server, b.size.Servers)
	_, warm := b.others[server]
	err = b.withServer(ctx, server, func(address string) error {
		if !warm {
			if _, err := b.engine(ctx, address, b.size.WarmUp, searchable); err != nil {
				return err
			}
		}
		rate, err = b.engine(ctx, address, b.size.Servers, searchable)
		return err
	})
	return rate, err
}

// direct measures credits without Temporal.
func (b *bench) direct(ctx context.Context) (rate float64, err error) {
	b.say("%d credits without Temporal", b.size.Credits)
	err = b.instead(ctx, "consumer", nil, func() error {
		l, err := b.load(ctx, b.size.Credits)
		rate = l.rate
		return err
	})
	return rate, err
}

// plain measures credits by the plain design.
func (b *bench) plain(ctx context.Context) (rate float64, err error) {
	b.say("%d credits by the plain design", b.size.Plain)
	err = b.withServer(ctx, stack.Untouched, func(address string) error {
		return b.instead(ctx, "plain", map[string]string{"TEMPORAL_ADDRESS": address}, func() error {
			l, err := b.load(ctx, b.size.Plain)
			rate = l.rate
			return err
		})
	})
	return rate, err
}

// Two other designs: the obvious one with Temporal, and one without it. Both receive the
// same messages from the same queue through the worker's own bridge and write to the
// same databases through the same stores.

// receiver is a child that receives the messages instead of the worker.
type receiver struct {
	*program.Clients
	bridge  bridge.Config
	credits *maindb.Store
	ledger  *userdb.Ledger
}

func openReceiver(ctx context.Context) (*receiver, error) {
	var cfg struct {
		program.Config
		Bridge bridge.Config
	}
	if err := settings.Read(&cfg, os.Environ()); err != nil {
		return nil, err
	}
	clients, err := program.Open(ctx, cfg.Config, "bench", slog.New(slog.DiscardHandler), slog.DiscardHandler)
	if err != nil {
		return nil, err
	}
	return &receiver{clients, cfg.Bridge, maindb.New(clients.MainDB, time.Now), userdb.NewLedger(clients.UserDB, time.Now)}, nil
}

// run passes on messages until ctx ends.
func (r *receiver) run(ctx context.Context, to bridge.Starter) {
	fmt.Println("ready")
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	bridge.New(r.bridge, r.Queue, to, log, r.Registry).Run(ctx)
}

// runConsumer is the child that credits without Temporal, which shows what the queue and
// the databases cost alone. After a crash a message would be received again; a failure
// would be visible nowhere.
func runConsumer(ctx context.Context, _ []string) error {
	r, err := openReceiver(ctx)
	if err != nil {
		return err
	}
	r.run(ctx, consumer{r})
	return r.Close()
}

type consumer struct{ *receiver }

// Start credits the message's revision at once.
func (c consumer) Start(ctx context.Context, m queue.Message) error {
	facts, err := c.credits.Facts(ctx, m.RecordID)
	if err != nil {
		return err
	}
	award, err := scoring.Judge(facts)
	if err != nil {
		return err
	}
	_, err = c.ledger.ApplyCredit(ctx, race.Credit{
		RecordID: m.RecordID, RaceID: m.RaceID, Revision: m.Revision, Status: award.Status, UserID: award.RunnerID,
		Points: award.Points, Rule: award.Rule, Edition: award.Edition, Reason: award.Reason, Parts: award.Parts,
		WorkflowID: workflows.CreditWorkflowID(m.RaceID, m.RecordID, m.Revision),
	})
	return err
}

// runPlain is the child with the obvious design: three ordinary activities, a worker
// with default settings, and starts that are not eager.
func runPlain(ctx context.Context, _ []string) error {
	r, err := openReceiver(ctx)
	if err != nil {
		return err
	}
	w := worker.New(r.Temporal, plainQueue, worker.Options{})
	w.RegisterWorkflow(PlainCredit)
	w.RegisterActivity(activities.NewCredits(r.credits, r.ledger, activities.NewMetrics(prometheus.NewRegistry())))
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	r.run(ctx, plainStarter{r})
	w.Stop()
	return r.Close()
}

const plainQueue = "plain"

type plainStarter struct{ *receiver }

// Start starts PlainCredit.
func (p plainStarter) Start(ctx context.Context, m queue.Message) error {
	input := workflows.CreditInput{RaceID: m.RaceID, RecordID: m.RecordID, Revision: m.Revision}
	_, err := p.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.CreditWorkflowID(m.RaceID, m.RecordID, m.Revision), TaskQueue: plainQueue,
	}, PlainCredit, input)
	return err
}

// PlainCredit takes the steps of CreditRecord as ordinary activities, each a
// task of its own.
func PlainCredit(ctx workflow.Context, input workflows.CreditInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	var steps *activities.Credits
	var validated activities.Validated
	if err := workflow.ExecuteActivity(ctx, steps.ValidateParticipant, input).Get(ctx, &validated); err != nil {
		return err
	}
	var award scoring.Award
	compute := activities.ComputeInput{CreditInput: input, Facts: validated.Facts}
	if err := workflow.ExecuteActivity(ctx, steps.ComputePoints, compute).Get(ctx, &award); err != nil {
		return err
	}
	return workflow.ExecuteActivity(ctx, steps.CommitPoints, activities.CommitInput{Credit: input, Award: award, Facts: validated.Facts}).Get(ctx, nil)
}

// latency measures the time from a POST to the point that everybody can see, and its
// parts: the same without Temporal, and a workflow that does nothing. The rest is
// waiting.
func (b *bench) latency(ctx context.Context) error {
	const figure = "latency"
	r := b.report
	b.say("%d single records", b.size.Latency)
	answered, shown, err := b.oneByOne(ctx)
	if err != nil {
		return err
	}
	b.say("%d single workflows that do nothing", b.size.Latency)
	engine, err := b.engine(ctx, b.stack.TemporalAddress(), b.size.Latency, serial)
	if err != nil {
		return err
	}
	b.say("%d single records without Temporal", b.size.Latency)
	var alone []float64
	err = b.instead(ctx, "consumer", nil, func() (err error) {
		_, alone, err = b.oneByOne(ctx)
		return err
	})
	if err != nil {
		return err
	}
	p50, direct := percentile(shown, 0.50), percentile(alone, 0.50)
	r.add(figure, fmt.Sprintf("POST to visible point, %d records one by one: p50", b.size.Latency), "ms", p50, target{atMost: 12})
	r.add(figure, "the same: p99", "ms", percentile(shown, 0.99), target{atMost: 40})
	r.add(figure, "  of it HTTP and commit (POST to answer)", "ms", percentile(answered, 0.50), target{})
	r.add(figure, "part: the same without Temporal, p50", "ms", direct, target{})
	r.add(figure, "part: a workflow that does nothing, start to end, p50", "ms", engine, target{})
	r.ratio(figure, "p50 to the sum of the parts", p50, direct+engine, target{})
	return nil
}

// oneByOne posts records, each after the previous one is credited. It returns the
// milliseconds until each was answered and until its credit was visible.
func (b *bench) oneByOne(ctx context.Context) (answered, shown []float64, err error) {
	raceID, err := b.race(ctx, b.size.Latency)
	if err != nil {
		return nil, nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, nil, err
	}
	path := "/v1/races/" + raceID + "/official-records"
	for _, f := range finishes(b.size.Latency) {
		var record struct {
			RecordID string `json:"record_id"`
			Credit   struct {
				Status string `json:"status"`
			} `json:"credit"`
		}
		sent := time.Now()
		if err := b.organizer.JSON(ctx, "POST", path, f, &record); err != nil {
			return nil, nil, err
		}
		answered = append(answered, milliseconds(time.Since(sent)))
		// The pauses leave the processors to the stack.
		err := until(ctx, 30*time.Second, time.Millisecond, func() (bool, error) {
			err := b.organizer.Get(ctx, path+"/"+record.RecordID, &record)
			return record.Credit.Status == "credited", err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("wait for the credit of bib %s, which is %s: %w", f.Bib, record.Credit.Status, err)
		}
		shown = append(shown, milliseconds(time.Since(sent)))
	}
	return answered, shown, nil
}

// curve measures whether a large ledger makes credits more expensive, by imports of
// several sizes before and after it is filled. It repeats them itself.
func (b *bench) curve(ctx context.Context) error {
	empty, err := b.climb(ctx, "")
	if err != nil {
		return err
	}
	if err := b.fillLedger(ctx, b.size.Ledger); err != nil {
		return err
	}
	full, err := b.climb(ctx, fmt.Sprintf(", %s ledger lines before", thousands(b.size.Ledger)))
	if err != nil {
		return err
	}
	for i, records := range b.size.Curve {
		what := fmt.Sprintf("CPU of worker and database, %s records, to the same without the ledger", thousands(records))
		b.report.ratio("curve", what, full[i], empty[i], target{atMost: 1.10})
	}
	return nil
}

// climb measures imports of growing size, and returns for each the median CPU-seconds
// of worker and database per 1,000 records.
func (b *bench) climb(ctx context.Context, after string) ([]float64, error) {
	medians := make([]float64, len(b.size.Curve))
	for i, records := range b.size.Curve {
		what := thousands(records) + " records" + after
		for b.turn = range b.size.Repetitions {
			b.say("%s", what)
			l, err := b.load(ctx, records)
			if err != nil {
				return nil, err
			}
			b.report.add("curve", what, "/s", l.rate, target{})
			cpu := b.report.add("curve", "  CPU of worker and database per 1,000 of "+what, "s", l.cpu[stack.Worker]+l.cpu[stack.MariaDB], target{})
			medians[i] = cpu.Median
		}
	}
	return medians, nil
}

// fillLedger adds the lines of a hundred races of other runners, with credits and
// totals that agree, as years of races would have left them.
func (b *bench) fillLedger(ctx context.Context, lines int) error {
	const (
		races, points = 100, 500 // of each runner
		at            = "2020-01-01 00:00:00"
	)
	runners := lines / races
	id := func(kind, n int) string { return fmt.Sprintf("%08d-0000-7000-8000-%012d", kind, n) }
	err := insertAll(ctx, b.userDB, "user", "user_id, user_type, name, phone, sex, total_point, created_at, updated_at", runners, func(n int) []any {
		return []any{id(1, n), "runner", "", "", "", races * points, at, at}
	})
	if err != nil {
		return err
	}
	of := func(n int) (user, raceID, record, workflow string) {
		user, raceID, record = id(1, n%runners), id(2, n/runners), id(3, n)
		return user, raceID, record, workflows.CreditWorkflowID(raceID, record, 1)
	}
	err = insertAll(ctx, b.userDB, "credit",
		"record_id, race_id, revision, status, user_id, points, rule, edition, reason, workflow_id, updated_at", lines, func(n int) []any {
			user, raceID, record, workflowID := of(n)
			return []any{record, raceID, 1, "credited", user, points, "agegrade", "2025", "", workflowID, at}
		})
	if err != nil {
		return err
	}
	return insertAll(ctx, b.userDB, "point",
		"user_id, race_id, record_id, revision, entry, rule, edition, points, reason, workflow_id, created_at", lines, func(n int) []any {
			user, raceID, record, workflowID := of(n)
			return []any{user, raceID, record, 1, "credit", "agegrade", "2025", points, "", workflowID, at}
		})
}
