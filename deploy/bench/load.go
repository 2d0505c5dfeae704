package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// load is one import of records that was brought to the ledger, by whoever
// takes the messages.
type load struct {
	raceID  string
	records int
	began   time.Time // of the request
	took    time.Duration
	spent   map[stack.Part]time.Duration // of CPU time
	peak    map[stack.Part]int64         // of memory, bytes
}

// rate is credits per second, from the request to the last commit.
func (l load) rate() float64 { return perSecond(l.records, l.took) }

// per1000 is the CPU time that a part took for 1,000 records, in seconds.
func (l load) per1000(part stack.Part) float64 {
	return l.spent[part].Seconds() * 1000 / float64(l.records)
}

// warmUp lets caches fill and pools open before anything is measured.
func (b *bench) warmUp(ctx context.Context) error {
	b.bar.step("warming up")
	if _, err := b.bring(ctx, b.size.WarmUp); err != nil {
		return err
	}
	_, err := b.engine(ctx, b.stack.TemporalAddress(), b.size.WarmUp, false)
	return err
}

// bring imports the results of a new race and waits for their credits.
func (b *bench) bring(ctx context.Context, records int) (load, error) {
	raceID, err := b.race(ctx, records)
	if err != nil {
		return load{}, err
	}
	files := inFiles(records, results)
	if err := b.quiet(ctx); err != nil {
		return load{}, err
	}
	if err := b.resetPeaks(); err != nil {
		return load{}, err
	}
	before, err := b.usages()
	if err != nil {
		return load{}, err
	}
	l := load{raceID: raceID, records: records, began: time.Now(), peak: map[stack.Part]int64{}}
	if err := b.upload(ctx, resultsPath(raceID), files); err != nil {
		return load{}, err
	}
	last, err := b.awaitCredits(ctx, raceID, records)
	if err != nil {
		return load{}, err
	}
	after, err := b.usages()
	if err != nil {
		return load{}, err
	}
	l.took, l.spent = last.Sub(l.began), spent(before, after)
	for part, u := range after {
		l.peak[part] = u.peak
	}
	return l, nil
}

// awaitCredits waits until so many records of a race are in the ledger and
// returns when the last of them was put there, by the clock of who did.
func (b *bench) awaitCredits(ctx context.Context, raceID string, records int) (last time.Time, err error) {
	// Seldom enough to cost nothing: the count reads an index.
	const limit, pause = 15 * time.Minute, 200 * time.Millisecond
	count := 0
	err = until(ctx, limit, pause, func() (bool, error) {
		err := b.userDB.QueryRowContext(ctx, "SELECT COUNT(*) FROM credit WHERE race_id = ?", raceID).Scan(&count)
		return count >= records, err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("wait for %d credits, %d are there: %w", records, count, err)
	}
	err = b.userDB.QueryRowContext(ctx, "SELECT MAX(updated_at) FROM credit WHERE race_id = ?", raceID).Scan(&last)
	return last, err
}
