package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/relay"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// settings are what the API reads from its environment.
type settings struct {
	Addr           string         `env:"API_ADDR" envDefault:":8080" check:":port" help:"where the API serves"`
	PublicURL      string         `env:"API_PUBLIC_URL" check:"URL" help:"where callers reach the API, for its OpenAPI document and the links in mails"`
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" help:"proxies whose X-Forwarded-For is believed when logins and sign-ups are limited by address"`
	program.Config
	Reader        maindb.ReaderConfig
	Outbox        relay.Config
	Imports       plans.Settings
	Auth          auth.Config
	SignUps       auth.SignUpConfig
	APIKeys       auth.KeyConfig
	Passkeys      auth.PasskeyConfig
	Fixed         races.FixedConfig
	Webhooks      webhook.Config
	TemporalUIURL string `env:"TEMPORAL_UI_URL" envDefault:"http://localhost:8233" check:"URL" help:"Temporal's Web UI, for links to it"`
	GrafanaURL    string `env:"GRAFANA_URL" check:"URL" help:"Grafana, for links to it from operators' pages; without it there are none"`

	// notice replaces noticeTime where a test needs longer.
	notice time.Duration
}

// runServe serves until ctx ends, then finishes the calls in progress and the relay's
// messages in flight. It calls listening, unless that is nil, with its address. No
// server needs to be up when it starts.
func runServe(ctx context.Context, cfg settings, log *slog.Logger, listening func(net.Addr)) (err error) {
	clients, err := program.Open(ctx, cfg.Config, "mrmrthon-api", log, telemetry.SDKNames(log.Handler()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clients.Close()) }()
	registry, traces := clients.Registry, clients.Tracing.Provider()
	mainDB, userDB := maindb.New(clients.MainDB, time.Now), userdb.NewAccounts(clients.UserDB, time.Now)
	reader, err := openReader(clients, cfg, mainDB, log)
	if err != nil {
		return err
	}
	outbox := relay.New(cfg.Outbox, mainDB, relay.Traced(clients.Queue, traces), log, registry)
	health := telemetry.Handler(registry, log, telemetry.Running(ctx.Done()), telemetry.Check{Name: "main_db", Ping: clients.MainDB.PingContext})
	runs := temporal.NewWorkflows(clients.Temporal, cfg.Temporal.Namespace)
	handler, err := newHandler(parts{ //nolint:contextcheck // every call has a context of its own
		cfg: cfg, mainDB: mainDB, userDB: userDB, poke: outbox.Poke, ahead: outbox.Ahead, health: health, registry: registry, traces: traces, log: log, now: time.Now,
		wake: func(ctx context.Context, raceID string) error {
			return runs.SignalWithStart(ctx, workflows.FinalizeOptions(raceID), workflows.WakeSignal, workflows.FinalizeRace, workflows.FinalizeInput{RaceID: raceID})
		},
		rank: func(ctx context.Context, seriesID string) error {
			return runs.SignalWithStart(ctx, workflows.SeriesOptions(seriesID), workflows.WakeSignal, workflows.RankSeries, workflows.SeriesInput{SeriesID: seriesID})
		},
		answered: func(ctx context.Context, o maindb.Offer) {
			go func() {
				_ = signalAnswer(context.WithoutCancel(ctx), clients.Temporal, o) // otherwise it finds the answer at the deadline
			}()
		},
		reader:   reader,
		stopping: ctx.Done(),
		temporal: runs,
		letters:  clients.Queue,
	})
	if err != nil {
		return err
	}

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { outbox.Run(background) })
	if reader != nil {
		running.Go(func() { reader.Run(background) })
	}
	running.Go(func() { logChanges(background, log, mainDB, userDB) })
	running.Go(func() { sendMails(background, log, userDB, clients.Temporal) })
	running.Go(func() { serveLines(background, log, mainDB, clients.Temporal) })
	running.Go(func() { tidy(background, log, mainDB, userDB) })
	defer running.Wait()
	defer stopBackground()
	return serve(ctx, cfg.Addr, cmp.Or(cfg.notice, noticeTime), handler, log, listening)
}

// openReader has the store read from the replica of main_db, if there is one.
func openReader(clients *program.Clients, cfg settings, mainDB *maindb.Store, log *slog.Logger) (*maindb.Reader, error) {
	if cfg.Reader.Addr == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	database := cfg.MainDB
	database.Addr, database.ReadTimeout = cfg.Reader.Addr, cfg.Reader.MaxLag
	pool, err := clients.OpenPool(database, "main_db_reader")
	if err != nil {
		return nil, err
	}
	reader := maindb.NewReader(clients.MainDB, pool, cfg.Reader, time.Now, log, clients.Registry)
	mainDB.ReadFrom(reader)
	return reader, nil
}

const (
	tidyInterval = time.Hour
	// keyLifetime is how long an Idempotency-Key is honoured.
	keyLifetime = 24 * time.Hour
	// unmatchedLifetime is how long operators see revisions that messages named and
	// main_db did not have.
	unmatchedLifetime = 90 * 24 * time.Hour
)

// logInterval is how long a change of an account takes to appear in the change log.
const logInterval = time.Second

