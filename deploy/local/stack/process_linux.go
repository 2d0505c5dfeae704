package stack

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// StartInBatch starts a command under the scheduling policy SCHED_BATCH, see
// sched(7): what wakes up waits for its turn instead of interrupting what runs,
// while shares of the processor stay the same. Where one record goes through five
// processes on two cores, that is fewer switches between them. It must be set for
// the first thread already, which inherits it from the thread that forks. Where it
// is forbidden, as in a sandbox, the command starts without.
func StartInBatch(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL || schedule(unix.SCHED_BATCH, attr.Nice) != nil {
		return cmd.Start()
	}
	defer func() { _ = schedule(unix.SCHED_NORMAL, attr.Nice) }()
	return cmd.Start()
}

// schedule sets the policy of this thread.
func schedule(policy uint32, nice int32) error {
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Nice: nice}, 0)
}

// processAttributes gives a part its own process group, so that a Ctrl-C in the
// terminal reaches only the stack, which stops the parts in order, and lets the
// kernel end the part when the stack is killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// commandLine is the command line of a live process, "" when there is none.
func commandLine(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(text), "\x00", " ")
}
