//go:build !linux

package stack

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// StartInBatch starts a command; only Linux has the policy.
func StartInBatch(cmd *exec.Cmd) error { return cmd.Start() }

// processAttributes gives a part its own process group, so that a Ctrl-C in the
// terminal reaches only the stack, which stops the parts in order.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// commandLine is the command line of a live process, "" when there is none.
func commandLine(pid int) string {
	text, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
