package settings_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDockerfile builds a program with the flags of the Dockerfile and checks its
// version, because the linker ignores a name that does not exist.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	dockerfile := file(t, "deploy", "docker", "Dockerfile")
	flags := regexp.MustCompile(`-ldflags "([^"]+)"`).FindStringSubmatch(dockerfile)
	require.Len(t, flags, 2)
	stamped := strings.NewReplacer("$VERSION", "v1.2.3", "$COMMIT", "0123abc").Replace(flags[1])
	worker := filepath.Join(t.TempDir(), "worker")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", worker, "-ldflags", stamped, "./worker")
	build.Dir = built.root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.CommandContext(t.Context(), worker, "--version").Output()
	require.NoError(t, err)
	require.Equal(t, "worker v1.2.3, commit 0123abc\n", string(out))

	for _, image := range []string{"GO_IMAGE", "RUNTIME_IMAGE"} {
		require.Regexp(t, `(?m)^ARG `+image+`=\S+:\S+@sha256:[0-9a-f]{64}$`, dockerfile)
	}
	require.Contains(t, dockerfile, "\nUSER 65532:65532\n")
	require.Contains(t, dockerfile, "ARG MYSQL_IMAGE="+project(t).Services["main-db"].Image+"\n", "the tools are of the server's release")
}

// TestDockerfileHealthChecks: the health checks of images call commands that their
// program has.
func TestDockerfileHealthChecks(t *testing.T) {
	t.Parallel()
	checks := regexp.MustCompile(`(?m)^HEALTHCHECK .*CMD (\[.*\])$`).FindAllStringSubmatch(file(t, "deploy", "docker", "Dockerfile"), -1)
	require.Len(t, checks, 3)
	for _, check := range checks {
		var words []string
		require.NoError(t, json.Unmarshal([]byte(check[1]), &words))
		require.Len(t, words, 2)
		settingsOf(t, task{strings.TrimPrefix(words[0], "/"), words[1]})
	}
}
