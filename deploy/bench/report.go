package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is a run of the bench, as bench.json holds it.
type Report struct {
	Began    time.Time         `json:"began"`
	Took     float64           `json:"took_s"`
	Commit   string            `json:"commit"`
	Size     Size              `json:"size"`
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]any    `json:"settings"`
	Rows     []Row             `json:"figures"`
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

// series holds the values of one figure, one for each repetition.
type series []float64

// target is what a figure should reach. The zero value asks for nothing.
type target struct{ atLeast, atMost, floor float64 }

// add appends a figure. One that was not measured is left out.
func (r *Report) add(figure, what, unit string, values series, want target) {
	if len(values) == 0 {
		return
	}
	row := Row{Figure: figure, What: what, Unit: unit, Median: values.median(), Values: values, Floor: want.floor}
	reached := row.Median >= want.atLeast
	switch {
	case want.atMost > 0:
		row.Goal, reached = "≤ "+number(want.atMost), row.Median <= want.atMost
	case want.atLeast > 0:
		row.Goal = "≥ " + number(want.atLeast)
	}
	if row.Goal != "" {
		row.Goal += map[bool]string{true: " ✓", false: " ✗"}[reached]
	}
	r.Rows = append(r.Rows, row)
}

// ratio appends how one figure compares with another of the same run, taken
// repetition by repetition, so that what slows a repetition down is in both.
func (r *Report) ratio(figure, what string, of, by series, want target) {
	r.add(figure, "→ "+what, "×", combine(of, by, func(a, b float64) float64 { return a / b }), want)
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
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o600) //nolint:gosec // whoever runs the bench names it
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// print writes the report as a table for people.
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
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		versions = append(versions, name+" "+r.Versions[name])
	}
	_, err := fmt.Fprintf(out, "\n%s\n%s\ntook %s\n", r.Machine, strings.Join(versions, ", "),
		time.Duration(r.Took*float64(time.Second)).Round(time.Second))
	return err
}

// median returns the middle value, or the mean of the two in the middle.
func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	switch {
	case len(sorted) == 0:
		return math.NaN()
	case len(sorted)%2 == 1:
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// combine computes repetition by repetition.
func combine(a, b series, of func(a, b float64) float64) series {
	out := make(series, min(len(a), len(b)))
	for i := range out {
		out[i] = of(a[i], b[i])
	}
	return out
}

func sums(a, b series) series { return combine(a, b, func(a, b float64) float64 { return a + b }) }

// percentile returns the nearest-rank percentile; 0 of no values.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(max(int(math.Ceil(p*float64(len(sorted)))), 1), len(sorted))-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// number writes three or four significant digits, with a comma between
// thousands.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case size >= 1000:
		return thousands(int(math.Round(v)))
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func thousands(v int) string {
	if v < 1000 {
		return strconv.Itoa(v)
	}
	return thousands(v/1000) + fmt.Sprintf(",%03d", v%1000)
}
