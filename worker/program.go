package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/build"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/worker/mailevents"
	"github.com/mrmrthon/mrmrthon/worker/wake"
)

// httpTimeout bounds what a caller of /metrics may take.
const httpTimeout = 5 * time.Second

// Main is the worker program. Its fields are set before Run.
type Main struct {
	Config Config
	Log    *slog.Logger
	// Listening is called with the address of /healthz, if it is set.
	Listening func(net.Addr)
}

// Run runs the worker until ctx ends, then stops in the order bridge, HTTP,
// workers, client, databases, traces, so that nothing loses what it depends on.
// Nothing needs to be up when it starts: it waits for what is not. It returns an
// error when its settings are wrong, or when a Temporal worker stops by itself.
func (m *Main) Run(ctx context.Context) (err error) {
	clients, err := program.Open(ctx, m.Config.Config, "mrmrthon-worker", m.Log, errorsOnly{telemetry.SDKNames(m.Log.Handler())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clients.Close()) }()
	registry, records := clients.Registry, clients.Queue
	health := telemetry.Handler(registry, m.Log, telemetry.Running(ctx.Done()),
		telemetry.Check{Name: "main_db", Ping: clients.MainDB.PingContext},
		telemetry.Check{Name: "user_db", Ping: clients.UserDB.PingContext},
		telemetry.Check{Name: "queue", Ping: records.Ping},
		telemetry.Check{Name: "temporal", Ping: func(ctx context.Context) error {
			_, err := clients.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		}},
	)
	sender, err := mail.NewSender(ctx, m.Config.Mail)
	if err != nil {
		return err
	}
	events, err := m.mailEvents(ctx)
	if err != nil {
		return err
	}
	metrics := activities.NewMetrics(registry)
	main, user := maindb.NewOutcomes(clients.MainDB, time.Now), userdb.NewLedger(clients.UserDB, time.Now)
	runs := temporal.NewWorkflows(clients.Temporal, m.Config.Temporal.Namespace)
	standings := newStandingsWork(m.Config, runs, main, user, m.Log, registry)
	mails := activities.NewMails(user, sender, m.Config.Mail.PublicURL, registry)
	return m.serve(ctx, health, &work{
		cfg: m.Config, log: m.Log, temporal: clients.Temporal, runs: runs, records: records, registry: registry, metrics: metrics,
		starter:   bridge.Traced(bridge.CreditStarter{Client: clients.Temporal, Log: m.Log}, clients.Tracing.Provider()),
		credits:   activities.NewCredits(main, wake.Ledger{Ledger: user, Nudge: standings.wakes.Nudge}, metrics),
		notes:     activities.NewNotes(main, runs),
		audits:    activities.NewAudits(m.Config.Audit, main, user, runsOf{runs}, records, time.Now, metrics),
		standings: standings,
		offers:    activities.NewOffers(main, runsOf{runs}, metrics),
		mails:     mails,
		notices:   activities.NewNotices(m.Config.Notices, main, user, mails, time.Now, registry),
		announcer: newAnnouncer(m.Config.Notices.Settle, main, clients.Temporal, m.Log, registry),
		webhooks:  activities.NewWebhooks(main, webhook.NewSender(m.Config.Webhooks, time.Now), m.Config.Mail.PublicURL, time.Now, m.Log, registry),
		feed:      newWebhookFeed(main, runs, m.Log, registry),
		depths:    newDepths(records, m.Log, registry),
		mailing:   newMailing(events, user, m.Log, registry),
		sealer:    newSealer(main, m.Log, registry),
	})
}

// mailEvents returns the queue of what SES reports about mails, nil when there is none.
func (m *Main) mailEvents(ctx context.Context) (*queue.Client, error) {
	if m.Config.Mail.EventsURL == "" {
		return nil, nil //nolint:nilnil // the settings name no queue
	}
	cfg := m.Config.Queue
	cfg.URL, cfg.DeadLetterURL = m.Config.Mail.EventsURL, m.Config.Mail.EventsDeadURL
	events, err := queue.New(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("mail events: %w", err)
	}
	return events, nil
}

