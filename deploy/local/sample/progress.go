package sample

import (
	"context"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
)

const (
	askEvery  = 250 * time.Millisecond // how often the credits are counted
	tellEvery = 5 * time.Second        // how often a log gets a line
)

// progress shows how many credits are done: a bar for a person, lines for a
// log.
type progress interface {
	show(done int)
	finish()
}

// watch counts the credits until none is pending.
func (l *loader) watch(ctx context.Context, now Credits, began time.Time) (Credits, error) {
	total := max(l.Race.Rows, now.Total)
	if now.Pending == 0 && now.Total >= total {
		return now, nil
	}
	p := l.progress(total, now.Total-now.Pending, began)
	defer p.finish()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		c, err := l.credits(ctx)
		if err != nil {
			return Credits{}, err
		}
		p.show(c.Total - c.Pending)
		if c.Pending == 0 {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return Credits{}, ctx.Err()
		case <-tick.C:
		}
	}
}

func (l *loader) progress(total, already int, began time.Time) progress {
	if !l.Terminal {
		return &lines{loader: l, total: total, already: already, began: began, told: began}
	}
	return &bar{loader: l, bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(l.Out),
		progressbar.OptionSetDescription("sample   | credits"),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("credits"),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
	)}
}

type bar struct {
	loader *loader
	bar    *progressbar.ProgressBar
}

// show draws even when nothing moved: a line of a part may stand where the bar
// was.
func (b *bar) show(done int) {
	_ = b.bar.Set(min(done, b.bar.GetMax()))
	_ = b.bar.RenderBlank()
}

func (b *bar) finish() {
	_ = b.bar.Exit()
	_, _ = fmt.Fprintln(b.loader.Out)
}

type lines struct {
	loader         *loader
	total, already int
	began, told    time.Time
}

func (p *lines) show(done int) {
	if time.Since(p.told) < tellEvery && done < p.total {
		return
	}
	p.told = time.Now()
	rate := float64(done-p.already) / time.Since(p.began).Seconds()
	p.loader.say("credits: %d of %d (%d %%), %.0f/s", done, p.total, 100*done/max(p.total, 1), rate)
}

func (p *lines) finish() {}
