package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	// noticeInterval is how long a change may wait until its notices begin.
	noticeInterval = time.Second
	// noticeTidying is how often old events are deleted and the metric is read.
	noticeTidying = time.Minute
	// noticeSlots is how many steps of notices a process does at once: they use the
	// databases that credits need.
	noticeSlots = 2
)

// announcer takes from the change log what people are told about, and starts a workflow
// for each event. Every worker has one; the database lets one at a time read the log.
type announcer struct {
	store  *maindb.Outcomes
	runs   client.Client
	link   *telemetry.Link
	settle time.Duration

	oldest prometheus.Gauge
	tidied time.Time
}

func newAnnouncer(settle time.Duration, store *maindb.Outcomes, runs client.Client, log *slog.Logger, registry prometheus.Registerer) *announcer {
	a := &announcer{settle: settle, store: store, runs: runs, link: telemetry.NewLink("the notices of the change log", log), oldest: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "mrmrthon_notice_oldest_seconds", Help: "How long the oldest event that people are told about has waited for its workflow; 0 when none waits. The same of every worker.",
	})}
	registry.MustRegister(a.oldest)
	return a
}

// run goes on until ctx ends. What a failure leaves waits for the next time.
func (a *announcer) run(ctx context.Context) {
	tick := time.NewTicker(noticeInterval)
	defer tick.Stop()
	for {
		if err := a.announce(ctx); ctx.Err() == nil {
			a.link.Report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *announcer) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	for {
		n, err := a.store.ConsumeNotices(ctx, a.settle)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if time.Since(a.tidied) > noticeTidying {
		oldest, err := a.store.TidyNotices(ctx)
		if err != nil {
			return err
		}
		a.oldest.Set(oldest.Seconds())
		a.tidied = time.Now()
	}
	return a.store.StartNotices(ctx, func(ctx context.Context, e notice.Event) error {
		in := workflows.NoticeInput{Position: e.Position, Kind: e.Kind}
		_, err := a.runs.ExecuteWorkflow(ctx, workflows.TellNoticeOptions(e), workflows.TellNotice, in)
		if _, started := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); started {
			return nil
		}
		return err
	})
}
