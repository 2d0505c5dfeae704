package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	// webhookInterval is how long a change may wait until its events are sent.
	webhookInterval = time.Second
	// webhookTidying is how often old deliveries are deleted and overdue ones looked for.
	webhookTidying = time.Minute
	// webhookSlots is how many endpoints a process serves at once. A step mostly waits for
	// its endpoint.
	webhookSlots = 16
)

// webhookFeed takes from the change log what is sent to endpoints, and wakes the workflow
// of each. Every worker has one; the database lets one at a time read the log.
type webhookFeed struct {
	store   *maindb.Outcomes
	runs    temporal.Workflows
	link    *telemetry.Link
	oldest  prometheus.Gauge
	failing *prometheus.GaugeVec
	tidied  time.Time
}

func newWebhookFeed(store *maindb.Outcomes, runs temporal.Workflows, log *slog.Logger, registry prometheus.Registerer) *webhookFeed {
	f := &webhookFeed{
		store: store, runs: runs, link: telemetry.NewLink("the webhooks of the change log", log),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_webhook_oldest_seconds", Help: "How long the oldest due delivery to an endpoint that is on has been due; 0 when none is. The same of every worker.",
		}),
		failing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mrmrthon_webhook_undelivered", Help: "Events that a failing endpoint has not taken, by webhook, of the 100 worst. The same of every worker.",
		}, []string{"webhook_id"}),
	}
	registry.MustRegister(f.oldest, f.failing)
	return f
}

// run goes on until ctx ends. What a failure leaves waits for the next time.
func (f *webhookFeed) run(ctx context.Context) {
	tick := time.NewTicker(webhookInterval)
	defer tick.Stop()
	for {
		if err := f.feed(ctx); ctx.Err() == nil {
			f.link.Report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *webhookFeed) feed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	for {
		n, err := f.store.ConsumeWebhooks(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if time.Since(f.tidied) > webhookTidying {
		if err := f.tidy(ctx); err != nil {
			return err
		}
		f.tidied = time.Now()
	}
	return f.store.WakeWebhooks(ctx, func(ctx context.Context, webhookID string) error {
		return f.runs.SignalWithStart(ctx, workflows.DeliverWebhookOptions(webhookID), workflows.WakeSignal, workflows.DeliverWebhook, workflows.WebhookInput{WebhookID: webhookID})
	})
}

func (f *webhookFeed) tidy(ctx context.Context) error {
	if err := f.store.TidyWebhooks(ctx); err != nil {
		return err
	}
	oldest, failing, err := f.store.WebhookBacklog(ctx)
	if err != nil {
		return err
	}
	f.oldest.Set(oldest.Seconds())
	f.failing.Reset()
	for webhookID, undelivered := range failing {
		f.failing.WithLabelValues(webhookID).Set(float64(undelivered))
	}
	return nil
}
