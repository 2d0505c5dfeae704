package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

// standings measures the recompute after a correction in a large race.
func (b *bench) standings(ctx context.Context) error {
	b.say("a race of %d finishers", b.size.Finishers)
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	const figure = "standings"
	turn := 0
	return b.repeat(func() error {
		b.say("recompute of %d finishers", b.size.Finishers)
		took, err := b.recompute(ctx, raceID, turn)
		turn++
		what := fmt.Sprintf("recompute of %s finishers after a correction", thousands(b.size.Finishers))
		b.report.add(figure, what, "ms", took["read"]+took["rank"]+took["write"], target{atMost: 1000})
		b.report.add(figure, "  read", "ms", took["read"], target{})
		b.report.add(figure, "  hash and rank", "ms", took["rank"], target{atMost: 50})
		b.report.add(figure, "  write", "ms", took["write"], target{})
		return err
	})
}

// recompute corrects one record and returns the mean milliseconds of each part of the
// recomputes that follow: one for the correction and one for its credit, or one for
// both.
func (b *bench) recompute(ctx context.Context, raceID string, turn int) (map[string]float64, error) {
	const metric = "mrmrthon_standings_recompute_seconds"
	if err := fresh(ctx, b.organizer); err != nil {
		return nil, err
	}
	before, err := b.workerHistogram(ctx, metric)
	if err != nil {
		return nil, err
	}
	var recordID string
	var revision, credits int
	err = b.mainDB.QueryRowContext(ctx, `SELECT r.record_id, r.revision, k.credit_revisions FROM official_record AS r
	    JOIN standings_mark AS k ON k.race_id = r.race_id WHERE r.race_id = ? AND r.bib_key = '1'`, raceID).Scan(&recordID, &revision, &credits)
	if err != nil {
		return nil, fmt.Errorf("find a record to correct: %w", err)
	}
	correction := map[string]string{"gun_time": clock(8410 + turn), "net_time": clock(8400 + turn), "reason": "bench"}
	err = b.organizer.JSON(ctx, http.MethodPatch, "/v1/races/"+raceID+"/official-records/"+recordID, correction, nil,
		"If-Match", strconv.Quote(strconv.Itoa(revision)))
	if err != nil {
		return nil, err
	}
	if err := b.awaitStandings(ctx, raceID, credits+1); err != nil {
		return nil, err
	}
	after, err := b.workerHistogram(ctx, metric)
	if err != nil {
		return nil, err
	}
	took := map[string]float64{}
	for part, now := range after {
		took[part] = 1000 * now.since(before[part])
	}
	return took, nil
}
