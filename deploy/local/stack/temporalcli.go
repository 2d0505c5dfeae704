package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// temporalCLI is the version that is built when none is installed. Later
	// ones (1.9.1) cannot be built so: their go.mod has replace directives.
	temporalCLI = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
	// temporalPackages is how many packages that build compiles.
	temporalPackages = 1090
	// oldestServer is the server inside the pinned CLI: the settings of the
	// dev server are measured with it, and a newer one knows them too.
	oldestServer = 29 // 1.29
)

// TemporalCLI finds a Temporal CLI that suits: named by the environment as
// TEMPORAL_CLI, on PATH, among Go's installed programs or in .local/bin of the
// project. When there is none it is built
// into .local/bin, which takes minutes; the console shows how far it is.
func TemporalCLI(ctx context.Context, root string, console *Console) (string, error) {
	bin := filepath.Join(root, ".local", "bin")
	for _, path := range temporalPlaces(ctx, bin) {
		switch err := suits(ctx, path); {
		case err == nil:
			return path, nil
		case errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist):
		default:
			console.say("%s is left aside: %v", path, err)
		}
	}
	if err := buildTemporal(ctx, bin, console); err != nil {
		return "", err
	}
	path := filepath.Join(bin, "temporal")
	return path, suits(ctx, path)
}

func temporalPlaces(ctx context.Context, bin string) []string {
	var places []string
	if path := os.Getenv("TEMPORAL_CLI"); path != "" {
		places = append(places, path)
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		places = append(places, path)
	}
	if out, err := exec.CommandContext(ctx, "go", "env", "GOBIN", "GOPATH").Output(); err == nil {
		gobin, gopath, _ := strings.Cut(strings.TrimRight(string(out), "\n"), "\n")
		if gobin != "" {
			places = append(places, filepath.Join(gobin, "temporal"))
		}
		for _, dir := range filepath.SplitList(gopath) {
			places = append(places, filepath.Join(dir, "bin", "temporal"))
		}
	}
	return append(places, filepath.Join(bin, "temporal"))
}

var serverVersion = regexp.MustCompile(`Server 1\.(\d+)\.`)

// suits returns why a CLI cannot be used, nil when it can.
func suits(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --version: %w", path, err)
	}
	version := serverVersion.FindSubmatch(out)
	if version == nil {
		return fmt.Errorf("%q names no server version", strings.TrimSpace(string(out)))
	}
	if minor, err := strconv.Atoi(string(version[1])); err != nil || minor < oldestServer {
		return fmt.Errorf("%q is older than server 1.%d", strings.TrimSpace(string(out)), oldestServer)
	}
	return nil
}

func buildTemporal(ctx context.Context, bin string, console *Console) error {
	console.say("building the Temporal CLI once into %s (go install %s): this takes some minutes", bin, temporalCLI)
	cmd := exec.CommandContext(ctx, "go", "install", "-v", temporalCLI)
	cmd.Env = append(environmentWithout("GOBIN=", "GOFLAGS="), "GOBIN="+bin, "GOFLAGS="+modcacheFlag())
	began := time.Now()
	err := watchBuild(cmd, func(downloaded, compiled int) {
		console.say("building the Temporal CLI: %s, %d modules downloaded, %d of about %d packages compiled",
			time.Since(began).Round(time.Second), downloaded, compiled, temporalPackages)
	})
	if err != nil {
		return fmt.Errorf("build the Temporal CLI (go install %s): %w", temporalCLI, err)
	}
	console.say("built the Temporal CLI in %s", time.Since(began).Round(time.Second))
	return nil
}

// modcacheFlag keeps the one flag of GOFLAGS that concerns the machine and not
// this project (others, such as -mod, fail outside of a module).
func modcacheFlag() string {
	if strings.Contains(os.Getenv("GOFLAGS"), "-modcacherw") {
		return "-modcacherw"
	}
	return ""
}

// watchBuild runs a `go install -v`, which prints a line per module it
// downloads and per package it compiles, and reports the counts every 10 s.
func watchBuild(cmd *exec.Cmd, report func(downloaded, compiled int)) error {
	lines, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var downloaded, compiled atomic.Int64
	tick := time.NewTicker(10 * time.Second)
	done := make(chan []string, 1)
	go func() {
		var rest []string // what is neither: the errors, if any
		for scanner := bufio.NewScanner(lines); scanner.Scan(); {
			switch line := scanner.Text(); {
			case strings.HasPrefix(line, "go: downloading "):
				downloaded.Add(1)
			case packagePath.MatchString(line):
				compiled.Add(1)
			default:
				rest = append(rest, line)
			}
		}
		done <- rest
	}()
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			report(int(downloaded.Load()), int(compiled.Load()))
		case rest := <-done:
			if err := cmd.Wait(); err != nil {
				return fmt.Errorf("%w: %s", err, strings.Join(rest[max(0, len(rest)-tailLines):], "\n"))
			}
			return nil
		}
	}
}

var packagePath = regexp.MustCompile(`^[\w.~/-]+$`)
