package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// speeds are the rates of one figure per design, by repetition.
type speeds struct {
	credits, engine, plain, floor  series
	trimmed, settings, lifted      series // the engine alone, each on a database of its own
	closes, visible, engineVisible series
	loads                          []load
}

// credits measures credits per second against the engine's limit, the same on
// a server with its limits lifted alone, the plain design, and no Temporal at
// all. The designs take turns, so that a machine that grows slower slows all.
func (b *bench) credits(ctx context.Context) error {
	var s speeds
	for i := range b.size.Repetitions {
		for _, turn := range []func(context.Context, *speeds, string) error{
			b.ours, b.limit, b.trimmed, b.settingsAlone, b.limitsLifted, b.plain,
		} {
			if err := turn(ctx, &s, fmt.Sprintf("%d of %d", i+1, b.size.Repetitions)); err != nil {
				return err
			}
		}
	}
	b.reportSpeeds(&s)
	b.reportProcesses(s.loads)
	return nil
}

func (b *bench) ours(ctx context.Context, s *speeds, turn string) error {
	b.bar.step("%d credits, %s", b.size.Credits, turn)
	l, err := b.bring(ctx, b.size.Credits)
	if err != nil {
		return err
	}
	seen, err := awaitClosed(ctx, b.temporal, fmt.Sprintf("WorkflowType = 'CreditRecord' AND RaceId = %q", l.raceID), l.records)
	if err != nil {
		return err
	}
	s.credits, s.loads = append(s.credits, l.rate()), append(s.loads, l)
	s.closes = append(s.closes, perSecond(l.records, seen.last.Sub(l.began)))
	s.visible = append(s.visible, seen.complete.Sub(seen.last).Seconds())
	b.finishers = l.raceID
	return nil
}

func (b *bench) limit(ctx context.Context, s *speeds, turn string) error {
	b.bar.step("the engine alone, %d workflows, %s", b.size.Engine, turn)
	run, err := b.engine(ctx, b.stack.TemporalAddress(), b.size.Engine, false)
	s.engine = append(s.engine, run.rate)
	s.engineVisible = append(s.engineVisible, run.visible.Seconds())
	return err
}

func (b *bench) trimmed(ctx context.Context, s *speeds, turn string) error {
	return b.otherLimit(ctx, stack.Tuned, &s.trimmed, turn)
}

func (b *bench) settingsAlone(ctx context.Context, s *speeds, turn string) error {
	return b.otherLimit(ctx, stack.SettingsAlone, &s.settings, turn)
}

func (b *bench) limitsLifted(ctx context.Context, s *speeds, turn string) error {
	return b.otherLimit(ctx, stack.LimitsLifted, &s.lifted, turn)
}

// otherLimit measures the engine alone on a server that is set otherwise.
func (b *bench) otherLimit(ctx context.Context, server stack.Server, rates *series, turn string) error {
	name := cmp.Or(string(server), "tuned")
	b.bar.step("the engine alone, %s, %d workflows, %s", name, b.size.Lifted, turn)
	return b.withServer(ctx, server, func(address string) error {
		if len(*rates) == 0 {
			if _, err := b.engine(ctx, address, b.size.WarmUp, true); err != nil {
				return err
			}
		}
		run, err := b.engine(ctx, address, b.size.Lifted, true)
		*rates = append(*rates, run.rate)
		return err
	})
}

// plain measures the two designs that take the worker's place.
func (b *bench) plain(ctx context.Context, s *speeds, turn string) error {
	return b.withoutWorker(ctx, func() error {
		b.bar.step("%d credits without Temporal, %s", b.size.Credits, turn)
		err := b.with(ctx, "consumer", nil, func() error {
			l, err := b.bring(ctx, b.size.Credits)
			s.floor = append(s.floor, l.rate())
			return err
		})
		if err != nil {
			return err
		}
		b.bar.step("%d credits by the plain design, %s", b.size.Plain, turn)
		return b.withServer(ctx, stack.Untouched, func(address string) error {
			return b.with(ctx, "plain", map[string]string{"TEMPORAL_ADDRESS": address}, func() error {
				l, err := b.bring(ctx, b.size.Plain)
				s.plain = append(s.plain, l.rate())
				return err
			})
		})
	})
}

func (b *bench) reportSpeeds(s *speeds) {
	const figure = "credits"
	add := func(what, unit string, values series, goal *Goal) { b.report.add(figure, what, unit, values, goal) }
	ratio := func(what string, of, by series, goal *Goal) { b.report.ratio(figure, what, of, by, goal) }
	add(fmt.Sprintf("credits, %s in one import, request to last commit", thousands(int64(b.size.Credits))), "/s", s.credits, nil)
	add("workflows closed by them", "/s", s.closes, nil)
	add("engine's limit: no-op workflows, same server", "/s", s.engine, nil)
	ratio("credits of the engine's limit", s.credits, s.engine, atLeast(0.90))
	add("plain design, untouched server", "/s", s.plain, nil)
	ratio("credits to the plain design", s.credits, s.plain, atLeast(5))
	add("no Temporal: the queue and the databases alone", "/s", s.floor, nil)
	ratio("credits to no Temporal", s.credits, s.floor, nil)
	add("searchable no-op workflows, a new database, limits lifted alone", "/s", s.lifted, nil)
	add("searchable no-op workflows, a new database, settings", "/s", s.settings, nil)
	ratio("settings to limits lifted alone", s.settings, s.lifted, atLeast(1.6))
	add("searchable no-op workflows, a new database, settings and fewer indexes", "/s", s.trimmed, nil)
	ratio("settings and fewer indexes to limits lifted alone", s.trimmed, s.lifted, atLeast(2.2))
	add("lists complete after the last close, credits", "s", s.visible, atMost(2))
	add("lists complete after the last close, engine", "s", s.engineVisible, atMost(2))
}

// reportProcesses tells what each process took for the credits.
func (b *bench) reportProcesses(loads []load) {
	const figure = "processes"
	per := func(part stack.Part) series {
		var values series
		for _, l := range loads {
			values = append(values, l.per1000(part))
		}
		return values
	}
	for _, part := range stack.AllParts() {
		var cpu, peak series
		for _, l := range loads {
			cpu = append(cpu, l.spent[part].Seconds())
			peak = append(peak, float64(l.peak[part])/(1<<20))
		}
		b.report.add(figure, fmt.Sprintf("%s: CPU for %s credits", part, thousands(int64(b.size.Credits))), "s", cpu, nil)
		b.report.add(figure, string(part)+": CPU per 1,000 credits", "s", per(part), nil)
		b.report.add(figure, string(part)+": peak memory", "MiB", peak, nil)
	}
	b.report.ratio(figure, "CPU of worker and API to Temporal's", sums(per(stack.Worker), per(stack.API)), per(stack.Temporal), atMost(0.40))
}

// timed measures how long something takes, in ms.
func timed(do func() error) (float64, error) {
	began := time.Now()
	err := do()
	return milliseconds(time.Since(began)), err
}
