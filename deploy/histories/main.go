// Command histories records the workflows on a real server, one history for each path
// through them, for the replay test:
//
//	go run ./deploy/histories workflows/testdata/histories
//
// It starts its own Temporal dev server from TEMPORAL_CLI. The steps are the worker's,
// with fake databases. Run it after an intended change of a workflow, and keep the old
// histories for as long as workflows from before the change may be running.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	mrmtemporal "github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// limit bounds the whole recording; the ordinary activities of the outage wait
// a few seconds.
const limit = 2 * time.Minute

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: histories FOLDER")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := record(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "histories:", err)
		os.Exit(1) //nolint:gocritic // nothing is left for the deferred cancel to do
	}
}

// record writes one history for each scene into folder.
func record(ctx context.Context, folder string) (err error) {
	server, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := recordPlain(ctx, server.Client(), folder); err != nil {
		return err
	}
	return recordTraced(ctx, server.FrontendHostPort(), folder)
}

// recordPlain records every path through every workflow.
func recordPlain(ctx context.Context, temporal client.Client, folder string) error {
	records, err := startWorker(temporal)
	if err != nil {
		return err
	}
	defer records.Stop()
	if err := play(ctx, temporal, folder, scenes()); err != nil {
		return err
	}
	if err := recordReset(ctx, temporal, folder); err != nil {
		return err
	}
	options := client.StartWorkflowOptions{ID: workflows.AuditScheduleID, TaskQueue: workflows.RecordsTaskQueue}
	run, err := temporal.ExecuteWorkflow(ctx, options, workflows.AuditCredits)
	if err != nil {
		return fmt.Errorf("start the audit: %w", err)
	}
	if err := save(ctx, temporal, run, filepath.Join(folder, "audit.json")); err != nil {
		return err
	}
	run, err = temporal.ExecuteWorkflow(ctx, workflows.RebuildTotalOptions(runnerID), workflows.RebuildTotal, workflows.TotalInput{UserID: runnerID})
	if err != nil {
		return fmt.Errorf("start a total: %w", err)
	}
	if err := save(ctx, temporal, run, filepath.Join(folder, "total.json")); err != nil {
		return err
	}
	if err := recordMail(ctx, temporal, folder); err != nil {
		return err
	}
	if err := recordSeries(ctx, temporal, folder); err != nil {
		return err
	}
	if err := recordOffer(ctx, temporal, folder); err != nil {
		return err
	}
	if err := recordWebhook(ctx, temporal, folder); err != nil {
		return err
	}
	if err := recordNotice(ctx, temporal, folder); err != nil {
		return err
	}
	return recordStandings(ctx, temporal, folder)
}

// recordNotice records an event that people are told about.
func recordNotice(ctx context.Context, temporal client.Client, folder string) error {
	notices := worker.New(temporal, workflows.NoticesTaskQueue, worker.Options{})
	notices.RegisterWorkflow(workflows.TellNotice)
	notices.RegisterActivity(&noticeScene{})
	if err := notices.Start(); err != nil {
		return fmt.Errorf("start the worker of notices: %w", err)
	}
	defer notices.Stop()
	event := notice.Event{Position: 7, Kind: notice.PlaceMoved}
	input := workflows.NoticeInput{Position: event.Position, Kind: event.Kind}
	run, err := temporal.ExecuteWorkflow(ctx, workflows.TellNoticeOptions(event), workflows.TellNotice, input)
	if err != nil {
		return fmt.Errorf("start a notice: %w", err)
	}
	return save(ctx, temporal, run, filepath.Join(folder, "notice.json"))
}

