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
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/settings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// Two other designs: the obvious one with Temporal, and one without it. Both receive the
// same messages from the same queue through the worker's own bridge and write to the
// same databases through the same stores.

// design is the part of the worker's settings that both designs need.
type design struct {
	MainDB   mysql.Config `envPrefix:"MAIN_DB_"`
	UserDB   mysql.Config `envPrefix:"USER_DB_"`
	Queue    queue.Config
	Bridge   bridge.Config
	Temporal string `env:"TEMPORAL_ADDRESS,required" help:"host:port of the frontend"`
}

// stores are the databases and the queue of a child.
type stores struct {
	design
	main    *maindb.Store
	user    *userdb.Ledger
	records *queue.Client
	log     *slog.Logger
	close   func()
}

func openStores(ctx context.Context) (stores, error) {
	s := stores{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if err := settings.Read(&s.design, os.Environ()); err != nil {
		return stores{}, err
	}
	mainDB, err := mysql.Open(s.MainDB)
	if err != nil {
		return stores{}, err
	}
	userDB, err := mysql.Open(s.UserDB)
	if err != nil {
		return stores{}, err
	}
	s.close = func() { _, _ = mainDB.Close(), userDB.Close() }
	s.main, s.user = maindb.New(mainDB, time.Now), userdb.NewLedger(userDB, time.Now)
	s.records, err = queue.New(ctx, s.Queue)
	return s, err
}

// carry receives messages until ctx ends.
func (s stores) carry(ctx context.Context, say func(any) error, starter bridge.Starter) error {
	if err := say(ready{}); err != nil {
		return err
	}
	bridge.New(s.Bridge, s.records, starter, s.log, prometheus.NewRegistry()).Run(ctx)
	return nil
}

// runConsumer is the child that credits without Temporal, which shows what the queue and
// the databases cost alone. After a crash a message would be received again; a failure
// would be visible nowhere.
func runConsumer(ctx context.Context, say func(any) error, _ []string) error {
	s, err := openStores(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.carry(ctx, say, consumer{s})
}

type consumer struct{ stores }

// Start credits the message's revision at once.
func (c consumer) Start(ctx context.Context, m queue.Message) error {
	facts, err := c.main.Facts(ctx, m.RecordID)
	if err != nil {
		return err
	}
	award, err := scoring.Judge(facts)
	if err != nil {
		return err
	}
	_, err = c.user.ApplyCredit(ctx, race.Credit{
		RecordID: m.RecordID, RaceID: m.RaceID, Revision: m.Revision, Status: award.Status, UserID: award.RunnerID,
		Points: award.Points, Rule: award.Rule, Edition: award.Edition, Reason: award.Reason, Parts: award.Parts,
		WorkflowID: workflows.CreditWorkflowID(m.RaceID, m.RecordID, m.Revision),
	})
	return err
}

// runPlain is the child with the obvious design: three ordinary activities, a worker
// with default settings, and starts that are not eager.
func runPlain(ctx context.Context, say func(any) error, _ []string) error {
	s, err := openStores(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	c, err := dial(ctx, s.Temporal, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, plainQueue, worker.Options{})
	w.RegisterWorkflow(PlainCredit)
	w.RegisterActivity(activities.NewCredits(s.main, s.user, activities.NewMetrics(prometheus.NewRegistry())))
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer w.Stop()
	return s.carry(ctx, say, plainStarter{c})
}

const plainQueue = "plain"

type plainStarter struct{ client client.Client }

// Start starts PlainCredit.
func (p plainStarter) Start(ctx context.Context, m queue.Message) error {
	input := workflows.CreditInput{RaceID: m.RaceID, RecordID: m.RecordID, Revision: m.Revision}
	_, err := p.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
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