// serve serves health and metrics while bridge and workers run. Workers start
// before the bridge, so that starts can be eager, and stop after it.
func (m *Main) serve(ctx context.Context, health http.Handler, w *work) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", m.Config.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if m.Listening != nil {
		m.Listening(listener.Addr())
	}
	server := &http.Server{Handler: health, ReadHeaderTimeout: httpTimeout, WriteTimeout: 2 * httpTimeout}
	m.Log.Info("serving health and metrics", "address", listener.Addr().String(),
		"version", build.Version(), "commit", build.Commit())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve health: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		return w.run(ctx, func() { m.shutDown(ctx, server) })
	})
	return group.Wait()
}

// work is the bridge and the workers, and what they use.
type work struct {
	cfg       Config
	log       *slog.Logger
	temporal  client.Client
	runs      temporal.Workflows
	records   *queue.Client
	starter   bridge.Starter
	registry  prometheus.Registerer
	metrics   *activities.Metrics
	credits   *activities.Credits
	notes     *activities.Notes
	audits    *activities.Audits
	standings standingsWork
	mails     *activities.Mails
	notices   *activities.Notices
	announcer *announcer
	webhooks  *activities.Webhooks
	feed      *webhookFeed
	mailing   *mailing
	offers    *activities.Offers
	depths    *depths
	sealer    *sealer
}

// run runs bridge and workers until ctx ends or a worker stops by itself. It calls
// stopHTTP after the bridge has stopped and before the workers do.
func (w *work) run(ctx context.Context, stopHTTP func()) error {
	defer stopHTTP() // on every way out; a second call does nothing
	if !w.awaitTemporal(ctx) {
		return nil // stopped while waiting
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	records := bridge.New(w.cfg.Bridge, w.records, w.starter, w.log, w.registry)
	w.notices.Busy, w.webhooks.Busy = records.Busy, records.Busy
	gaveUp := func(err error) { cancel(fmt.Errorf("a Temporal worker stopped by itself: %w", err)) }
	var started []worker.Worker
	defer func() { w.stopWorkers(started) }()
	for _, each := range w.workers(gaveUp) {
		if err := each.Start(); err != nil {
			return fmt.Errorf("start the worker: %w", err)
		}
		started = append(started, each)
	}
	defer stopHTTP()
	w.log.Info("worker started", "namespace", w.cfg.Temporal.Namespace)
	var scheduling sync.WaitGroup
	scheduling.Go(func() { w.depths.run(ctx) })
	scheduling.Go(func() { w.mailing.run(ctx) })
	scheduling.Go(func() { w.sealer.run(ctx) })
	scheduling.Go(func() { w.announcer.run(ctx) })
	scheduling.Go(func() { w.feed.run(ctx) })
	scheduling.Go(func() { w.scheduleAudit(ctx) })
	scheduling.Go(func() { w.scheduleSweep(ctx) })
	records.Run(ctx)
	scheduling.Wait()
	w.log.Info("worker stopping: the bridge has released its messages")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// A stop takes as long as the activities under way, a second or so. In the worst
// case, with nothing that responds, it takes 26 s, below the 30 s after which
// programs are usually killed: 10 s for the bridge's last start and calls of the
// queue, then the times below, then 2 s for signals still owed and 3 s for the
// last traces.
const (
	// scrapeTime is how long a request for /metrics at that moment may take.
	scrapeTime = time.Second
	// stopTimeout is how long the activities under way may take: as long as one may
	// at all, except those of the audit and of standings, which begin again.
	stopTimeout = 10 * time.Second
)

// stopWorkers stops all workers at once when their activities under way are done,
// then sends the signals that those still owe. An activity that does not end in
// time is left alone: Temporal gives it to another worker when it times out.
func (w *work) stopWorkers(started []worker.Worker) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		var all sync.WaitGroup
		for _, each := range started {
			all.Go(each.Stop)
		}
		all.Wait()
	}()
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-stopped:
	case <-limit.C:
		w.log.Warn("stopping took too long; activities under way are left for other workers")
	}
	w.standings.wakes.Close()
}

// shutDown stops the health server. Requests that take too long are cut off.
func (m *Main) shutDown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		m.Log.Warn("health server did not stop in time: closing its connections", "error", errors.Join(err, server.Close()))
	}
}

// depthInterval is how often the depths are read: Amazon's numbers are up to a
// minute old, and each call costs.
const depthInterval = 10 * time.Second

// depths exports how many messages the queues hold. The numbers are the queues'
// own, so every worker exports the same.
type depths struct {
	queues      *queue.Client
	link        *telemetry.Link
	messages    *prometheus.GaugeVec
	deadLetters prometheus.Gauge
}

