package stack

import (
	"bytes"
	"fmt"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestStartInBatch(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := unix.SchedGetAttr(0, 0)
	require.NoError(t, err)
	policy := before.Policy // a sandbox may forbid another
	if schedule(unix.SCHED_BATCH, before.Nice) == nil {
		policy = unix.SCHED_BATCH
	}
	require.NoError(t, schedule(before.Policy, before.Nice))

	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "cut", "-d", " ", "-f", "41", "/proc/self/stat") // policy, see proc(5)
	cmd.Stdout = &out
	require.NoError(t, StartInBatch(cmd))
	require.NoError(t, cmd.Wait())
	require.Equal(t, fmt.Sprintln(policy), out.String())

	after, err := unix.SchedGetAttr(0, 0)
	require.NoError(t, err)
	require.Equal(t, before.Policy, after.Policy, "only the command has it")
	require.Equal(t, before.Nice, after.Nice)
}
