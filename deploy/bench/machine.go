package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Machine is what the figures were measured on.
type Machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB int    `json:"memory_mb"`
	Kernel   string `json:"kernel"`
	OS       string `json:"os"`
	// Load is how many processes wanted a core in the minute before the bench
	// began: all figures are worth less when others were at work.
	Load float64 `json:"load"`
}

func (m Machine) String() string {
	text := fmt.Sprintf("%s, %d cores, %s MB, %s %s", m.CPU, m.Cores, thousands(int64(m.MemoryMB)), m.OS, m.Kernel)
	if m.Load >= 1 {
		text += fmt.Sprintf("; NOT IDLE: load %.1f before the bench began", m.Load)
	}
	return text
}

// thisMachine reads what the kernel says of itself. What it does not say stays
// empty: it decides nothing.
func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = field(strings.NewReader(string(text)), "model name")
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		kilobytes, _, _ := strings.Cut(field(strings.NewReader(string(text)), "MemTotal"), " ")
		if n, err := strconv.Atoi(kilobytes); err == nil {
			m.MemoryMB = n / 1024
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		minute, _, _ := strings.Cut(string(text), " ")
		if load, err := strconv.ParseFloat(minute, 64); err == nil {
			m.Load = load
		}
	}
	return m
}

// field returns the value of the first line "name : value"; "" without one.
func field(text io.Reader, name string) string {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// versionsOf asks the servers for theirs.
func (b *bench) versionsOf(ctx context.Context) (map[string]string, error) {
	info, err := b.temporal.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask Temporal for its version: %w", err)
	}
	var mariaDB string
	if err := b.mainDB.QueryRowContext(ctx, "SELECT VERSION()").Scan(&mariaDB); err != nil {
		return nil, fmt.Errorf("ask MariaDB for its version: %w", err)
	}
	return map[string]string{
		"go": runtime.Version(), "temporal server": info.GetServerVersion(), "temporal SDK": temporal.SDKVersion,
		"database": mariaDB,
	}, nil
}

func versions(of map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, name+" "+of[name])
	}
	return strings.Join(parts, ", ")
}

// commitOf is the project's commit; "unknown" without git.
func commitOf(ctx context.Context, root string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// silent drops the SDK's log.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

func dial(ctx context.Context, address string, compression client.GrpcCompression) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: address, Logger: silent{}, ConnectionOptions: client.ConnectionOptions{GrpcCompression: compression},
	})
	if err != nil {
		return nil, fmt.Errorf("reach Temporal at %s: %w", address, err)
	}
	return c, nil
}
