package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// programs knows where each part's executable is. Servers start while our
// programs are still being built.
type programs struct {
	mu    sync.Mutex
	paths map[Part]string
}

func (p *programs) set(part Part, path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paths == nil {
		p.paths = map[Part]string{}
	}
	p.paths[part] = path
}

func (p *programs) of(part Part) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paths[part]
}

// packageOf returns the folder of a program's package, relative to the project's
// root.
func packageOf(part Part) string {
	switch part {
	case SQS:
		return "./deploy/local/sqs/cmd/sqs"
	case Mail:
		return "./deploy/local/mailcatcher"
	case API:
		return "./api"
	case Worker:
		return "./worker"
	default:
		return ""
	}
}

// Build compiles the programs of those parts that are ours into bin, and
// returns where each is. Tests that start several stacks build once.
func Build(ctx context.Context, root, bin string, race bool, parts ...Part) (map[Part]string, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, fmt.Errorf("find the folder for programs: %w", err)
	}
	programs := map[Part]string{}
	for _, part := range inOrder(parts) {
		source := packageOf(part)
		if source == "" {
			continue
		}
		// Without the commit's number, which go cannot find in a clone that
		// belongs to another user, and then fails.
		args := []string{"build", "-buildvcs=false", "-o", filepath.Join(bin, string(part))}
		if race && part != SQS && part != Mail {
			args = append(append(args, RaceFlags()...), "-ldflags=-w") // nobody debugs those of tests, and it links faster
		}
		cmd := exec.CommandContext(ctx, "go", append(args, source)...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", source, err, strings.TrimSpace(string(out)))
		}
		programs[part] = filepath.Join(bin, string(part))
	}
	return programs, nil
}

// RaceFlags are the flags of go build under the race detector, without which functions
// are compiled that hash passwords: they share no memory, and would take twenty times as
// long. `make test` compiles the tests with the same flags, so that both share what is
// compiled.
func RaceFlags() []string { return []string{"-race", "-gcflags=golang.org/x/crypto/...=-race=false"} }

// findServers finds MariaDB, Temporal, and what watches them. MariaDB comes first: a person who
// has to install it should not wait for the build of the other.
func (s *Stack) findServers(ctx context.Context) error {
	if contains(s.parts, MariaDB) {
		path, err := findDatabaseServer(os.Getenv("MYSQLD"))
		if err != nil {
			return err
		}
		s.programs.set(MariaDB, path)
	}
	if contains(s.parts, Temporal) {
		path, err := TemporalCLI(ctx, s.opts.Root, s.console)
		if err != nil {
			return err
		}
		s.programs.set(Temporal, path)
	}
	for _, part := range Monitors() {
		if contains(s.parts, part) {
			path, err := FindMonitor(monitorPrograms[part]...)
			if err != nil {
				return err
			}
			s.programs.set(part, path)
		}
	}
	return nil
}

// findDatabaseServer returns the chosen server, else MariaDB, else MySQL.
func findDatabaseServer(chosen string) (string, error) {
	if chosen != "" {
		path, err := exec.LookPath(chosen)
		if err != nil {
			return "", fmt.Errorf("MYSQLD names no program: %w", err)
		}
		// The stack's programs run in folders of their own.
		return filepath.Abs(path)
	}
	path, err := findProgram("mariadbd", "mysqld")
	if err != nil {
		return "", fmt.Errorf("MariaDB is not installed (%w); install it with: sudo apt-get install mariadb-server", err)
	}
	return path, nil
}

// buildPrograms compiles those of our programs that were not handed in.
func (s *Stack) buildPrograms(ctx context.Context) error {
	var missing []Part
	for _, part := range s.parts {
		switch path := s.opts.Programs[part]; {
		case path != "":
			s.programs.set(part, path)
		case packageOf(part) != "":
			missing = append(missing, part)
		}
	}
	if s.migrates() && s.opts.Programs[API] == "" && !contains(missing, API) {
		missing = append(missing, API) // the worker alone needs its tables too
	}
	if len(missing) == 0 {
		return nil
	}
	began := time.Now()
	built, err := Build(ctx, s.opts.Root, s.folder.path("bin"), s.opts.Race, missing...)
	if err != nil {
		return err
	}
	for part, path := range built {
		s.programs.set(part, path)
	}
	s.console.say("built %v in %s", missing, round(time.Since(began)))
	return nil
}

// besidesPath are folders that package managers install servers into, although they
// are often missing from an ordinary user's PATH: Debian, Fedora, sources,
// Homebrew.
var besidesPath = []string{
	"/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin", "/usr/libexec",
	"/usr/local/mysql/bin", "/usr/local/mysql/scripts", "/usr/local/mariadb/bin", "/opt/homebrew/bin",
}

// findProgram returns the first of the names on PATH or in the usual folders.
func findProgram(names ...string) (string, error) {
	folders := slices.Concat(filepath.SplitList(os.Getenv("PATH")), besidesPath)
	for _, name := range names {
		for _, folder := range folders {
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil && filepath.IsAbs(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("neither %s was found on PATH or in %s",
		strings.Join(names, " nor "), strings.Join(besidesPath, ", "))
}

// FindRoot is the folder of go.mod, at or above the working folder.
func FindRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the project: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the project: %w", err)
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the project: no go.mod at or above %s", start)
		}
	}
}

// Part names one process of the stack.
type Part string

// The parts, in the order in which they start; they stop in reverse.
const (
	MariaDB  Part = "mariadb"
	SQS      Part = "sqs"
	Temporal Part = "temporal"
	Mail     Part = "mail"
	API      Part = "api"
	Worker   Part = "worker"
	// The parts that monitor the others. They are started only if they are named.
	Alertmanager Part = "alerts"
	Prometheus   Part = "metrics"
)

// launcher labels the lines that the stack itself prints, migrate and operator
// those of the API program's one-off commands.
const (
	launcher Part = "stack"
	migrate  Part = "migrate"
	operator Part = "operator"
)

// AllParts lists the parts of the system in the order of their start.
func AllParts() []Part { return []Part{MariaDB, SQS, Temporal, Mail, API, Worker} }

// Monitors lists the parts that watch the others.
func Monitors() []Part { return []Part{Alertmanager, Prometheus} }

func known() []Part { return slices.Concat(AllParts(), Monitors()) }

// ParseParts reads a list such as "mariadb,sqs".
func ParseParts(list string) ([]Part, error) {
	var parts []Part
	for name := range strings.SplitSeq(list, ",") {
		part := Part(strings.TrimSpace(name))
		if !contains(known(), part) {
			return nil, fmt.Errorf("no part is called %q; there are %v", part, known())
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// inOrder returns the parts once each, in the order of their start; all of
// the system when none is named.
func inOrder(parts []Part) []Part {
	if len(parts) == 0 {
		return AllParts()
	}
	return slices.DeleteFunc(known(), func(p Part) bool { return !contains(parts, p) })
}

func contains(parts []Part, part Part) bool { return slices.Contains(parts, part) }
