package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress tells how far the bench is: a bar for a person, a line for each step
// for a log.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil: lines
	steps int
	done  int
	began time.Time
}

func newProgress(out *os.File, steps int) *progress {
	p := &progress{out: out, steps: steps, began: time.Now()}
	if term.IsTerminal(int(out.Fd())) {
		p.bar = progressbar.NewOptions(steps,
			progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
			progressbar.OptionSetElapsedTime(true), progressbar.OptionClearOnFinish())
	}
	return p
}

// step says what is done next.
func (p *progress) step(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	p.done++
	if p.bar == nil {
		_, _ = fmt.Fprintf(p.out, "%6s  %d/%d  %s\n", time.Since(p.began).Round(time.Second), p.done, p.steps, what)
		return
	}
	p.bar.Describe(what)
	_ = p.bar.Set(min(p.done, p.steps) - 1) // the step is only beginning
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