// recordWebhook records an endpoint that takes nothing.
func recordWebhook(ctx context.Context, temporal client.Client, folder string) error {
	hooks := worker.New(temporal, workflows.WebhooksTaskQueue, worker.Options{})
	hooks.RegisterWorkflow(workflows.DeliverWebhook)
	sender := webhook.NewSender(webhook.Config{}, time.Now)
	hooks.RegisterActivity(activities.NewWebhooks(&webhookScene{}, sender, "", time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
	if err := hooks.Start(); err != nil {
		return fmt.Errorf("start the worker of webhooks: %w", err)
	}
	defer hooks.Stop()
	input := workflows.WebhookInput{WebhookID: webhookID}
	run, err := temporal.SignalWithStartWorkflow(ctx, workflows.WebhookWorkflowID(webhookID), workflows.WakeSignal, nil,
		workflows.DeliverWebhookOptions(webhookID), workflows.DeliverWebhook, input)
	if err != nil {
		return fmt.Errorf("start a webhook: %w", err)
	}
	return save(ctx, temporal, run, filepath.Join(folder, "webhook.json"))
}

// recordOffer records an offer of a place that nobody answers, a draw, a planned post, and
// a task that is done after a reminder.
func recordOffer(ctx context.Context, temporal client.Client, folder string) error {
	entries := worker.New(temporal, workflows.EntriesTaskQueue, worker.Options{})
	entries.RegisterWorkflow(workflows.HoldOffer)
	entries.RegisterWorkflow(workflows.DrawRace)
	entries.RegisterWorkflow(workflows.PublishPlanned)
	entries.RegisterWorkflow(workflows.RemindOfTask)
	entries.RegisterActivity(activities.NewOffers(&offerScene{}, stage{}, nil))
	if err := entries.Start(); err != nil {
		return fmt.Errorf("start the worker of offers: %w", err)
	}
	defer entries.Stop()
	offer := workflows.OfferInput{RaceID: raceID, Pool: 1, Seq: 1001, No: 1}
	run, err := temporal.ExecuteWorkflow(ctx, workflows.HoldOfferOptions(offer), workflows.HoldOffer, offer)
	if err != nil {
		return fmt.Errorf("start an offer: %w", err)
	}
	if err := save(ctx, temporal, run, filepath.Join(folder, "offer.json")); err != nil {
		return err
	}
	draw := workflows.DrawInput{RaceID: raceID}
	run, err = temporal.SignalWithStartWorkflow(ctx, workflows.DrawWorkflowID(raceID), workflows.DrawChangedSignal, nil, workflows.DrawRaceOptions(raceID), workflows.DrawRace, draw)
	if err != nil {
		return fmt.Errorf("start a draw: %w", err)
	}
	if err := save(ctx, temporal, run, filepath.Join(folder, "draw.json")); err != nil {
		return err
	}
	post := workflows.PostInput{RaceID: raceID, PostID: mailID}
	run, err = temporal.SignalWithStartWorkflow(ctx, workflows.PostWorkflowID(post), workflows.PostChangedSignal, nil, workflows.PublishPlannedOptions(post), workflows.PublishPlanned, post)
	if err != nil {
		return fmt.Errorf("start a planned post: %w", err)
	}
	if err := save(ctx, temporal, run, filepath.Join(folder, "post.json")); err != nil {
		return err
	}
	task := workflows.TaskInput{RaceID: raceID, TaskID: mailID}
	run, err = temporal.SignalWithStartWorkflow(ctx, workflows.TaskWorkflowID(task), workflows.TaskChangedSignal, nil, workflows.RemindOfTaskOptions(task), workflows.RemindOfTask, task)
	if err != nil {
		return fmt.Errorf("start the reminders of a task: %w", err)
	}
	return save(ctx, temporal, run, filepath.Join(folder, "task.json"))
}

// recordMail records a mail that the provider takes at the second attempt.
func recordMail(ctx context.Context, temporal client.Client, folder string) error {
	mails := worker.New(temporal, workflows.MailTaskQueue, worker.Options{})
	mails.RegisterWorkflow(workflows.SendMail)
	mails.RegisterActivity(activities.NewMails(mailScene{}, &mailScene{}, "https://example.org", prometheus.NewRegistry()))
	if err := mails.Start(); err != nil {
		return fmt.Errorf("start the worker of mails: %w", err)
	}
	defer mails.Stop()
	run, err := temporal.ExecuteWorkflow(ctx, workflows.SendMailOptions(mailID, 0), workflows.SendMail, workflows.MailInput{MailID: mailID})
	if err != nil {
		return fmt.Errorf("start a mail: %w", err)
	}
	return save(ctx, temporal, run, filepath.Join(folder, "mail.json"))
}

// startWorker starts a worker of the records task queue.
func startWorker(temporal client.Client) (worker.Worker, error) {
	metrics := activities.NewMetrics(prometheus.NewRegistry())
	records := worker.New(temporal, workflows.RecordsTaskQueue, worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{activities.NewInterceptor(metrics, slog.New(slog.DiscardHandler))},
	})
	records.RegisterWorkflow(workflows.CreditRecord)
	records.RegisterWorkflow(workflows.AuditCredits)
	records.RegisterWorkflow(workflows.RebuildTotal)
	records.RegisterActivity(activities.NewCredits(stage{}, stage{}, metrics))
	records.RegisterActivity(activities.NewNotes(stage{}, stage{}))
	records.RegisterActivity(activities.NewOffers(&offerScene{}, stage{}, metrics))
	records.RegisterActivity(activities.NewAudits(activities.AuditConfig{MaxOrphans: 1}, stage{}, stage{}, stage{}, stage{}, time.Now, metrics))
	if err := records.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	return records, nil
}

// play runs a credit through each scene and saves its history.
func play(ctx context.Context, temporal client.Client, folder string, scenes []scene) error {
	for _, s := range scenes {
		input := workflows.CreditInput{RaceID: raceID, RecordID: s.recordID, Revision: 2}
		run, err := temporal.ExecuteWorkflow(ctx, workflows.StartCreditOptions(input, workflows.CreditLabel{Bib: "101", RaceName: "Park 10K"}), workflows.CreditRecord, input)
		if err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
		if err := save(ctx, temporal, run, filepath.Join(folder, s.name+".json")); err != nil {
			return err
		}
	}
	return nil
}

// recordReset resets the first scene's workflow, which has completed, as the Web
// UI does, and saves the history of the run that this begins.
func recordReset(ctx context.Context, temporal client.Client, folder string) error {
	input := workflows.CreditInput{RaceID: raceID, RecordID: scenes()[0].recordID, Revision: 2}
	id := workflows.CreditWorkflowID(input.RaceID, input.RecordID, input.Revision)
	described, err := temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fmt.Errorf("describe %s: %w", id, err)
	}
	base := described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	runID, err := mrmtemporal.NewWorkflows(temporal, "default").Reset(ctx, mrmtemporal.Run{WorkflowID: id, RunID: base}, "by hand")
	if err != nil {
		return err
	}
	return save(ctx, temporal, temporal.GetWorkflow(ctx, id, runID), filepath.Join(folder, "credited_reset.json"))
}

