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

// recomputed is what one recompute took of each of its parts, in ms, as the
// worker measured it.
type recomputed struct{ read, rank, write float64 }

func (r recomputed) total() float64 { return r.read + r.rank + r.write }

// standings measures the recompute that a correction in a large race causes, and
// against it the sorting of the same entries in memory.
func (b *bench) standings(ctx context.Context) error {
	b.bar.step("a race of %d finishers", b.size.Finishers)
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
		b.bar.step("recompute of %d finishers, %d of %d", b.size.Finishers, i+1, b.size.Repetitions)
		r, err := b.recompute(ctx, raceID, i)
		if err != nil {
			return err
		}
		total, read = append(total, r.total()), append(read, r.read)
		rank, write = append(rank, r.rank), append(write, r.write)
		sorts = append(sorts, sorted)
	}
	const figure = "standings"
	r := b.report
	r.add(figure, fmt.Sprintf("recompute of %s finishers after a correction", thousands(int64(b.size.Finishers))), "ms", total, atMost(1000))
	r.add(figure, "  read", "ms", read, nil)
	r.add(figure, "  hash and rank", "ms", rank, atMost(50))
	r.add(figure, "  write", "ms", write, nil)
	r.add(figure, "ranking them in memory, no database", "ms", series{ranked}, nil)
	r.add(figure, "sorting them in memory by time alone", "ms", series{sorted}, nil)
	r.ratio(figure, "hash and rank to sorting", rank, sorts, nil)
	return nil
}

// finishersRace is a race of so many finishers whose standings are settled.
func (b *bench) finishersRace(ctx context.Context) (string, error) {
	raceID, entries := b.finishers, 0
	if raceID != "" {
		err := b.mainDB.QueryRowContext(ctx, "SELECT COUNT(*) FROM official_record WHERE race_id = ?", raceID).Scan(&entries)
		if err != nil {
			return "", err
		}
	}
	if entries == b.size.Finishers {
		if err := b.refresh(ctx, raceID); err != nil {
			return "", err
		}
		return raceID, b.settled(ctx, raceID, entries)
	}
	return b.creditedRace(ctx, b.size.Finishers)
}

// creditedRace makes a race whose records are credited without Temporal, which
// is the fastest way to have one.
func (b *bench) creditedRace(ctx context.Context, finishers int) (raceID string, err error) {
	err = b.withoutWorker(ctx, func() error {
		return b.with(ctx, "consumer", nil, func() error {
			raceID, err = b.race(ctx, finishers)
			if err != nil {
				return err
			}
			if err := b.upload(ctx, resultsPath(raceID), inFiles(finishers, results)); err != nil {
				return err
			}
			_, err = b.awaitCredits(ctx, raceID, finishers)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	b.finishers = raceID
	if err := b.refresh(ctx, raceID); err != nil {
		return "", err
	}
	return raceID, b.settled(ctx, raceID, finishers)
}

// refresh has the standings of a race recomputed. The sweep would find that its
// credits were made past the worker, but not at once.
func (b *bench) refresh(ctx context.Context, raceID string) error {
	if err := b.operator.fresh(ctx); err != nil {
		return err
	}
	return b.operator.call(ctx, http.MethodPost, "/v1/ops/races/"+raceID+"/recompute", map[string]string{"reason": "bench"}, nil)
}

// settled waits until the standings have everyone with points.
func (b *bench) settled(ctx context.Context, raceID string, finishers int) error {
	const limit, pause = 3 * time.Minute, 200 * time.Millisecond
	query := `SELECT COALESCE(SUM(k.credit_revisions), 0) FROM standings_mark AS k WHERE k.race_id = ?`
	marked := 0
	err := until(ctx, limit, pause, func() (bool, error) {
		err := b.mainDB.QueryRowContext(ctx, query, raceID).Scan(&marked)
		return marked >= finishers, err
	})
	if err != nil {
		return fmt.Errorf("wait for the standings of %d finishers, %d are taken in: %w", finishers, marked, err)
	}
	return b.quiet(ctx)
}

// recompute corrects one record and returns the mean of the recomputes that this
// leads to: one for the correction, one for its credit, or one for both.
func (b *bench) recompute(ctx context.Context, raceID string, turn int) (recomputed, error) {
	if err := b.organizer.fresh(ctx); err != nil {
		return recomputed{}, err
	}
	before, err := scrape(ctx, b.stack.WorkerURL()+"/metrics")
	if err != nil {
		return recomputed{}, err
	}
	var recordID string
	var revision, credits int
	err = b.mainDB.QueryRowContext(ctx, `SELECT r.record_id, r.revision, k.credit_revisions FROM official_record AS r
	    JOIN standings_mark AS k ON k.race_id = r.race_id WHERE r.race_id = ? AND r.bib_key = '1'`, raceID).Scan(&recordID, &revision, &credits)
	if err != nil {
		return recomputed{}, fmt.Errorf("find a record to correct: %w", err)
	}
	correction := map[string]string{"gun_time": clock(8000 + turn), "net_time": clock(7990 + turn), "reason": "bench"}
	err = b.organizer.call(ctx, http.MethodPatch, "/v1/races/"+raceID+"/official-records/"+recordID, correction, nil,
		"If-Match", strconv.Quote(strconv.Itoa(revision)))
	if err != nil {
		return recomputed{}, err
	}
	if err := b.settled(ctx, raceID, credits+1); err != nil {
		return recomputed{}, err
	}
	after, err := scrape(ctx, b.stack.WorkerURL()+"/metrics")
	if err != nil {
		return recomputed{}, err
	}
	part := func(name string) float64 {
		const metric = "mrmrthon_standings_recompute_seconds"
		labels := fmt.Sprintf("{part=%q}", name)
		return 1000 * after.histogram(metric, labels).since(before.histogram(metric, labels))
	}
	return recomputed{part("read"), part("rank"), part("write")}, nil
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
		took, _ := timed(func() error {
			slices.SortFunc(entries, func(a, b standings.Entry) int { return int(a.Result.Net - b.Result.Net) })
			return nil
		})
		sorts = append(sorts, took)
		took, _ = timed(func() error {
			standings.Rank(rules, in.Entries)
			return nil
		})
		ranks = append(ranks, took)
	}
	return sorts.median(), ranks.median(), nil
}
