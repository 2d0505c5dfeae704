package main

import (
	"cmp"
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

// credits measures credits per second against the engine's limit, the same on servers
// with other settings, the plain design, and no Temporal at all. They alternate, so that
// a machine that becomes slower slows all of them.
func (b *bench) credits(ctx context.Context) {
	const figure = "credits"
	r := b.report
	b.say("%d credits", b.size.Credits)
	l := b.load(ctx, b.size.Credits)
	last, listed := awaitClosed(ctx, b.temporal, fmt.Sprintf("WorkflowType = 'CreditRecord' AND RaceId = %q", l.raceID), b.size.Credits)
	b.say("the engine alone, %d workflows", b.size.Engine)
	engine := b.engine(ctx, b.stack.TemporalAddress(), b.size.Engine, eager)
	tuned, set, lifted := b.server(ctx, stack.Tuned), b.server(ctx, stack.SettingsAlone), b.server(ctx, stack.LimitsLifted)
	var direct, plain load
	b.say("%d credits without Temporal", b.size.Credits)
	b.instead(ctx, "consumer", nil, func() { direct = b.load(ctx, b.size.Credits) })
	b.say("%d credits by the plain design", b.size.Plain)
	b.withServer(ctx, stack.Untouched, func(address string) {
		b.instead(ctx, "plain", map[string]string{"TEMPORAL_ADDRESS": address}, func() { plain = b.load(ctx, b.size.Plain) })
	})
	r.add(figure, fmt.Sprintf("credits, %s in one import, request to last commit", thousands(b.size.Credits)), "/s", l.rate, target{})
	r.add(figure, "engine's limit: no-op workflows, same server", "/s", engine, target{})
	r.ratio(figure, "credits to the engine's limit", l.rate, engine, target{atLeast: 0.90, floor: 0.5})
	r.add(figure, "plain design, server with default settings", "/s", plain.rate, target{})
	r.ratio(figure, "credits to the plain design", l.rate, plain.rate, target{atLeast: 5, floor: 5})
	r.add(figure, "no Temporal: the queue and the databases alone", "/s", direct.rate, target{})
	r.ratio(figure, "credits to no Temporal", l.rate, direct.rate, target{})
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
}

// server measures the engine alone on a server with other settings, once it is warm.
func (b *bench) server(ctx context.Context, server stack.Server) (rate float64) {
	b.say("the engine alone, %s, %d workflows", cmp.Or(string(server), "tuned"), b.size.Servers)
	b.withServer(ctx, server, func(address string) {
		b.engine(ctx, address, b.size.WarmUp, searchable)
		rate = b.engine(ctx, address, b.size.Servers, searchable)
	})
	return rate
}

// Two other designs: the obvious one with Temporal, and one without it. Both receive the
// same messages from the same queue through the worker's own bridge and write to the
// same databases through the same stores.

// receiver is a child that receives the messages instead of the worker.
type receiver struct {
	*program.Clients
	credits *maindb.Store
	ledger  *userdb.Ledger
}

// receive passes on messages until ctx ends.
func receive(ctx context.Context, to func(receiver) bridge.Starter) {
	var cfg struct {
		program.Config
		Bridge bridge.Config
	}
	check(settings.Read(&cfg, os.Environ()))
	clients := must(program.Open(ctx, cfg.Config, "bench", slog.New(slog.DiscardHandler), slog.DiscardHandler))
	starter := to(receiver{clients, maindb.New(clients.MainDB, time.Now), userdb.NewLedger(clients.UserDB, time.Now)})
	fmt.Println("ready")
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	bridge.New(cfg.Bridge, clients.Queue, starter, log, clients.Registry).Run(ctx)
	check(clients.Close())
}

// runConsumer is the child that credits without Temporal, which shows what the queue and
// the databases cost alone. After a crash a message would be received again; a failure
// would be visible nowhere.
func runConsumer(ctx context.Context, _ []string) {
	receive(ctx, func(r receiver) bridge.Starter { return consumer{r} })
}

type consumer struct{ receiver }

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
func runPlain(ctx context.Context, _ []string) {
	receive(ctx, func(r receiver) bridge.Starter {
		w := worker.New(r.Temporal, plainQueue, worker.Options{})
		w.RegisterWorkflow(PlainCredit)
		w.RegisterActivity(activities.NewCredits(r.credits, r.ledger, activities.NewMetrics(prometheus.NewRegistry())))
		check(w.Start())
		return plainStarter{r}
	})
}

const plainQueue = "plain"

type plainStarter struct{ receiver }

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
func (b *bench) latency(ctx context.Context) {
	const figure = "latency"
	r := b.report
	b.say("%d single records", b.size.Latency)
	answered, shown := b.oneByOne(ctx)
	b.say("%d single workflows that do nothing", b.size.Latency)
	engine := b.engine(ctx, b.stack.TemporalAddress(), b.size.Latency, serial)
	b.say("%d single records without Temporal", b.size.Latency)
	var alone []float64
	b.instead(ctx, "consumer", nil, func() { _, alone = b.oneByOne(ctx) })
	p50, direct := percentile(shown, 0.50), percentile(alone, 0.50)
	r.add(figure, fmt.Sprintf("POST to visible point, %d records one by one: p50", b.size.Latency), "ms", p50, target{atMost: 12})
	r.add(figure, "the same: p99", "ms", percentile(shown, 0.99), target{atMost: 40})
	r.add(figure, "  of it HTTP and commit (POST to answer)", "ms", percentile(answered, 0.50), target{})
	r.add(figure, "part: the same without Temporal, p50", "ms", direct, target{})
	r.add(figure, "part: a workflow that does nothing, start to end, p50", "ms", engine, target{})
	r.ratio(figure, "p50 to the sum of the parts", p50, direct+engine, target{})
}

// oneByOne posts records, each after the previous one is credited. It returns the
// milliseconds until each was answered and until its credit was visible.
func (b *bench) oneByOne(ctx context.Context) (answered, shown []float64) {
	path := "/v1/races/" + b.race(ctx, b.size.Latency) + "/official-records"
	b.quiet(ctx)
	for _, f := range finishes(b.size.Latency) {
		var record struct {
			RecordID string `json:"record_id"`
			Credit   struct {
				Status string `json:"status"`
			} `json:"credit"`
		}
		sent := time.Now()
		check(b.organizer.JSON(ctx, "POST", path, f, &record))
		answered = append(answered, milliseconds(time.Since(sent)))
		// The pauses leave the processors to the stack.
		until(ctx, 30*time.Second, time.Millisecond, "the credit of bib "+f.Bib, func() bool {
			check(b.organizer.Get(ctx, path+"/"+record.RecordID, &record))
			return record.Credit.Status == "credited"
		})
		shown = append(shown, milliseconds(time.Since(sent)))
	}
	return answered, shown
}

// curve measures whether a large ledger makes credits more expensive, by imports of
// several sizes before and after it is filled. It repeats them itself.
func (b *bench) curve(ctx context.Context) {
	empty := b.climb(ctx, "")
	b.fillLedger(ctx, b.size.Ledger)
	full := b.climb(ctx, fmt.Sprintf(", %s ledger lines before", thousands(b.size.Ledger)))
	for i, records := range b.size.Curve {
		what := fmt.Sprintf("CPU of worker and database, %s records, to the same without the ledger", thousands(records))
		b.report.ratio("curve", what, full[i], empty[i], target{atMost: 1.10})
	}
}

// climb measures imports of growing size, and returns for each the median CPU-seconds
// of worker and database per 1,000 records.
func (b *bench) climb(ctx context.Context, after string) []float64 {
	medians := make([]float64, len(b.size.Curve))
	for i, records := range b.size.Curve {
		what := thousands(records) + " records" + after
		for b.turn = range b.size.Repetitions {
			b.say("%s", what)
			l := b.load(ctx, records)
			b.report.add("curve", what, "/s", l.rate, target{})
			medians[i] = b.report.add("curve", "  CPU of worker and database per 1,000 of "+what, "s", l.cpu[stack.Worker]+l.cpu[stack.MariaDB], target{}).Median
		}
	}
	return medians
}

// fillLedger adds the lines of a hundred races of other runners, with credits and
// totals that agree, as years of races would have left them.
func (b *bench) fillLedger(ctx context.Context, lines int) {
	const (
		races, points = 100, 500 // of each runner
		at            = "2020-01-01 00:00:00"
	)
	runners := lines / races
	id := func(kind, n int) string { return fmt.Sprintf("%08d-0000-7000-8000-%012d", kind, n) }
	of := func(n int) (user, raceID, record, workflow string) {
		user, raceID, record = id(1, n%runners), id(2, n/runners), id(3, n)
		return user, raceID, record, workflows.CreditWorkflowID(raceID, record, 1)
	}
	check(insertAll(ctx, b.userDB, "user", "user_id, user_type, name, phone, sex, total_point, created_at, updated_at", runners, func(n int) []any {
		return []any{id(1, n), "runner", "", "", "", races * points, at, at}
	}))
	check(insertAll(ctx, b.userDB, "credit", "record_id, race_id, revision, status, user_id, points, rule, edition, reason, workflow_id, updated_at", lines, func(n int) []any {
		user, raceID, record, workflowID := of(n)
		return []any{record, raceID, 1, "credited", user, points, "agegrade", "2025", "", workflowID, at}
	}))
	check(insertAll(ctx, b.userDB, "point", "user_id, race_id, record_id, revision, entry, rule, edition, points, reason, workflow_id, created_at", lines, func(n int) []any {
		user, raceID, record, workflowID := of(n)
		return []any{user, raceID, record, 1, "credit", "agegrade", "2025", points, "", workflowID, at}
	}))
}
