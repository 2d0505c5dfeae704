package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// figure is something that the bench measures, in so many steps of the progress
// bar.
type figure struct {
	name    string
	measure func(*bench, context.Context) error
	steps   func(Size) int
}

// figures are all of them, in the order in which they are measured: what grows
// the tables comes late.
func figures() []figure {
	return []figure{
		{"credits", (*bench).credits, func(s Size) int { return 7 * s.Repetitions }},
		{"latency", (*bench).latency, func(s Size) int { return 3 * s.Repetitions }},
		{"login", (*bench).login, func(s Size) int { return 2 * s.Repetitions }},
		{"import", (*bench).imports, func(s Size) int { return 2*s.Repetitions + 2 }},
		{"standings", (*bench).standings, func(s Size) int { return 1 + s.Repetitions }},
		{"pages", (*bench).pages, func(s Size) int { return 2 * s.Repetitions }},
		{"curve", (*bench).curve, func(s Size) int { return 2*s.climbs() + len(s.Standings) }},
	}
}

func figureNames() []string {
	var names []string
	for _, f := range figures() {
		names = append(names, f.name)
	}
	return names
}

// selected are the figures of a list such as "credits,latency", all when it is
// empty; the curve only where the size has one.
func selected(list string, size Size) ([]figure, error) {
	all := figures()
	if list == "" {
		return slices.DeleteFunc(all, func(f figure) bool { return f.name == "curve" && len(size.Curve) == 0 }), nil
	}
	var chosen []figure
	for name := range strings.SplitSeq(list, ",") {
		at := slices.IndexFunc(all, func(f figure) bool { return f.name == strings.TrimSpace(name) })
		if at < 0 {
			return nil, fmt.Errorf("no figure is called %q; there are %s", name, strings.Join(figureNames(), ", "))
		}
		chosen = append(chosen, all[at])
	}
	if len(size.Curve) == 0 && slices.ContainsFunc(chosen, func(f figure) bool { return f.name == "curve" }) {
		return nil, fmt.Errorf("the curve is measured with BENCH=full or small, not %s", size.Name)
	}
	return chosen, nil
}

// measure runs the bench: it starts the stack, measures the figures, prints and
// writes the report.
func measure(ctx context.Context, size Size, figures []figure, out string) (err error) {
	began := time.Now()
	steps := 2
	for _, f := range figures {
		steps += f.steps(size)
	}
	b, err := open(ctx, size, steps, nil)
	if err != nil {
		return err
	}
	if err := b.warmUp(ctx); err != nil {
		return b.close(fmt.Errorf("warm up: %w", err))
	}
	for _, f := range figures {
		if err := f.measure(b, ctx); err != nil {
			return b.close(fmt.Errorf("measure %s: %w", f.name, err))
		}
	}
	b.bar.finish()
	if err := b.close(nil); err != nil {
		return err
	}
	b.report.Began, b.report.Took = began, time.Since(began).Seconds()
	if err := b.report.print(os.Stdout); err != nil {
		return err
	}
	if err := b.report.write(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "every value is in %s, every log in %s\n", out, b.dir)
	return err
}
