package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

var chaosRecords = flag.Int("chaos.records", 120, "how many records TestChaos posts for each way of breaking the system")

var chaosLimit = flag.Bool("chaos.limit", false, "fail TestChaos when a failure takes longer than twice the undisturbed time plus 15 seconds; for a machine where nothing else runs")

var rushRunners = flag.Int("rush.runners", 450, "how many people TestRush has ask for a fifteenth as many places")

var noticeFinishers = flag.Int("notices.finishers", 240, "how many finishers the race of TestNoticesUnderKills has")

var chaosPeople = flag.Int("chaos.people", 60, "how many steps TestChaosOfPeople takes")

// bench is shared by all tests of this package: the programs, built once, and the system
// of the tests that do not need one of their own, with a race.
var bench struct {
	dir      string
	programs func() (map[stack.Part]string, error)
	shared   func() (*system, error)
	stop     func() error // of the shared system

	publish   sync.Once
	published *boston // a race of the shared system that tests only look at
}

// atOnce is how many tests run at once where nobody says otherwise by -parallel. They
// wait more than they compute: for starts, restarts and intervals.
const atOnce = 3

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set(strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "mrmrthon-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	bench.dir, bench.stop = dir, func() error { return nil }
	bench.programs = sync.OnceValues(func() (map[stack.Part]string, error) {
		root, err := stack.FindRoot()
		if err != nil {
			return nil, err
		}
		return stack.Build(ctx, root, filepath.Join(dir, "bin"), underRace, stack.AllParts()...)
	})
	bench.shared = sync.OnceValues(func() (*system, error) {
		s, err := startSystem(ctx, filepath.Join(dir, "shared"))
		if err == nil {
			bench.stop = s.stop
		}
		return s, err
	})
	code = m.Run()
	if err := bench.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if code != 0 {
		fmt.Fprintln(os.Stderr, "the logs of the stacks are kept in", dir)
		return code
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// sharedSystem returns the system of all tests that do not disturb others.
func sharedSystem(t *testing.T) *system {
	t.Helper()
	s, err := bench.shared()
	require.NoError(t, err)
	return s
}

// ownSystem starts a system for t alone and stops it when t ends.
func ownSystem(t *testing.T, name string, edit ...func(*stack.Options)) *system {
	t.Helper()
	s, err := startSystem(t.Context(), filepath.Join(bench.dir, name), edit...)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}
