package pipeline

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var (
	uses = regexp.MustCompile(`\buses:\s*(.*)`)
	// pinned matches an action at a commit, with the version in a comment, or one of
	// our workflows.
	pinned = regexp.MustCompile(`^([\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/[\w-]+\.yml)$`)
)

// TestActionsArePinned: the tag of an action may move, a commit does not. Also, no job
// has more permissions than it names.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	commits := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "\npermissions: {}\n", file)
		for _, found := range uses.FindAllStringSubmatch(string(text), -1) {
			require.Regexp(t, pinned, found[1], file)
			if name, commit, ok := strings.Cut(found[1], "@"); ok {
				require.Contains(t, []string{"", commit}, commits[name], "two versions of %s", name)
				commits[name] = commit
			}
		}
	}
	require.NotEmpty(t, commits)
}

// workflow is the part of a file in .github/workflows that these tests read.
type workflow struct {
	Concurrency struct{ Group string }
	Jobs        map[string]struct {
		Environment string
		Concurrency any
		Permissions map[string]string
		Steps       []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	all := map[string]workflow{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(text, &w), path)
		all[filepath.Base(path)] = w
	}
	require.Contains(t, all, "deploy.yml")
	return all
}

// nodeVersions are the first releases of the actions that run on Node 24, according to
// their release notes. Runners have no Node 20 since autumn 2026. Actions that do not
// use Node are not listed.
var nodeVersions = map[string]int{
	"actions/checkout": 5, "actions/setup-go": 6, "actions/upload-artifact": 6, "actions/download-artifact": 7,
	"docker/setup-buildx-action": 4, "docker/build-push-action": 7, "hashicorp/setup-terraform": 4,
	"aws-actions/configure-aws-credentials": 6, "anchore/scan-action": 7,
}

func TestActionsRunOnNodesThatRunnersHave(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	line := regexp.MustCompile(`uses: ([\w./-]+)@[0-9a-f]{40} # v(\d+)\.(\d+)`)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, found := range line.FindAllStringSubmatch(string(text), -1) {
			major, err := strconv.Atoi(found[2])
			require.NoError(t, err)
			minor, err := strconv.Atoi(found[3])
			require.NoError(t, err)
			switch first, node := nodeVersions[found[1]]; {
			case found[1] == "anchore/sbom-action":
				require.GreaterOrEqual(t, minor, 24, path)
			case node:
				require.GreaterOrEqual(t, major, first, "%s: %s", path, found[1])
			default:
				require.Equal(t, "sigstore/cosign-installer", found[1], "%s: since which release does it run on Node 24?", path)
			}
		}
	}
}

// TestTagsGetNoEnvironment: a pushed tag gets a role that can only push images; the role
// of an environment requires its approval.
func TestTagsGetNoEnvironment(t *testing.T) {
	t.Parallel()
	roles := 0
	for name, w := range workflows(t) {
		for id, job := range w.Jobs {
			for _, step := range job.Steps {
				role, assumes := step.With["role-to-assume"]
				if !assumes {
					continue
				}
				roles++
				want := "${{ vars.IMAGES_ROLE_ARN }}"
				if job.Environment != "" {
					want = "${{ vars.AWS_ROLE_ARN }}"
				}
				require.Equal(t, want, role, "%s: %s", name, id)
			}
		}
	}
	require.Equal(t, 2, roles)
}

// TestNothingWaitsForAnApproval: a job that waits for an approval holds its concurrency
// group. It would block a hotfix, and a release that waits for the group would be
// cancelled by the next one.
func TestNothingWaitsForAnApproval(t *testing.T) {
	t.Parallel()
	for name, w := range workflows(t) {
		for id, job := range w.Jobs {
			if job.Environment != "" {
				require.Nil(t, job.Concurrency, "%s: %s", name, id)
				require.Contains(t, job.Steps[1].Run, "take-turn", "%s: %s deploys without waiting for its turn", name, id)
			}
		}
		if name != "ci.yml" && w.Concurrency.Group != "" {
			require.Contains(t, w.Concurrency.Group, "github.ref_name", "%s: one release would wait for another's approval", name)
		}
	}
}

func TestTakeTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answers("gh",
		"10\n20\n", "2026-01-01T10:00:00Z 1 10", "2026-01-01T10:05:00Z 2 20", "", // run 10 began before ours
		"20\n", "2026-01-01T10:05:00Z 2 20", "30\n", "2026-01-01T10:06:00Z 3 30") // it is done, and one that began later waits for us
	status, out := b.script("take-turn", "production")
	require.Zero(t, status, out)
	require.Contains(t, out, "run 10 deploys to production; waiting")
	require.Contains(t, out, "no earlier deployment to production is running")
	require.Contains(t, b.calls(), `endswith("/ production")`)
	require.Contains(t, b.calls(), "actions/workflows/rollback.yml/runs?status=in_progress")

	b = setup(t)
	b.set("TURN_WAIT", "0")
	b.answers("gh", "10\n", "2026-01-01T10:00:00Z 1 10", "")
	status, out = b.script("take-turn", "production")
	require.Equal(t, 1, status)
	require.Contains(t, out, "run 10 still deploys to production")

	b = setup(t)
	b.fails("gh", "HTTP 403")
	status, out = b.script("take-turn", "production")
	require.NotZero(t, status, "who cannot see the others does not go ahead")
	require.Contains(t, out, "HTTP 403")
}

func TestNotOlder(t *testing.T) {
	t.Parallel()
	running := func(t *testing.T, tag string) *bundle {
		b := setup(t)
		b.answers("aws-ecs-describe-services", oldDefinition+"\n")
		b.answers("aws-ecs-describe-task-definition", strings.ReplaceAll(definition("worker"), "v1.2.2", tag))
		return b
	}
	for tag, want := range map[string]int{"v1.9.9": 0, "v1.10.0": 0, "v1.10.1": 1, "v2.0.0": 1, "none": 0} {
		status, out := running(t, tag).script("not-older", "v1.10.0", "mrmrthon-test-worker", "worker")
		require.Equal(t, want, status, "%s: %s", tag, out)
	}
	b := running(t, "v1.0.0")
	b.fails("aws-ecs-describe-services", "AccessDeniedException")
	status, out := b.script("not-older", "v1.10.0", "mrmrthon-test-worker", "worker")
	require.Equal(t, 1, status)
	require.Contains(t, out, "AccessDeniedException")
}

func TestSmokeWhereNothingRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.answers("aws-ecs-describe-services", "0\n")
	status, out := b.script("smoke", "mrmrthon-test-api")
	require.Zero(t, status, out)
	require.Contains(t, out, "nothing was tested")

	b = setup(t)
	b.answers("aws-ecs-describe-services", "2\n")
	b.set("API_URL", "https://results.example.org")
	b.set("SMOKE_PASSWORD", "")
	status, out = b.script("smoke", "mrmrthon-test-api")
	require.NotZero(t, status)
	require.Contains(t, out, "SMOKE_PASSWORD of the environment is not set")
}
