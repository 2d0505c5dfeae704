package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// Report is a run of the bench, as bench.json holds it.
type Report struct {
	Began    time.Time         `json:"began"`
	Took     float64           `json:"took_s"`
	Commit   string            `json:"commit"`
	Size     Size              `json:"size"`
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
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
	row.Median = median(row.Values)
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
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o600) //nolint:gosec // the path is an argument of the bench
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
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
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

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

// number formats three or four significant digits, with commas between thousands.
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

// Machine is what the figures were measured on.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
	// Load is the load average of the minute before the bench began. The figures are
	// unreliable if other processes were busy.
	Load float64 `json:"load"`
}

func (m Machine) String() string {
	text := fmt.Sprintf("%s, %d cores, %s", m.CPU, m.Cores, m.OS)
	if m.Load >= 1 {
		text += fmt.Sprintf("; NOT IDLE: load %.1f before the bench began", m.Load)
	}
	return text
}

// thisMachine reads what the kernel reports; anything else stays empty.
func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	m.CPU, _ = procField("/proc/cpuinfo", "model name")
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &m.Load)
	}
	return m
}

// procField returns the value of the first line "name : value" of a file.
func procField(path, name string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no %s", path, name)
}

// versions asks the servers for their versions.
func (b *bench) versions(ctx context.Context) (map[string]string, error) {
	info, err := b.temporal.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask Temporal for its version: %w", err)
	}
	var database string
	if err := b.mainDB.QueryRowContext(ctx, "SELECT VERSION()").Scan(&database); err != nil {
		return nil, fmt.Errorf("ask the database for its version: %w", err)
	}
	commit, err := exec.CommandContext(ctx, "git", "-C", b.root, "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	b.report.Commit = strings.TrimSpace(string(commit))
	return map[string]string{
		"go": runtime.Version(), "temporal server": info.GetServerVersion(), "temporal SDK": temporal.SDKVersion, "database": database,
	}, nil
}

// usage is the resource usage of a process.
type usage struct {
	cpu  time.Duration // of all its threads, since it started
	peak int64         // bytes of memory, since the last reset
}

// usages returns the usage of every running part of the stack.
func (b *bench) usages() (map[stack.Part]usage, error) {
	all := map[stack.Part]usage{}
	for _, part := range stack.AllParts() {
		pid, err := b.stack.PID(part)
		if err != nil {
			continue // it is stopped at the moment
		}
		if all[part], err = usageOf(pid); err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	}
	return all, nil
}

// usageOf reads /proc, which only Linux has.
func usageOf(pid int) (usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, err
	}
	// proc(5): field 2 is the program's name in brackets, which may contain
	// anything; utime and stime are fields 14 and 15, in ticks of 10 ms.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return usage{}, fmt.Errorf("%s/stat has %d fields", dir, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	peak, err3 := procField(dir+"/status", "VmHWM")
	kilobytes, err4 := strconv.ParseInt(strings.TrimSuffix(peak, " kB"), 10, 64)
	return usage{time.Duration(user+system) * 10 * time.Millisecond, kilobytes * 1024}, errors.Join(err1, err2, err3, err4)
}

// resetPeaks resets the memory peak of every part (proc(5), clear_refs).
func (b *bench) resetPeaks() error {
	var all []error
	for _, part := range stack.AllParts() {
		if pid, err := b.stack.PID(part); err == nil {
			all = append(all, os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0o600))
		}
	}
	return errors.Join(all...)
}

// histogram is the sum and count of a Prometheus histogram so far.
type histogram struct{ sum, count float64 }

// since returns the mean of the observations since an earlier reading; 0 if there are
// none.
func (h histogram) since(before histogram) float64 {
	if h.count == before.count {
		return 0
	}
	return (h.sum - before.sum) / (h.count - before.count)
}

// workerHistogram reads one of the worker's histograms, by the value of its
// only label.
func (b *bench) workerHistogram(ctx context.Context, name string) (map[string]histogram, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.stack.WorkerURL()+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	all := map[string]histogram{}
	for _, metric := range families[name].GetMetric() {
		label := ""
		if len(metric.GetLabel()) > 0 {
			label = metric.GetLabel()[0].GetValue()
		}
		all[label] = histogram{metric.GetHistogram().GetSampleSum(), float64(metric.GetHistogram().GetSampleCount())}
	}
	return all, nil
}
