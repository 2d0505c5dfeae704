package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// depthInterval is how often the queues are asked how full they are: Amazon's
// numbers are up to a minute old, and each question costs.
const depthInterval = 10 * time.Second

// depths tells how full the queues are, in numbers of the queues themselves:
// every worker tells the same.
type depths struct {
	queues interface {
		Depth(ctx context.Context) (queue.Depth, error)
		DeadLetterDepth(ctx context.Context) (queue.Depth, error)
	}
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

// run measures until ctx ends. What cannot be asked keeps its last number.
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
