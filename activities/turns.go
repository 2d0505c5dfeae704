package activities

import (
	"context"
	"time"

	"github.com/sethvargo/go-retry"
	"go.temporal.io/sdk/activity"
)

const (
	// noteFor and notePause are how the outcomes of what was sent are kept through an
	// outage of the database: what is forgotten would be sent once more.
	noteFor   = time.Minute
	notePause = 500 * time.Millisecond
	// turnTimeout bounds one transaction.
	turnTimeout = 15 * time.Second
	// fewAtOnce is how many are under way until one has succeeded.
	fewAtOnce = 4
	// yieldFactor is for how many times as long as it took to send some, sending rests
	// while credits wait.
	yieldFactor = 12
	// maxQueued is how long what was begun waits to be sent: afterwards the lease might end
	// while it is under way.
	maxQueued = 15 * time.Second
	// maxYield bounds one such rest, so that what is sent slowly still gets on.
	maxYield = 2 * time.Second
)

// turns sends many things, some at once, and notes what came of them. One transaction
// notes those that are back and begins as many others. While it runs, those begun before
// are sent, so that a fast receiver costs a transaction for many and a slow one no more
// than one each.
//
// A process that is killed leaves at most `ahead` of them of which nobody knows whether
// they were sent.
type turns[Item, Begun, Outcome any] struct {
	// ahead is how many may be begun and not noted.
	ahead int
	// atOnce is how many of them are sent at the same time.
	atOnce int
	// turn notes outcomes and begins the next items. It is called again with the same
	// arguments when it fails, or when its answer is lost.
	turn func(ctx context.Context, done []Outcome, next []Item) ([]Begun, error)
	// send sends one. It is called by several goroutines.
	send func(ctx context.Context, begun Begun) Outcome
	// unsent is what came of one that was begun, and is not sent in this run: it waited too
	// long, or no more may be sent.
	unsent func(begun Begun) Outcome
	// stop reports whether no more may be begun or sent; nil: never.
	stop func() bool
	// careful reports whether no more than a few may be under way, because none has
	// succeeded; nil: never.
	careful func() bool
	// busy reports whether credits wait, which come first; nil: never.
	busy func() bool
}

// run sends items until all are sent, stop says so, or ctx or the worker ends. What was
// begun is always noted.
func (t turns[Item, Begun, Outcome]) run(ctx context.Context, items []Item) error {
	back, slots, out := make(chan Outcome, t.ahead), make(chan struct{}, t.atOnce), 0
	var done []Outcome
	stopping, began := workerStops(ctx), time.Now()
	over := func() bool { return t.over(ctx, stopping) }
	for {
		yields := t.busy != nil && t.busy()
		most := t.ahead
		if t.careful != nil && t.careful() {
			most = min(most, fewAtOnce)
		}
		room := max(0, min(most-out, len(items)))
		switch {
		case over():
			items, room = nil, 0
		case yields && (out > 0 || len(done) > 0): // first all come back and are noted
			room = 0
		}
		if room > 0 || len(done) > 0 {
			begun, err := t.note(ctx, done, items[:room])
			if err != nil {
				for range out {
					<-back
				}
				return err
			}
			done, items = nil, items[room:]
			since := time.Now()
			for _, one := range begun {
				out++
				go func() {
					slots <- struct{}{}
					defer func() { <-slots }()
					back <- t.sendOne(ctx, one, over() || time.Since(since) > maxQueued)
				}()
			}
		}
		if out == 0 {
			if len(items) == 0 {
				return ctx.Err()
			}
			if yields {
				rest(ctx, stopping, min(yieldFactor*time.Since(began), maxYield))
				began = time.Now()
			}
			continue
		}
		done, out = append(done, <-back), out-1
		for len(back) > 0 {
			done, out = append(done, <-back), out-1
		}
	}
}

func (t turns[Item, Begun, Outcome]) over(ctx context.Context, stopping <-chan struct{}) bool {
	return t.stop != nil && t.stop() || ctx.Err() != nil || closed(stopping)
}

func (t turns[Item, Begun, Outcome]) sendOne(ctx context.Context, one Begun, tooLate bool) Outcome {
	if tooLate {
		return t.unsent(one)
	}
	return t.send(ctx, one)
}

// note takes a turn. One that has something to note is repeated through an outage, and
// when ctx has ended.
func (t turns[Item, Begun, Outcome]) note(ctx context.Context, done []Outcome, next []Item) (begun []Begun, err error) {
	again := retry.WithMaxRetries(0, retry.NewConstant(notePause))
	if len(done) > 0 {
		again, ctx = retry.WithMaxDuration(noteFor, retry.NewConstant(notePause)), context.WithoutCancel(ctx)
	}
	err = retry.Do(ctx, again, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, turnTimeout)
		defer cancel()
		var err error
		begun, err = t.turn(ctx, done, next)
		return retry.RetryableError(err)
	})
	return begun, err
}

// rest waits, at most until ctx or the worker ends.
func rest(ctx context.Context, stopping <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stopping:
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// workerStops returns a channel that is closed when the worker begins to stop.
func workerStops(ctx context.Context) <-chan struct{} {
	if !activity.IsActivity(ctx) {
		return nil
	}
	return activity.GetWorkerStopChannel(ctx)
}
