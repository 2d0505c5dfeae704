package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Report is a run of the bench, as bench.json has it.
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
	Lowest float64   `json:"lowest"`
	Top    float64   `json:"highest"`
	Values []float64 `json:"values"` // by repetition
	Goal   *Goal     `json:"goal,omitempty"`
}

// Goal is what a figure should reach. It is told beside the figure and never
// fails a run: a machine under load is no fault of the code.
type Goal struct {
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
	Reached bool    `json:"reached"`
}

func atLeast(v float64) *Goal { return &Goal{AtLeast: v} }
func atMost(v float64) *Goal  { return &Goal{AtMost: v} }

func (g *Goal) String() string {
	if g == nil {
		return ""
	}
	text := "≥ " + number(g.AtLeast)
	if g.AtLeast == 0 {
		text = "≤ " + number(g.AtMost)
	}
	if g.Reached {
		return text + " ✓"
	}
	return text + " ✗"
}

// add notes a figure. goal may be nil.
func (r *Report) add(figure, what, unit string, values series, goal *Goal) {
	if len(values) == 0 {
		return
	}
	median := values.median()
	if goal != nil {
		goal.Reached = median >= goal.AtLeast && (goal.AtMost == 0 || median <= goal.AtMost)
	}
	r.Rows = append(r.Rows, Row{
		Figure: figure, What: what, Unit: unit, Median: median, Lowest: values.lowest(), Top: values.highest(),
		Values: values, Goal: goal,
	})
}

// ratio notes how one figure stands to another of the same run.
func (r *Report) ratio(figure, what string, of, by series, goal *Goal) {
	r.add(figure, "→ "+what, "×", quotients(of, by), goal)
}

// write puts the report where the next run can be compared with it.
func (r *Report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil { //nolint:gosec // who runs the bench names it
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
