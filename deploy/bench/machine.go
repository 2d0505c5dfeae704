package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// Machine is what the figures were measured on.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
	// Load is the load average of the minute before the bench began: the figures
	// are worth less when other processes were busy.
	Load float64 `json:"load"`
}

func (m Machine) String() string {
	text := fmt.Sprintf("%s, %d cores, %s", m.CPU, m.Cores, m.OS)
	if m.Load >= 1 {
		text += fmt.Sprintf("; NOT IDLE: load %.1f before the bench began", m.Load)
	}
	return text
}

// thisMachine reads what the kernel tells; what it does not tell stays empty.
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

// versions asks the servers for theirs.
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

// usage is what a process used.
type usage struct {
	cpu  time.Duration // of all its threads, since it started
	peak int64         // bytes of memory, since the last reset
}

// usages returns what every running part of the stack has used.
func (b *bench) usages() (map[stack.Part]usage, error) {
	all := map[stack.Part]usage{}
	for _, part := range stack.AllParts() {
		pid, err := b.stack.PID(part)
		if err != nil {
			continue // it is stopped just now
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

// resetPeaks has the memory peak of every part begin anew (proc(5), clear_refs).
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

// since returns the mean of what came after an earlier look; 0 when nothing did.
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
