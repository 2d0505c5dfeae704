package stack

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"
)

// tailLines is how many of a part's last lines an error quotes.
const tailLines = 15

// maxLog is the size from which a log file is set aside at the next start.
const maxLog = 10 << 20

// lineWriter splits the output of one part into lines. Every line goes to the
// part's log file unchanged and to the console with the part's name in front; the
// last ones are kept for error messages.
type lineWriter struct {
	console *Console
	part    Part

	mu      sync.Mutex
	file    io.WriteCloser
	pending []byte
	tail    []string
}

func newLineWriter(console *Console, part Part, logs string) (*lineWriter, error) {
	path := filepath.Join(logs, string(part)+".log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("set aside %s: %w", path, err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", part, err)
	}
	return &lineWriter{console: console, part: part, file: file}, nil
}

// Write implements io.Writer; a part never waits for or fails because of its
// log, so errors of the file are ignored.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.file.Write(p)
	w.pending = append(w.pending, p...)
	for {
		end := bytes.IndexByte(w.pending, '\n')
		if end < 0 {
			return len(p), nil
		}
		w.line(string(bytes.TrimRight(w.pending[:end], "\r")))
		w.pending = w.pending[end+1:]
	}
}

func (w *lineWriter) line(text string) {
	w.tail = append(w.tail, text)
	if len(w.tail) > tailLines {
		w.tail = w.tail[1:]
	}
	w.console.Line(w.part, text)
}

// lastLines quotes the end of the output, indented to stand below an error.
func (w *lineWriter) lastLines() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := slices.Clone(w.tail)
	if len(w.pending) > 0 {
		lines = append(lines, string(w.pending))
	}
	if len(lines) == 0 {
		return " (it printed nothing)"
	}
	return "\n    " + strings.Join(lines, "\n    ")
}

// Close ends the last line and the file.
func (w *lineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > 0 {
		w.line(string(w.pending))
		w.pending = nil
	}
	return w.file.Close()
}

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

// Terminal reports whether the output is a terminal, where progress may be redrawn.
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
