package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// print writes the report as a table for people.
func (r *Report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) } // Flush reports what fails
	figure := ""
	line("", "median", "lowest … highest", "unit", "goal")
	for _, row := range r.Rows {
		if row.Figure != figure {
			figure = row.Figure
			line(strings.ToUpper(figure), "", "", "", "")
		}
		spread := ""
		if len(row.Values) > 1 {
			spread = number(row.Lowest) + " … " + number(row.Top)
		}
		line("  "+row.What, number(row.Median), spread, row.Unit, row.Goal.String())
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	_, err := fmt.Fprintf(out, "\n%s\n%s\ntook %s\n", r.Machine, versions(r.Versions),
		time.Duration(r.Took*float64(time.Second)).Round(time.Second))
	return err
}

// number writes a value with three or four digits that count and a comma
// between thousands.
func number(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case size >= 100:
		return thousands(int64(math.Round(v)))
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func thousands(v int64) string {
	digits := strconv.FormatInt(v, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}
