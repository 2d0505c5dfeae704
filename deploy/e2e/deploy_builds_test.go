package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

var deployOld = flag.String("deploy.old", "", `the tag or commit whose programs TestDeploy replaces; "none" for the present source; empty for the last release`)

// stamp, followed by a version, is the flag that names the version of a build.
const stamp = "-ldflags=-w -X github.com/mrmrthon/mrmrthon/internal/build.version="

// versions are the two builds of API and worker that a deployment is about.
type versions struct {
	old, next map[stack.Part]string
	// changed reports whether next is the present source with a change of
	// CreditRecord, because there is no older version.
	changed bool
}

// bothVersions builds the old and the next version. The old one is the last release. If
// there is none, or no git, the old version is the present source, and the next one is
// the same with a versioned change of CreditRecord, so that the test compares two
// versions of a workflow even in a source archive.
func bothVersions(t *testing.T) versions {
	t.Helper()
	present, err := bench.programs()
	require.NoError(t, err)
	root, err := stack.FindRoot()
	require.NoError(t, err)
	bin := filepath.Join(bench.dir, "deploy-bin")

	if old := oldVersion(t, root); old != "" {
		t.Logf("the present source is deployed over %s", old)
		programs, err := buildPrograms(t.Context(), sourceOf(t, root, old), bin, []stack.Part{stack.API, stack.Worker}, stamp+old)
		require.NoError(t, err, "%s cannot be built here; -args -deploy.old=none does without", old)
		return versions{old: programs, next: present}
	}
	t.Log("a changed CreditRecord is deployed over the present source")
	// It is the worker that runs it: the next API would be the same.
	programs, err := buildPrograms(t.Context(), root, bin, []stack.Part{stack.Worker}, stamp+"next", "-overlay="+changedCredit(t, root))
	require.NoError(t, err)
	return versions{old: present, next: with(present, programs), changed: true}
}

// oldVersion is the tag or commit to deploy over; "" when there is none.
func oldVersion(t *testing.T, root string) string {
	t.Helper()
	switch *deployOld {
	case "none":
		return ""
	case "":
	default:
		return *deployOld
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, ".ci", "last-release")).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		t.Logf("no last release: %v %s", err, text)
		return ""
	}
	return text
}

// sourceOf lays out the source of a tag or commit in a folder of its own.
func sourceOf(t *testing.T, root, ref string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	command(t, root, "git", "archive", "--format=tar", "--output="+archive, ref)
	command(t, dir, "tar", "-xf", archive)
	return dir
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// buildPrograms compiles API, worker or both with those flags of go build.
func buildPrograms(ctx context.Context, root, bin string, parts []stack.Part, flags ...string) (map[stack.Part]string, error) {
	programs := map[stack.Part]string{}
	if underRace {
		flags = append(flags, stack.RaceFlags()...)
	}
	for _, part := range parts {
		programs[part] = filepath.Join(bin, string(part))
		args := append([]string{"build", "-buildvcs=false", "-o", programs[part]}, flags...)
		cmd := exec.CommandContext(ctx, "go", append(args, "./"+string(part))...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", part, err, out)
		}
	}
	return programs, nil
}

// changeID names the change of changedCredit in the workflows' histories.
const changeID = "tested deployment"

// changedCredit returns an overlay for go build in which CreditRecord has one more event
// in its history, behind a version, so that workflows of the old version continue
// unchanged.
func changedCredit(t *testing.T, root string) (overlay string) {
	t.Helper()
	dir := t.TempDir()
	original := filepath.Join(root, "workflows", "credit.go")
	text, err := os.ReadFile(original)
	require.NoError(t, err)
	begin := regexp.MustCompile(`(?m)^func CreditRecord\(ctx workflow\.Context, .*\{$`).FindIndex(text)
	require.NotNil(t, begin, "the first line of CreditRecord is not what the test changes it by: adapt this test")
	change := fmt.Sprintf(`
	if workflow.GetVersion(ctx, %q, workflow.DefaultVersion, 1) == 1 {
		_ = workflow.SideEffect(ctx, func(workflow.Context) any { return %q })
	}`, changeID, changeID)
	changed := filepath.Join(dir, "credit.go")
	source := string(text[:begin[1]]) + change + string(text[begin[1]:])
	require.NoError(t, os.WriteFile(changed, []byte(source), 0o600)) //nolint:gosec // G703: the path is t's own

	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	require.NoError(t, err)
	overlay = filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))
	return overlay
}

// with returns the programs with others in their place.
func with(programs, others map[stack.Part]string) map[stack.Part]string {
	all := maps.Clone(programs)
	maps.Copy(all, others)
	return all
}
