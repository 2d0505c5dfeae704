package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// clockTick is the unit of CPU time in /proc, 1/100 s on every Linux.
const clockTick = 10 * time.Millisecond

// usage is what a process took.
type usage struct {
	cpu  time.Duration // of all its threads, since it started
	peak int64         // bytes of memory, since resetPeak
}

// usageOf reads /proc; Linux has it.
func usageOf(pid int) (usage, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return usage{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	cpu, err := parseCPU(string(stat))
	if err != nil {
		return usage{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	peak, err := parsePeak(string(status))
	if err != nil {
		return usage{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return usage{cpu, peak}, nil
}

// parseCPU adds utime and stime, fields 14 and 15 of /proc/PID/stat (proc(5)).
// Field 2 is the program's name in brackets, which may hold anything.
func parseCPU(stat string) (time.Duration, error) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("stat has no name in brackets")
	}
	fields := strings.Fields(stat[end+1:]) // from field 3 on
	if len(fields) < 13 {
		return 0, errors.New("stat has no CPU time")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("utime: %w", err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("stime: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// parsePeak reads VmHWM of /proc/PID/status, in bytes.
func parsePeak(status string) (int64, error) {
	value := field(strings.NewReader(status), "VmHWM")
	kilobytes, unit, _ := strings.Cut(value, " ")
	n, err := strconv.ParseInt(kilobytes, 10, 64)
	if err != nil || unit != "kB" {
		return 0, fmt.Errorf("VmHWM is %q, not a number of kB", value)
	}
	return n * 1024, nil
}

// resetPeak lets the peak of a process's memory begin anew with what it has now
// (proc(5), clear_refs).
func resetPeak(pid int) error {
	err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0o600)
	if err != nil {
		return fmt.Errorf("reset the memory peak of process %d: %w", pid, err)
	}
	return nil
}

// usages is what every part of the stack that runs has taken.
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

// spent is the CPU time of each part between two looks.
func spent(before, after map[stack.Part]usage) map[stack.Part]time.Duration {
	all := map[stack.Part]time.Duration{}
	for part, u := range after {
		all[part] = u.cpu - before[part].cpu
	}
	return all
}

func (b *bench) resetPeaks() error {
	var problems []error
	for _, part := range stack.AllParts() {
		if pid, err := b.stack.PID(part); err == nil {
			problems = append(problems, resetPeak(pid))
		}
	}
	return errors.Join(problems...)
}