func newDepths(queues *queue.Client, log *slog.Logger, registry prometheus.Registerer) *depths {
	d := &depths{
		queues: queues, link: telemetry.NewLink("the depth of the queues", log),
		messages: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mrmrthon_queue_messages",
			Help: "Messages on the records queue, by state (visible, in_flight, delayed). Approximate.",
		}, []string{"state"}),
		deadLetters: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_dead_letters", Help: "Messages on the dead-letter queue. Approximate.",
		}),
	}
	registry.MustRegister(d.messages, d.deadLetters)
	return d
}

// run measures until ctx ends. After a failure the last numbers stay.
func (d *depths) run(ctx context.Context) {
	tick := time.NewTicker(depthInterval)
	defer tick.Stop()
	for {
		if err := d.measure(ctx); ctx.Err() == nil {
			d.link.Report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// mailing watches over mails that were handed over, or should be.
type mailing struct {
	events      *queue.Client      // nil: the settings name none
	reader      *mailevents.Reader // of the events
	store       *userdb.Ledger
	link        *telemetry.Link
	oldest      prometheus.Gauge
	kept        *prometheus.GaugeVec // by list
	off         *prometheus.GaugeVec // by problem
	deadLetters prometheus.Gauge
}

func newMailing(events *queue.Client, store *userdb.Ledger, log *slog.Logger, registry prometheus.Registerer) *mailing {
	m := &mailing{
		events: events, store: store, link: telemetry.NewLink("the state of mails", log),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_mail_oldest_seconds", Help: "Age of the oldest mail that is neither sent nor given up; 0 when there is none. The same of every worker.",
		}),
		kept: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mrmrthon_mails_kept", Help: "Mails of the last 30 days that were not just sent, as GET /v1/ops/mails lists them: waiting, failed, bounced, complained, suppressed. The same of every worker.",
		}, []string{"state"}),
		off: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mrmrthon_mail_addresses_off", Help: "Accounts whose address is switched off, or was dropped before it was confirmed, by problem. The same of every worker.",
		}, []string{"problem"}),
		deadLetters: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_mail_event_dead_letters", Help: "Messages on the dead-letter queue of mail events. Approximate.",
		}),
	}
	registry.MustRegister(m.oldest, m.kept, m.off, m.deadLetters)
	if events != nil {
		m.reader = mailevents.New(events, store, log, registry)
	}
	return m
}

// run takes events and measures until ctx ends. After a failure the last numbers stay.
func (m *mailing) run(ctx context.Context) {
	var reading sync.WaitGroup
	defer reading.Wait()
	if m.reader != nil {
		reading.Go(func() { m.reader.Run(ctx) })
	}
	tick := time.NewTicker(depthInterval)
	defer tick.Stop()
	for {
		if err := m.measure(ctx); ctx.Err() == nil {
			m.link.Report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *mailing) measure(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, depthInterval)
	defer cancel()
	err := m.measureStore(bounded)
	if m.events == nil {
		return err
	}
	dead, deadErr := m.events.DeadLetterDepth(bounded)
	if deadErr == nil {
		m.deadLetters.Set(float64(dead.Visible + dead.InFlight + dead.Delayed))
	}
	return errors.Join(err, deadErr)
}

func (m *mailing) measureStore(ctx context.Context) error {
	waiting, err := m.store.WaitingMails(ctx)
	if err != nil {
		return err
	}
	m.oldest.Set(waiting.Seconds())
	kept, err := m.store.CountMails(ctx)
	if err != nil {
		return err
	}
	for _, list := range userdb.MailLists() {
		m.kept.WithLabelValues(string(list)).Set(float64(kept[list]))
	}
	off, err := m.store.CountAddressesOff(ctx)
	if err != nil {
		return err
	}
	for _, problem := range userdb.EmailProblems() {
		m.off.WithLabelValues(problem).Set(float64(off[problem]))
	}
	return nil
}

func (d *depths) measure(ctx context.Context) error {
	records, err := d.queues.Depth(ctx)
	if err != nil {
		return err
	}
	d.messages.WithLabelValues("visible").Set(float64(records.Visible))
	d.messages.WithLabelValues("in_flight").Set(float64(records.InFlight))
	d.messages.WithLabelValues("delayed").Set(float64(records.Delayed))
	dead, err := d.queues.DeadLetterDepth(ctx)
	if err != nil {
		return err
	}
	d.deadLetters.Set(float64(dead.Visible + dead.InFlight + dead.Delayed))
	return nil
}
