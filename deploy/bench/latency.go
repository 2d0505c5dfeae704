package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mrmrthon/mrmrthon/workflows"
)

// visit is the way of one record through an idle stack. The clocks are all of
// this machine.
type visit struct {
	sent, answered time.Time // of the POST, as the client saw it
	started        time.Time // its workflow, by the server
	committed      time.Time // its credit, by the ledger
	shown          time.Time // to the client
}

func (v visit) total() float64 { return milliseconds(v.shown.Sub(v.sent)) }

// latency measures the way from a POST to the point that everybody can see, and
// what it should take: the same way without Temporal, plus what the engine takes
// for a workflow that does nothing. More than that is waiting.
func (b *bench) latency(ctx context.Context) error {
	var s latencies
	for i := range b.size.Repetitions {
		turn := fmt.Sprintf("%d of %d", i+1, b.size.Repetitions)
		b.bar.step("%d single records, %s", b.size.Latency, turn)
		waited, err := b.bridgeWait(ctx)
		if err != nil {
			return err
		}
		visits, err := b.oneByOne(ctx, true)
		if err != nil {
			return err
		}
		then, err := b.bridgeWait(ctx)
		if err != nil {
			return err
		}
		s.take(visits)
		s.wait = append(s.wait, 1000*then.since(waited))
		b.bar.step("%d single workflows that do nothing, %s", b.size.Latency, turn)
		engine, err := b.engineSerial(ctx, b.stack.TemporalAddress(), b.size.Latency)
		if err != nil {
			return err
		}
		s.engine = append(s.engine, percentile(engine, 0.50))
		b.bar.step("%d single records without Temporal, %s", b.size.Latency, turn)
		if err := b.withoutWorker(ctx, func() error {
			return b.with(ctx, "consumer", nil, func() error {
				visits, err := b.oneByOne(ctx, false)
				s.floor = append(s.floor, percentile(each(visits, visit.total), 0.50))
				return err
			})
		}); err != nil {
			return err
		}
	}
	s.report(b.report, b.size.Latency)
	return nil
}

// latencies are milliseconds by repetition.
type latencies struct {
	p50, p99                   series
	accept, start, steps, show series // medians of the parts
	wait                       series // mean, by the bridge
	engine, floor              series // medians
}

func each(visits []visit, of func(visit) float64) []float64 {
	values := make([]float64, len(visits))
	for i, v := range visits {
		values[i] = of(v)
	}
	return values
}

func (s *latencies) take(visits []visit) {
	median := func(of func(visit) time.Duration) float64 {
		return percentile(each(visits, func(v visit) float64 { return milliseconds(of(v)) }), 0.50)
	}
	total := each(visits, visit.total)
	s.p50, s.p99 = append(s.p50, percentile(total, 0.50)), append(s.p99, percentile(total, 0.99))
	s.accept = append(s.accept, median(func(v visit) time.Duration { return v.answered.Sub(v.sent) }))
	s.start = append(s.start, median(func(v visit) time.Duration { return v.started.Sub(v.answered) }))
	s.steps = append(s.steps, median(func(v visit) time.Duration { return v.committed.Sub(v.started) }))
	s.show = append(s.show, median(func(v visit) time.Duration { return v.shown.Sub(v.committed) }))
}

func (s *latencies) report(r *Report, records int) {
	const figure = "latency"
	r.add(figure, fmt.Sprintf("POST to visible point, %d records one by one: p50", records), "ms", s.p50, atMost(12))
	r.add(figure, "the same: p99", "ms", s.p99, atMost(40))
	r.add(figure, "  of it HTTP and commit (POST to answer)", "ms", s.accept, nil)
	r.add(figure, "  of it send, receive, start (answer to workflow's start)", "ms", s.start, nil)
	r.add(figure, "  message sent to workflow started, mean, by the bridge", "ms", s.wait, nil)
	r.add(figure, "  of it the steps (workflow's start to ledger)", "ms", s.steps, nil)
	r.add(figure, "  of it commit and the client's look (ledger to shown)", "ms", s.show, nil)
	r.add(figure, "part: the same way without Temporal, p50", "ms", s.floor, nil)
	r.add(figure, "part: a workflow that does nothing, start to end, p50", "ms", s.engine, nil)
	r.ratio(figure, "p50 to the sum of the parts", s.p50, sums(s.floor, s.engine), nil)
}

// oneByOne posts records, each when the one before is credited. temporal tells
// whether the workflows' times are there to be read.
func (b *bench) oneByOne(ctx context.Context, temporal bool) ([]visit, error) {
	raceID, err := b.race(ctx, b.size.Latency)
	if err != nil {
		return nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	visits := make([]visit, b.size.Latency)
	ids := make([]string, b.size.Latency)
	for i, f := range finishes(b.size.Latency) {
		if ids[i], visits[i], err = b.visit(ctx, raceID, f); err != nil {
			return nil, err
		}
	}
	if !temporal {
		return visits, nil
	}
	for i, id := range ids {
		if err := b.stamp(ctx, raceID, id, &visits[i]); err != nil {
			return nil, err
		}
	}
	return visits, nil
}

// visit posts one record and looks at it, with pauses that leave the processors
// to those who work, until it is credited.
func (b *bench) visit(ctx context.Context, raceID string, f finish) (recordID string, v visit, err error) {
	const limit, pause = 30 * time.Second, time.Millisecond
	type record struct {
		RecordID string `json:"record_id"`
		Credit   struct {
			Status string `json:"status"`
		} `json:"credit"`
	}
	var posted, found record
	path := "/v1/races/" + raceID + "/official-records"
	v.sent = time.Now()
	if err := b.organizer.call(ctx, http.MethodPost, path, f, &posted); err != nil {
		return "", v, err
	}
	v.answered = time.Now()
	err = until(ctx, limit, pause, func() (bool, error) {
		err := b.organizer.get(ctx, path+"/"+posted.RecordID, &found)
		v.shown = time.Now()
		return found.Credit.Status == "credited", err
	})
	if err != nil {
		return "", v, fmt.Errorf("wait for the credit of bib %s, which is %s: %w", f.Bib, found.Credit.Status, err)
	}
	return posted.RecordID, v, nil
}

// stamp adds the times that only Temporal and the ledger know.
func (b *bench) stamp(ctx context.Context, raceID, recordID string, v *visit) error {
	answer, err := b.temporal.DescribeWorkflowExecution(ctx, workflows.CreditWorkflowID(raceID, recordID, 1), "")
	if err != nil {
		return fmt.Errorf("look at the workflow of record %s: %w", recordID, err)
	}
	v.started = answer.GetWorkflowExecutionInfo().GetStartTime().AsTime()
	err = b.userDB.QueryRowContext(ctx, "SELECT updated_at FROM credit WHERE record_id = ?", recordID).Scan(&v.committed)
	if err != nil {
		return fmt.Errorf("look at the credit of record %s: %w", recordID, err)
	}
	return nil
}

// bridgeWait reads from the worker's metrics how long messages waited.
func (b *bench) bridgeWait(ctx context.Context) (histogram, error) {
	all, err := scrape(ctx, b.stack.WorkerURL()+"/metrics")
	if err != nil {
		return histogram{}, err
	}
	return all.histogram("mrmrthon_bridge_wait_seconds", ""), nil
}
