package main

import (
	"context"
	"fmt"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// curve shows how credits and recomputes cost as there are more of them, and
// whether credits grow dearer with the ledger. The CPU of worker and database is
// our side of a credit; Temporal's own store is told apart.
func (b *bench) curve(ctx context.Context) error {
	const figure = "curve"
	empty, err := b.climb(ctx, "")
	if err != nil {
		return err
	}
	if err := b.fillLedger(ctx, b.size.Ledger); err != nil {
		return err
	}
	full, err := b.climb(ctx, fmt.Sprintf(", %s ledger lines before", thousands(int64(b.size.Ledger))))
	if err != nil {
		return err
	}
	for i, records := range b.size.Curve {
		b.report.ratio(figure, fmt.Sprintf("CPU of worker and database, %s records, to the same without the ledger", thousands(int64(records))),
			full[i], empty[i], atMost(1.10))
	}
	for _, finishers := range b.size.Standings {
		b.bar.step("recompute of %d finishers", finishers)
		raceID, err := b.creditedRace(ctx, finishers)
		if err != nil {
			return err
		}
		r, err := b.recompute(ctx, raceID, 0)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("recompute of %s finishers", thousands(int64(finishers)))
		b.report.add(figure, what, "ms", series{r.total()}, nil)
		b.report.add(figure, "  of it hash and rank", "ms", series{r.rank}, nil)
	}
	return nil
}

// climb measures imports of growing size, and returns for each what worker and
// database took per 1,000 records, in seconds.
func (b *bench) climb(ctx context.Context, after string) ([]series, error) {
	const figure = "curve"
	var all []series
	for _, records := range b.size.Curve {
		var rates, worker, database, temporal series
		turns := b.size.turns(records)
		for i := range turns {
			b.bar.step("%d credits%s, %d of %d", records, after, i+1, turns)
			l, err := b.bring(ctx, records)
			if err != nil {
				return nil, err
			}
			rates = append(rates, l.rate())
			worker = append(worker, l.per1000(stack.Worker))
			database = append(database, l.per1000(stack.MariaDB))
			temporal = append(temporal, l.per1000(stack.Temporal))
		}
		b.report.add(figure, thousands(int64(records))+" records"+after, "/s", rates, nil)
		b.report.add(figure, "  worker's CPU per 1,000", "s", worker, nil)
		b.report.add(figure, "  database's CPU per 1,000", "s", database, nil)
		b.report.add(figure, "  Temporal's CPU per 1,000", "s", temporal, nil)
		all = append(all, sums(worker, database))
	}
	return all, nil
}

// fillLedger adds lines of a hundred races for runners of their own, with
// credits and totals that agree, as years of races would have left them.
func (b *bench) fillLedger(ctx context.Context, lines int) error {
	const (
		races, points = 100, 500 // of each runner
		rows          = 1000     // of a statement
	)
	runners := max(1, lines/races)
	id := func(kind, n int) string { return fmt.Sprintf("%08d-0000-7000-8000-%012d", kind, n) }
	const at = "2020-01-01 00:00:00"
	for first := 0; first < runners; first += rows {
		var users []any
		count := min(rows, runners-first)
		for n := first; n < first+count; n++ {
			total := points * (lines / runners)
			if n < lines%runners {
				total += points
			}
			users = append(users, id(1, n), "runner", "", "", "", total, at, at)
		}
		err := insertMany(ctx, b.userDB, "user", "user_id, user_type, name, phone, sex, total_point, created_at, updated_at", count, users)
		if err != nil {
			return err
		}
	}
	for first := 0; first < lines; first += rows {
		var credits, ledger []any
		for n := first; n < min(first+rows, lines); n++ {
			user, race, record := id(1, n%runners), id(2, n/runners), id(3, n)
			workflow := "credit/" + race + "/" + record + "/r1"
			credits = append(credits, record, race, 1, "credited", user, points, "agegrade", "2025", "", workflow, at)
			ledger = append(ledger, user, race, record, 1, "credit", "agegrade", "2025", points, "", workflow, at)
		}
		count := min(rows, lines-first)
		err := insertMany(ctx, b.userDB, "credit",
			"record_id, race_id, revision, status, user_id, points, rule, edition, reason, workflow_id, updated_at", count, credits)
		if err != nil {
			return err
		}
		err = insertMany(ctx, b.userDB, "point",
			"user_id, race_id, record_id, revision, entry, rule, edition, points, reason, workflow_id, created_at", count, ledger)
		if err != nil {
			return err
		}
	}
	return nil
}