func startServer(ctx context.Context) (*testsuite.DevServer, error) {
	cli := os.Getenv("TEMPORAL_CLI")
	if cli == "" {
		return nil, errors.New("TEMPORAL_CLI does not name the Temporal CLI")
	}
	args := []string{}
	for _, key := range []string{"RaceId", "RecordId", "Bib", "RunnerId", "CreditStatus"} {
		args = append(args, "--search-attribute", key+"=Keyword")
	}
	server, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		ExistingPath: cli, ExtraArgs: args, LogLevel: "error",
		ClientOptions: &client.Options{Identity: "histories"}, // not the name of this machine
	})
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	return server, nil
}

// save waits for the end of a run, and of those that continue it, and writes the
// run's history.
func save(ctx context.Context, temporal client.Client, run client.WorkflowRun, path string) error {
	runID := run.GetRunID() // Get goes on to the last of a chain
	if err := run.Get(ctx, nil); err != nil {
		return fmt.Errorf("%s: %w", run.GetID(), err)
	}
	var history historypb.History
	events := temporal.GetWorkflowHistory(ctx, run.GetID(), runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return fmt.Errorf("read the history of %s: %w", run.GetID(), err)
		}
		history.Events = append(history.Events, event)
	}
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(&history)
	if err != nil {
		return fmt.Errorf("write the history of %s: %w", run.GetID(), err)
	}
	machine, err := os.Hostname() // part of the names of sticky task queues
	if err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte(`"`+machine+`:`), []byte(`"histories:`))
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // part of the source
		return err
	}
	return saveFields(path)
}

// saveFields writes fields.json beside the folder, with the present fields of activity
// results and workflow inputs: the replay of mixed histories adds those of later
// releases.
func saveFields(history string) error {
	path := filepath.Join(filepath.Dir(filepath.Dir(history)), "fields.json")
	fields := map[string]map[string][]string{}
	switch text, err := os.ReadFile(path); { //nolint:gosec // the folder that the caller names
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(text, &fields); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	types := activities.Results()
	maps.Copy(types, workflows.Inputs())
	today := map[string][]string{}
	for name, of := range types {
		if of != nil {
			today[name] = activities.JSONPaths(of)
		}
	}
	fields[filepath.Base(history)] = today
	text, err := json.MarshalIndent(fields, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // part of the source
}

// recordTraced records histories whose headers carry a trace.
func recordTraced(ctx context.Context, address, folder string) error {
	tracing := telemetry.WorkflowTracing(sdktrace.NewTracerProvider())
	temporal, err := client.DialContext(ctx, client.Options{
		HostPort: address, Identity: "histories", // not the name of this machine
		Interceptors: []interceptor.ClientInterceptor{tracing},
	})
	if err != nil {
		return fmt.Errorf("connect with tracing: %w", err)
	}
	defer temporal.Close()
	records, err := startWorker(temporal)
	if err != nil {
		return err
	}
	defer records.Stop()
	return play(ctx, temporal, folder, tracedScenes())
}
