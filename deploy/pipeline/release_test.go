package pipeline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const changelog = `# Changelog

## Unreleased

### Added
- What is to come.

## [1.2.3] - 2026-11-20

### Added
- What is new.

## 1.2.2 - 2026-10-01

- What was new.

## 1.2.1
`

func TestReleaseNotes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write("CHANGELOG.md", changelog)
	for tag, want := range map[string]string{"v1.2.3": "\n### Added\n- What is new.\n", "v1.2.2": "\n- What was new.\n"} {
		status, out := b.script("release-notes", tag)
		require.Zero(t, status, out)
		require.Equal(t, want, out)
	}
	for _, tag := range []string{"v1.2.1", "v1.2", "v9.9.9"} {
		status, out := b.script("release-notes", tag)
		require.Equal(t, 1, status, out)
		require.Contains(t, out, "has no section")
	}
}

// releasing returns a bundle whose root is a repository with v1.2.3 on main.
func releasing(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.write("CHANGELOG.md", changelog)
	b.git("init", "-q", "-b", "main")
	b.git("add", ".")
	b.git("commit", "-q", "-m", "first")
	b.git("tag", "v1.2.3")
	b.git("update-ref", "refs/remotes/origin/main", "HEAD")
	return b
}

func TestReleaseReady(t *testing.T) {
	t.Parallel()
	b := releasing(t)
	b.answers("gh", "", "in_progress \n", "completed success\n") // CI starts, works, and passes
	status, out := b.script("release-ready", "v1.2.3")
	require.Zero(t, status, out)
	require.Equal(t, 3, b.times("gh"))
}

func TestReleaseNotReady(t *testing.T) {
	t.Parallel()
	t.Run("CI failed", func(t *testing.T) {
		t.Parallel()
		b := releasing(t)
		b.answers("gh", "completed failure\n")
		status, out := b.script("release-ready", "v1.2.3")
		require.Equal(t, 1, status, out)
		require.Contains(t, out, "ended with: failure")
	})
	t.Run("CI did not run", func(t *testing.T) {
		t.Parallel()
		b := releasing(t)
		b.set("CI_WAIT", "0")
		b.answers("gh", "")
		status, out := b.script("release-ready", "v1.2.3")
		require.Equal(t, 1, status, out)
		require.Contains(t, out, "is not over (no run)")
	})
	t.Run("not on main", func(t *testing.T) {
		t.Parallel()
		b := releasing(t)
		b.git("commit", "-q", "--allow-empty", "-m", "aside")
		b.git("tag", "v1.2.2")
		status, out := b.script("release-ready", "v1.2.2")
		require.Equal(t, 1, status, out)
		require.Contains(t, out, "is not on main")
		require.Zero(t, b.times("gh"))
	})
	t.Run("not in the changelog", func(t *testing.T) {
		t.Parallel()
		b := releasing(t)
		b.git("tag", "v2.0.0")
		status, out := b.script("release-ready", "v2.0.0")
		require.Equal(t, 1, status, out)
		require.Contains(t, out, "has no section")
	})
}

func TestNotify(t *testing.T) {
	t.Parallel()
	b := setup(t)
	status, out := b.script("notify", `it "works"`)
	require.Zero(t, status, out)
	require.Contains(t, out, "nobody is told")
	require.Zero(t, b.times("curl"))

	b.set("SLACK_WEBHOOK_URL", "https://hooks.example/secret")
	b.set("RUN_URL", "https://github.example/run/1")
	b.answers("curl", "ok")
	status, out = b.script("notify", `it "works"`)
	require.Zero(t, status, out)
	sent, err := os.ReadFile(filepath.Join(b.stub, "curl.stdin"))
	require.NoError(t, err)
	require.JSONEq(t, `{"text": "it \"works\" (<https://github.example/run/1|run>)"}`, string(sent))
	require.NotContains(t, b.calls()+out, "secret")

	b.fails("curl", "404")
	status, _ = b.script("notify", "it works")
	require.NotZero(t, status)
}

func TestLastRelease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lastRelease := func(wantStatus int, want string) {
		t.Helper()
		status, out := b.run("./.ci/last-release")
		require.Equal(t, wantStatus, status, out)
		require.Contains(t, out, want)
	}
	next := func(tag string) {
		b.git("commit", "-q", "--allow-empty", "-m", "next")
		b.git("tag", tag)
	}
	b.set("GIT_CEILING_DIRECTORIES", filepath.Dir(b.root))
	lastRelease(2, "not a git repository")
	b.git("init", "-q", "-b", "main")
	b.git("add", ".")
	b.git("commit", "-q", "-m", "first")
	lastRelease(1, "")
	next("v1.0.0")
	lastRelease(1, "") // the commit of a release is not before itself
	next("v1.1.0-rc.1")
	lastRelease(0, "v1.0.0")
	next("v1.1.0")
	lastRelease(0, "v1.0.0")
	next("other")
	lastRelease(0, "v1.1.0")

	status, out := b.run("git", "clone", "-q", "--depth=1", "file://"+b.root, b.root+"-shallow")
	require.Zero(t, status, out)
	status, out = b.run(b.root + "-shallow/.ci/last-release")
	require.Equal(t, 2, status, out)
	require.Contains(t, out, "this clone is shallow")
}

// If there is no release yet, the check says so; if it cannot tell, it fails.
func TestReplayWithoutARelease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.set("GIT_CEILING_DIRECTORIES", filepath.Dir(b.root))
	status, out := b.run("./.ci/replay")
	require.Equal(t, 2, status, out)
	b.git("init", "-q", "-b", "main")
	b.git("add", ".")
	b.git("commit", "-q", "-m", "first")
	status, out = b.run("./.ci/replay")
	require.Zero(t, status, out)
	require.Contains(t, out, "NO RELEASE YET")
	status, out = b.run("./.ci/replay", "v9.9.9")
	require.NotZero(t, status, out)
}
