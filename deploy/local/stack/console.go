package stack

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Console is the one place where all parts print: whole lines, each with the
// name of its part, in the part's colour when it is a terminal.
type Console struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	colours  bool
}

// NewConsole prints to out; nil prints nowhere. Colours follow
// https://no-color.org.
func NewConsole(out io.Writer) *Console {
	if out == nil {
		out = io.Discard
	}
	c := &Console{out: out}
	if f, ok := out.(*os.File); ok {
		c.terminal = term.IsTerminal(int(f.Fd()))
		c.colours = c.terminal && os.Getenv("NO_COLOR") == ""
	}
	return c
}

// Terminal tells whether a person watches: progress may then be redrawn.
func (c *Console) Terminal() bool { return c.terminal }

// clearLine removes a progress bar that stands where a line is to go.
const clearLine = "\r\x1b[K"

// Line prints one line of a part.
func (c *Console) Line(part Part, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fmt.Sprintf("%-8s |", part)
	if c.colours {
		name = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour(part), name)
	}
	if c.terminal {
		name = clearLine + name
	}
	_, _ = fmt.Fprintf(c.out, "%s %s\n", name, text)
}

// Write prints as it is, between two lines of the parts, never inside one.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

// say prints a line of the stack itself.
func (c *Console) say(format string, args ...any) {
	c.Line(launcher, fmt.Sprintf(format, args...))
}

// colour is the ANSI foreground colour of a part.
func colour(part Part) int {
	for i, p := range known() {
		if p == part {
			return 31 + (i+1)%7 // green, yellow, blue, magenta, cyan, white, red
		}
	}
	return 90 // grey: the stack itself and one-off steps
}