// logChanges moves what user_db has for the change log into it. What it fails to
// move stays where it is for the next time.
func logChanges(ctx context.Context, log *slog.Logger, mainDB *maindb.Store, userDB *userdb.Accounts) {
	failing := false
	for {
		_, err := userDB.LogChanges(ctx, mainDB.AddChange)
		if err != nil && ctx.Err() == nil && !failing {
			log.WarnContext(ctx, "cannot add changes of accounts to the change log: they wait in user_db, retrying every second", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(logInterval):
		}
	}
}

// mailInterval is how long a mail may wait for the start of its workflow.
const mailInterval = time.Second

// sendMails has the mails sent that wait in user_db, and answers requests to recover
// an account. What fails waits there for the next time.
func sendMails(ctx context.Context, log *slog.Logger, userDB *userdb.Accounts, workflowClient client.Client) {
	start := func(ctx context.Context, mailID string, resends int) error {
		_, err := workflowClient.ExecuteWorkflow(ctx, workflows.SendMailOptions(mailID, resends), workflows.SendMail, workflows.MailInput{MailID: mailID})
		if _, started := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); started {
			return nil
		}
		return err
	}
	failing := false
	for {
		err := errors.Join(userDB.AnswerRecoveries(ctx), userDB.StartMails(ctx, start))
		if err != nil && ctx.Err() == nil && !failing {
			log.WarnContext(ctx, "mails were not handed to the worker; they wait in user_db and are tried every second", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(mailInterval):
		}
	}
}

// lineInterval is how long a free place and the start of an offer's workflow may wait.
const lineInterval = time.Second

// serveLines gives away places that a larger capacity or the end of a pause has freed,
// and starts and wakes the workflows of offers, draws, planned posts and tasks. What fails waits in main_db for the next time.
func serveLines(ctx context.Context, log *slog.Logger, mainDB *maindb.Store, workflowClient client.Client) {
	start := func(ctx context.Context, o maindb.Offer) error {
		// Places are given away while Temporal does not answer.
		ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
		defer cancel()
		in := workflows.OfferInput{RaceID: o.RaceID, Pool: o.Pool, Seq: o.Seq, No: o.No}
		_, err := workflowClient.ExecuteWorkflow(ctx, workflows.HoldOfferOptions(in), workflows.HoldOffer, in)
		if _, started := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); started {
			return nil
		}
		return err
	}
	tell := func(ctx context.Context, o maindb.Offer) error {
		err := signalAnswer(ctx, workflowClient, o)
		if _, over := errors.AsType[*serviceerror.NotFound](err); over { // or not started yet: it looks at the offer when it starts
			return nil
		}
		return err
	}
	draw := func(ctx context.Context, raceID string) error {
		ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
		defer cancel()
		_, err := workflowClient.SignalWithStartWorkflow(ctx, workflows.DrawWorkflowID(raceID), workflows.DrawChangedSignal, nil,
			workflows.DrawRaceOptions(raceID), workflows.DrawRace, workflows.DrawInput{RaceID: raceID})
		return err
	}
	publish := func(ctx context.Context, p maindb.PlannedPost) error {
		ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
		defer cancel()
		in := workflows.PostInput(p)
		_, err := workflowClient.SignalWithStartWorkflow(ctx, workflows.PostWorkflowID(in), workflows.PostChangedSignal, nil,
			workflows.PublishPlannedOptions(in), workflows.PublishPlanned, in)
		return err
	}
	remind := func(ctx context.Context, raceID, taskID string) error {
		ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
		defer cancel()
		in := workflows.TaskInput{RaceID: raceID, TaskID: taskID}
		_, err := workflowClient.SignalWithStartWorkflow(ctx, workflows.TaskWorkflowID(in), workflows.TaskChangedSignal, nil,
			workflows.RemindOfTaskOptions(in), workflows.RemindOfTask, in)
		return err
	}
	failing := false
	for {
		_, err := mainDB.ServeLines(ctx)
		err = errors.Join(err, mainDB.StartOffers(ctx, start), mainDB.WakeOffers(ctx, tell), mainDB.StartDraws(ctx, draw), mainDB.StartPosts(ctx, publish), mainDB.StartTasks(ctx, remind))
		if err != nil && ctx.Err() == nil && !failing {
			log.WarnContext(ctx, "cannot serve the lines of races, or start or wake the workflows of offers, draws, planned posts and tasks: they wait in main_db, retrying every second", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(lineInterval):
		}
	}
}

// signalAnswer tells the workflow of an offer to look at it again. A workflow that is not
// told does so at the offer's deadline.
func signalAnswer(ctx context.Context, workflowClient client.Client, o maindb.Offer) error {
	ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
	defer cancel()
	in := workflows.OfferInput{RaceID: o.RaceID, Pool: o.Pool, Seq: o.Seq, No: o.No}
	return workflowClient.SignalWorkflow(ctx, workflows.OfferWorkflowID(in), "", workflows.AnsweredSignal, nil)
}

// tidy deletes expired idempotency keys and refresh tokens. What it fails to delete
// is deleted the next time.
func tidy(ctx context.Context, log *slog.Logger, mainDB *maindb.Store, userDB *userdb.Accounts) {
	for {
		if _, err := mainDB.PurgeKeys(ctx, keyLifetime); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "cannot purge idempotency keys: retrying in an hour", "error", err)
		}
		if _, err := mainDB.PurgeUnmatched(ctx, unmatchedLifetime); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "cannot purge unmatched revisions: retrying in an hour", "error", err)
		}
		if _, err := mainDB.PurgeInvitations(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "expired invitations were not purged; they are tried again in an hour", "error", err)
		}
		if _, err := mainDB.PurgeImports(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "cannot delete files of imports that are kept no longer: retrying in an hour", "error", err)
		}
		if _, err := userDB.PurgeExpired(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "cannot purge refresh tokens: retrying in an hour", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tidyInterval):
		}
	}
}
