package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// latency measures the time from a POST to the point that everybody can see, and
// what it should take: the same without Temporal, plus what the engine takes for
// a workflow that does nothing. More than that is waiting.
func (b *bench) latency(ctx context.Context) error {
	var p50, p99, answer, wait, engine, direct series
	for i := range b.size.Repetitions {
		turn := fmt.Sprintf("%d of %d", i+1, b.size.Repetitions)
		b.say("%d single records, %s", b.size.Latency, turn)
		before, err := b.workerHistogram(ctx, "mrmrthon_bridge_wait_seconds")
		if err != nil {
			return err
		}
		answered, shown, err := b.oneByOne(ctx)
		if err != nil {
			return err
		}
		after, err := b.workerHistogram(ctx, "mrmrthon_bridge_wait_seconds")
		if err != nil {
			return err
		}
		p50, p99 = append(p50, percentile(shown, 0.50)), append(p99, percentile(shown, 0.99))
		answer = append(answer, percentile(answered, 0.50))
		wait = append(wait, 1000*after[""].since(before[""]))

		b.say("%d single workflows that do nothing, %s", b.size.Latency, turn)
		serial, err := b.engineSerial(ctx, b.stack.TemporalAddress(), b.size.Latency)
		if err != nil {
			return err
		}
		engine = append(engine, percentile(serial, 0.50))
		b.say("%d single records without Temporal, %s", b.size.Latency, turn)
		if err := b.withoutWorker(ctx, func() error {
			return b.with(ctx, "consumer", nil, func() error {
				_, shown, err := b.oneByOne(ctx)
				direct = append(direct, percentile(shown, 0.50))
				return err
			})
		}); err != nil {
			return err
		}
	}
	const figure = "latency"
	r := b.report
	r.add(figure, fmt.Sprintf("POST to visible point, %d records one by one: p50", b.size.Latency), "ms", p50, target{atMost: 12})
	r.add(figure, "the same: p99", "ms", p99, target{atMost: 40})
	r.add(figure, "  of it HTTP and commit (POST to answer)", "ms", answer, target{})
	r.add(figure, "  message sent to workflow started, mean, by the bridge", "ms", wait, target{})
	r.add(figure, "part: the same without Temporal, p50", "ms", direct, target{})
	r.add(figure, "part: a workflow that does nothing, start to end, p50", "ms", engine, target{})
	r.ratio(figure, "p50 to the sum of the parts", p50, sums(direct, engine), target{})
	return nil
}

// oneByOne posts records, each when the one before is credited. It returns the
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
		if err := b.organizer.JSON(ctx, http.MethodPost, path, f, &record); err != nil {
			return nil, nil, err
		}
		answered = append(answered, milliseconds(time.Since(sent)))
		// The pauses leave the processors to those who work.
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
