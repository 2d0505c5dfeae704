package e2e_test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestSmoke runs the check that the pipelines run after each deployment. It runs twice,
// because every deployment finds the accounts and the race of the previous one.
func TestSmoke(t *testing.T) {
	t.Parallel()
	root, err := stack.FindRoot()
	require.NoError(t, err)
	smoke := filepath.Join(t.TempDir(), "smoke")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", smoke, "./deploy/smoke")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	s := sharedSystem(t)
	login, password := "smoke-"+rand.Text(), rand.Text()
	run := func(password string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), smoke, append([]string{"-api", s.APIURL(), "-login", login, "-limit", "5m"}, args...)...)
		cmd.Env = append(os.Environ(), "SMOKE_PASSWORD="+password)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for range 2 {
		out, err := run(password)
		require.NoError(t, err, out)
		require.Contains(t, out, "smoke: passed in ")
		t.Log(out)
	}
	failed, err := run(rand.Text())
	require.Error(t, err)
	require.Contains(t, failed, "exists with another password")
	failed, err = run("")
	require.Error(t, err)
	require.Contains(t, failed, "SMOKE_PASSWORD is not set")
}
