package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// standings measures the recompute that a correction in a large race causes, and
// against it the sorting of the same entries in memory.
func (b *bench) standings(ctx context.Context) error {
	b.say("a race of %d finishers", b.size.Finishers)
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	sorted, ranked, err := b.inMemory(ctx, raceID)
	if err != nil {
		return err
	}
	var total, read, rank, write, sorts series
	for i := range b.size.Repetitions {
		b.say("recompute of %d finishers, %d of %d", b.size.Finishers, i+1, b.size.Repetitions)
		took, err := b.recompute(ctx, raceID, i)
		if err != nil {
			return err
		}
		total = append(total, took["read"]+took["rank"]+took["write"])
		read, rank, write = append(read, took["read"]), append(rank, took["rank"]), append(write, took["write"])
		sorts = append(sorts, sorted)
	}
	const figure = "standings"
	r := b.report
	r.add(figure, fmt.Sprintf("recompute of %s finishers after a correction", thousands(b.size.Finishers)), "ms", total, target{atMost: 1000})
	r.add(figure, "  read", "ms", read, target{})
	r.add(figure, "  hash and rank", "ms", rank, target{atMost: 50})
	r.add(figure, "  write", "ms", write, target{})
	r.add(figure, "ranking them in memory, no database", "ms", series{ranked}, target{})
	r.ratio(figure, "hash and rank to sorting in memory by time alone", rank, sorts, target{})
	return nil
}

// recompute corrects one record and returns the mean milliseconds, by part, of
// the recomputes that this leads to: one for the correction, one for its credit,
// or one for both.
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

// inMemory returns how long it takes to sort the entries by time and to rank
// them, in ms, each the median of five.
func (b *bench) inMemory(ctx context.Context, raceID string) (sorted, ranked float64, err error) {
	in, err := maindb.New(b.mainDB, time.Now).StandingsInputs(ctx, raceID)
	if err != nil {
		return 0, 0, err
	}
	rules := standings.Rules{Ranking: in.Race.Ranking, Divisions: in.Race.Divisions}
	var sorts, ranks series
	for range 5 {
		entries := slices.Clone(in.Entries)
		began := time.Now()
		slices.SortFunc(entries, func(a, b standings.Entry) int { return int(a.Result.Net - b.Result.Net) })
		sorts = append(sorts, milliseconds(time.Since(began)))
		began = time.Now()
		standings.Rank(rules, in.Entries)
		ranks = append(ranks, milliseconds(time.Since(began)))
	}
	return sorts.median(), ranks.median(), nil
}
