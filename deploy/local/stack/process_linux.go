package stack

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes gives a part its own process group, so that a Ctrl-C in
// the terminal reaches the stack alone, which stops the parts in order, and
// lets the kernel end the part when the stack is killed.
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
