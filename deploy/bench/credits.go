package main

import (
	"context"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// load is one import whose records have been credited.
type load struct {
	raceID  string
	records int
	began   time.Time // of the request
	took    time.Duration
	cpu     map[stack.Part]time.Duration
	peak    map[stack.Part]int64 // of memory, bytes
}

// rate returns credits per second, from the request to the last commit.
func (l load) rate() float64 { return perSecond(l.records, l.took) }

// per1000 returns the CPU-seconds of a part for 1,000 records.
func (l load) per1000(part stack.Part) float64 {
	return l.cpu[part].Seconds() * 1000 / float64(l.records)
}

// warmUp lets caches fill and pools open before anything is measured.
func (b *bench) warmUp(ctx context.Context) error {
	b.say("warming up")
	if _, err := b.load(ctx, b.size.WarmUp); err != nil {
		return err
	}
	_, err := b.engine(ctx, b.stack.TemporalAddress(), b.size.WarmUp, false)
	return err
}

// load imports the results of a new race and waits for their credits.
func (b *bench) load(ctx context.Context, records int) (load, error) {
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
	l := load{
		raceID: raceID, records: records, began: time.Now(),
		cpu: map[stack.Part]time.Duration{}, peak: map[stack.Part]int64{},
	}
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
	l.took = last.Sub(l.began)
	for part, u := range after {
		l.cpu[part], l.peak[part] = u.cpu-before[part].cpu, u.peak
	}
	return l, nil
}

// credits measures credits per second against the engine's limit, the same on servers
// with other settings, the plain design, and no Temporal at all. They alternate, so that
// a machine that becomes slower slows all of them.
func (b *bench) credits(ctx context.Context) error {
	return b.repeat(func() error { return b.creditsOnce(ctx) })
}

func (b *bench) creditsOnce(ctx context.Context) error {
	b.say("%d credits", b.size.Credits)
	l, err := b.load(ctx, b.size.Credits)
	if err != nil {
		return err
	}
	b.finishers = l.raceID
	last, listed, err := awaitClosed(ctx, b.temporal, fmt.Sprintf("WorkflowType = 'CreditRecord' AND RaceId = %q", l.raceID), l.records)
	if err != nil {
		return err
	}
	b.say("the engine alone, %d workflows", b.size.Engine)
	engine, err := b.engine(ctx, b.stack.TemporalAddress(), b.size.Engine, false)
	if err != nil {
		return err
	}
	servers := map[stack.Server]float64{}
	for _, server := range []stack.Server{stack.Tuned, stack.SettingsAlone, stack.LimitsLifted} {
		if servers[server], err = b.server(ctx, server); err != nil {
			return err
		}
	}
	direct, plain, err := b.otherDesigns(ctx)
	if err != nil {
		return err
	}

	const figure = "credits"
	r := b.report
	r.add(figure, fmt.Sprintf("credits, %s in one import, request to last commit", thousands(b.size.Credits)), "/s", l.rate(), target{})
	r.add(figure, "engine's limit: no-op workflows, same server", "/s", engine, target{})
	r.ratio(figure, "credits to the engine's limit", l.rate(), engine, target{atLeast: 0.90, floor: 0.5})
	r.add(figure, "plain design, server with default settings", "/s", plain, target{})
	r.ratio(figure, "credits to the plain design", l.rate(), plain, target{atLeast: 5, floor: 5})
	r.add(figure, "no Temporal: the queue and the databases alone", "/s", direct, target{})
	r.ratio(figure, "credits to no Temporal", l.rate(), direct, target{})
	lifted, settings, tuned := servers[stack.LimitsLifted], servers[stack.SettingsAlone], servers[stack.Tuned]
	r.add(figure, "searchable no-op workflows, new database, limits lifted", "/s", lifted, target{})
	r.add(figure, "searchable no-op workflows, new database, settings", "/s", settings, target{})
	r.ratio(figure, "settings to limits lifted", settings, lifted, target{atLeast: 1.6, floor: 1.2})
	r.add(figure, "searchable no-op workflows, new database, settings and fewer indexes", "/s", tuned, target{})
	r.ratio(figure, "settings and fewer indexes to limits lifted", tuned, lifted, target{atLeast: 2.2})
	r.add(figure, "lists complete after the last close", "s", listed.Sub(last).Seconds(), target{atMost: 2})
	for _, part := range stack.AllParts() {
		r.add("processes", string(part)+": CPU per 1,000 credits", "s", l.per1000(part), target{})
		r.add("processes", string(part)+": peak memory", "MiB", float64(l.peak[part])/(1<<20), target{})
	}
	r.ratio("processes", "CPU of worker and API to Temporal's", l.per1000(stack.Worker)+l.per1000(stack.API), l.per1000(stack.Temporal), target{atMost: 0.40})
	return nil
}

// server measures the engine alone on a server with other settings, whose database is
// warmed up the first time.
func (b *bench) server(ctx context.Context, server stack.Server) (rate float64, err error) {
	b.say("the engine alone, %s, %d workflows", server, b.size.Servers)
	_, warm := b.others[server]
	err = b.withServer(ctx, server, func(address string) error {
		if !warm {
			if _, err := b.engine(ctx, address, b.size.WarmUp, true); err != nil {
				return err
			}
		}
		rate, err = b.engine(ctx, address, b.size.Servers, true)
		return err
	})
	return rate, err
}

// otherDesigns measures the two designs that replace the worker.
func (b *bench) otherDesigns(ctx context.Context) (direct, plain float64, err error) {
	err = b.withoutWorker(ctx, func() error {
		b.say("%d credits without Temporal", b.size.Credits)
		err := b.with(ctx, "consumer", nil, func() error {
			l, err := b.load(ctx, b.size.Credits)
			direct = l.rate()
			return err
		})
		if err != nil {
			return err
		}
		b.say("%d credits by the plain design", b.size.Plain)
		return b.withServer(ctx, stack.Untouched, func(address string) error {
			return b.with(ctx, "plain", map[string]string{"TEMPORAL_ADDRESS": address}, func() error {
				l, err := b.load(ctx, b.size.Plain)
				plain = l.rate()
				return err
			})
		})
	})
	return direct, plain, err
}

// curve measures how the cost of credits and recomputes grows with their number, and
// whether a large ledger makes credits more expensive.
func (b *bench) curve(ctx context.Context) error {
	const figure = "curve"
	empty, err := b.climb(ctx, "")
	if err != nil {
		return err
	}
	if err := b.fillLedger(ctx, b.size.Ledger); err != nil {
		return err
	}
	full, err := b.climb(ctx, fmt.Sprintf(", %s ledger lines before", thousands(b.size.Ledger)))
	if err != nil {
		return err
	}
	for i, records := range b.size.Curve {
		what := fmt.Sprintf("CPU of worker and database, %s records, to the same without the ledger", thousands(records))
		b.report.ratio(figure, what, full[i], empty[i], target{atMost: 1.10})
	}
	for _, finishers := range b.size.Standings {
		b.say("recompute of %d finishers", finishers)
		raceID, err := b.creditedRace(ctx, finishers)
		if err != nil {
			return err
		}
		took, err := b.recompute(ctx, raceID, 0)
		if err != nil {
			return err
		}
		b.report.add(figure, fmt.Sprintf("recompute of %s finishers", thousands(finishers)), "ms", took["read"]+took["rank"]+took["write"], target{})
	}
	return nil
}

// climb measures imports of growing size, and returns for each the median CPU-seconds
// of worker and database per 1,000 records.
func (b *bench) climb(ctx context.Context, after string) (cpu []float64, err error) {
	for _, records := range b.size.Curve {
		turns := b.size.Repetitions
		if records > b.size.Credits {
			turns = 1 // it takes minutes
		}
		var row *Row
		for i := range turns {
			b.say("%d credits%s, %d of %d", records, after, i+1, turns)
			l, err := b.load(ctx, records)
			if err != nil {
				return nil, err
			}
			b.report.add("curve", thousands(records)+" records"+after, "/s", l.rate(), target{})
			row = b.report.add("curve", "  CPU of worker and database per 1,000 of "+thousands(records)+after, "s", l.per1000(stack.Worker)+l.per1000(stack.MariaDB), target{})
		}
		cpu = append(cpu, row.Median)
	}
	return cpu, nil
}

// fillLedger adds the lines of a hundred races of other runners, with credits and
// totals that agree, as years of races would have left them.
func (b *bench) fillLedger(ctx context.Context, lines int) error {
	const (
		races, points = 100, 500 // of each runner
		at            = "2020-01-01 00:00:00"
	)
	runners := max(1, lines/races)
	id := func(kind, n int) string { return fmt.Sprintf("%08d-0000-7000-8000-%012d", kind, n) }
	err := insertAll(ctx, b.userDB, "user", "user_id, user_type, name, phone, sex, total_point, created_at, updated_at", runners, func(n int) []any {
		total := points * (lines / runners)
		if n < lines%runners {
			total += points
		}
		return []any{id(1, n), "runner", "", "", "", total, at, at}
	})
	if err != nil {
		return err
	}
	of := func(n int) (user, race, record, workflow string) {
		user, race, record = id(1, n%runners), id(2, n/runners), id(3, n)
		return user, race, record, "credit/" + race + "/" + record + "/r1"
	}
	err = insertAll(ctx, b.userDB, "credit",
		"record_id, race_id, revision, status, user_id, points, rule, edition, reason, workflow_id, updated_at", lines, func(n int) []any {
			user, race, record, workflow := of(n)
			return []any{record, race, 1, "credited", user, points, "agegrade", "2025", "", workflow, at}
		})
	if err != nil {
		return err
	}
	return insertAll(ctx, b.userDB, "point",
		"user_id, race_id, record_id, revision, entry, rule, edition, points, reason, workflow_id, created_at", lines, func(n int) []any {
			user, race, record, workflow := of(n)
			return []any{user, race, record, 1, "credit", "agegrade", "2025", points, "", workflow, at}
		})
}
