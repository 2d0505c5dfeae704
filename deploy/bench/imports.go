package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// imports measures how fast rows are accepted for good, against the same rows
// written straight into the same tables, and the memory that a large file takes.
// The worker is stopped, since the rows are accepted before it could see them;
// what is accepted is credited in between, without Temporal.
func (b *bench) imports(ctx context.Context) error {
	return b.withoutWorker(ctx, func() error {
		return b.with(ctx, "consumer", nil, func() error { return b.importAll(ctx) })
	})
}

func (b *bench) importAll(ctx context.Context) error {
	const figure = "import"
	rows := b.size.Import
	var accepted, straight, peaks, again series
	first, err := b.importPeak(ctx)
	if err != nil {
		return err
	}
	peaks = append(peaks, first)
	err = b.withTables(ctx, rows, func() error {
		for i := range b.size.Repetitions {
			turn := fmt.Sprintf("%d of %d", i+1, b.size.Repetitions)
			b.bar.step("import of %d rows, %s", rows, turn)
			took, err := b.accept(ctx, rows)
			if err != nil {
				return err
			}
			accepted = append(accepted, perSecond(rows, took))
			b.bar.step("the same rows straight into the database, %s", turn)
			if err := b.quiet(ctx); err != nil {
				return err
			}
			if took, err = b.insertStraight(ctx, rows); err != nil {
				return err
			}
			straight = append(straight, perSecond(rows, took))
		}
		return nil
	})
	if err != nil {
		return err
	}
	last, err := b.importPeak(ctx)
	if err != nil {
		return err
	}
	again = append(again, last)
	r := b.report
	r.add(figure, fmt.Sprintf("rows of a file of %s accepted", thousands(int64(rows))), "/s", accepted, atLeast(10_000))
	r.add(figure, "the same rows inserted straight, 1,000 a statement", "/s", straight, nil)
	r.ratio(figure, "accepted to inserted straight", accepted, straight, nil)
	r.add(figure, fmt.Sprintf("API's peak memory, a file of %s, before", thousands(int64(b.size.Memory))), "MiB", peaks, atMost(200))
	r.add(figure, fmt.Sprintf("the same with %s more rows there", thousands(int64(b.size.Memory+rows*b.size.Repetitions))), "MiB", again, atMost(200))
	return nil
}

// accept imports results into a new race, returns the time of the call, and
// leaves all of them credited.
func (b *bench) accept(ctx context.Context, rows int) (time.Duration, error) {
	raceID, err := b.race(ctx, rows)
	if err != nil {
		return 0, err
	}
	files := inFiles(rows, results)
	if err := b.quiet(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := b.upload(ctx, resultsPath(raceID), files); err != nil {
		return 0, err
	}
	took := time.Since(began)
	_, err = b.awaitCredits(ctx, raceID, rows)
	if rows >= b.size.Finishers {
		b.finishers = raceID
	}
	return took, err
}

// importPeak is the most memory that the API has during an import, in MiB. It is
// a fresh process: what came before must not count, the start list neither.
func (b *bench) importPeak(ctx context.Context) (float64, error) {
	b.bar.step("memory of an import of %d rows", b.size.Memory)
	raceID, err := b.race(ctx, b.size.Memory)
	if err != nil {
		return 0, err
	}
	files := inFiles(b.size.Memory, results)
	if err := b.stack.StopPart(stack.API); err != nil {
		return 0, err
	}
	if err := b.stack.StartPart(ctx, stack.API); err != nil {
		return 0, err
	}
	if err := b.quiet(ctx); err != nil {
		return 0, err
	}
	if err := b.upload(ctx, resultsPath(raceID), files); err != nil {
		return 0, err
	}
	after, err := b.usages()
	if err != nil {
		return 0, err
	}
	_, err = b.awaitCredits(ctx, raceID, b.size.Memory)
	return float64(after[stack.API].peak) / (1 << 20), err
}
