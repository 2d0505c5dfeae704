package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// leftover is a process whose command line names the folder, as those of a
// stack do.
func leftover(t *testing.T, folder string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "read never", folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return cmd
}

func TestProcessesLeftBehindAreEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "run"), 0o700))
	ours, foreign := leftover(t, dir), leftover(t, "/somewhere/else")
	note := func(name string, pid int) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "run", name+".pid"), []byte(strconv.Itoa(pid)), 0o600))
	}
	note("mariadb", ours.Process.Pid)
	note("temporal", foreign.Process.Pid) // the number was given away since
	note("api", 0)

	var out output
	require.NoError(t, endStale(t.Context(), dir, NewConsole(&out)))

	require.Empty(t, commandLine(ours.Process.Pid))
	require.NotEmpty(t, commandLine(foreign.Process.Pid))
	require.Contains(t, out.String(), "mariadb (process "+strconv.Itoa(ours.Process.Pid)+") is left from a stack that was killed")
	notes, err := filepath.Glob(filepath.Join(dir, "run", "*.pid"))
	require.NoError(t, err)
	require.Empty(t, notes)
}
