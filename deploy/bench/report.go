package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Report is a run of the bench, as bench.json holds it.
type Report struct {
	Began   time.Time `json:"began"`
	Commit  string    `json:"commit"`
	Size    string    `json:"size"`
	Machine string    `json:"machine"`
	Rows    []Row     `json:"figures"`
}

// Row is one figure, or the ratio of two.
type Row struct {
	Figure string    `json:"figure"` // what -only selects
	What   string    `json:"what"`
	Unit   string    `json:"unit"`
	Median float64   `json:"median"`
	Values []float64 `json:"values"` // by repetition
	Goal   string    `json:"goal,omitempty"`
	Floor  float64   `json:"floor,omitempty"` // a run with a lower median fails
}

// target is what a figure should reach. The zero value sets no goal.
type target struct{ atLeast, atMost, floor float64 }

// judge returns the goal and whether a value reaches it.
func (t target) judge(value float64) string {
	mark := map[bool]string{true: " ✓", false: " ✗"}
	switch {
	case t.atMost > 0:
		return "≤ " + number(t.atMost) + mark[value <= t.atMost]
	case t.atLeast > 0:
		return "≥ " + number(t.atLeast) + mark[value >= t.atLeast]
	}
	return ""
}

// add adds the value of one repetition to a row of a figure, and returns the row.
func (r *Report) add(figure, what, unit string, value float64, want target) *Row {
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Figure == figure && row.What == what })
	if i < 0 {
		i, r.Rows = len(r.Rows), append(r.Rows, Row{Figure: figure, What: what, Unit: unit, Floor: want.floor})
	}
	row := &r.Rows[i]
	row.Values = append(row.Values, value)
	row.Median = percentile(row.Values, 0.50)
	row.Goal = want.judge(row.Median)
	return row
}

// ratio adds how two values of the same repetition compare, since whatever slows a
// repetition down affects both.
func (r *Report) ratio(figure, what string, of, by float64, want target) {
	r.add(figure, "→ "+what, "×", of/by, want)
}

// belowFloor returns an error that names every ratio below its floor.
func (r *Report) belowFloor() error {
	var all []error
	for _, row := range r.Rows {
		if row.Median < row.Floor {
			all = append(all, fmt.Errorf("%s: %s is %s, below the floor of %s", row.Figure, row.What, number(row.Median), number(row.Floor)))
		}
	}
	return errors.Join(all...)
}

func (r *Report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

// print writes the report as a table.
func (r *Report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) } // Flush reports errors
	figure := ""
	line("", "median", "lowest … highest", "unit", "goal")
	for _, row := range r.Rows {
		if row.Figure != figure {
			figure = row.Figure
			line(strings.ToUpper(figure), "", "", "", "")
		}
		spread := ""
		if len(row.Values) > 1 {
			spread = number(slices.Min(row.Values)) + " … " + number(slices.Max(row.Values))
		}
		line("  "+row.What, number(row.Median), spread, row.Unit, row.Goal)
	}
	line()
	line(r.Commit + " on " + r.Machine)
	return w.Flush()
}

// percentile returns the nearest-rank percentile of at least one value.
func percentile(values []float64, p float64) float64 {
	rank := int(math.Ceil(p * float64(len(values))))
	return slices.Sorted(slices.Values(values))[rank-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// number formats three or four significant digits, with commas between thousands.
func number(v float64) string {
	decimals := 2
	switch {
	case v >= 100:
		decimals = 0
	case v >= 10:
		decimals = 1
	}
	return message.NewPrinter(language.English).Sprintf("%.*f", decimals, v)
}

// thousands formats a count with commas.
func thousands(n int) string { return message.NewPrinter(language.English).Sprint(n) }

// thisMachine describes what the figures are measured on; what the kernel does not tell
// is left out. The figures are unreliable if other processes were busy.
func thisMachine() string {
	machine := fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	kernel, err := procfs.NewDefaultFS()
	if err != nil {
		return machine
	}
	if processors, err := kernel.CPUInfo(); err == nil && len(processors) > 0 {
		machine = processors[0].ModelName + ", " + machine
	}
	if load, err := kernel.LoadAvg(); err == nil && load.Load1 >= 1 {
		machine += fmt.Sprintf("; NOT IDLE: load %.1f before the bench began", load.Load1)
	}
	return machine
}

func commit(ctx context.Context) string {
	name, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "an unknown commit"
	}
	return strings.TrimSpace(string(name))
}
