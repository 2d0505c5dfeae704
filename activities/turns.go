package activities

import (
	"cmp"
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
	// noteEvery is how long outcomes gather: a transaction for a few would cost a fast
	// receiver more than sending does.
	noteEvery = 20 * time.Millisecond
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

// turns sends many things, some at once, and notes what came of them. At the same time one
// transaction begins the next of them, others are sent, and another transaction notes what
// is back: a fast receiver costs a transaction for many and waits for none, and to a slow
// one no more are begun than it takes.
//
// A process that is killed leaves at most `unnoted` of them of which nobody knows whether
// they were sent. Others that were begun wait until their lease ends.
type turns[Item, Begun, Outcome any] struct {
	// begin notes that items are about to be sent, and returns those that may be.
	begin func(ctx context.Context, next []Item) ([]Begun, error)
	// note keeps outcomes. It is called again with the same ones when it fails, or when its
	// answer is lost.
	note func(ctx context.Context, done []Outcome) error
	// send sends one. It is called by several goroutines.
	send func(ctx context.Context, begun Begun) Outcome
	// unsent is what came of one that was begun, and is not sent in this run: it waited too
	// long, or no more may be sent.
	unsent func(begun Begun) Outcome
	// atOnce is how many are sent at the same time.
	atOnce int
	// unnoted is how many may be under way, or back and not noted yet.
	unnoted int
	// most is how many one transaction begins at most, once that many are sent meanwhile.
	most int
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
	stopping := workerStops(ctx)
	r := &turning[Item, Begun, Outcome]{
		turns: t, items: items, size: 2 * t.atOnce, ready: make(chan Begun), back: make(chan Outcome, t.unnoted),
		begun: make(chan begun[Begun]), noted: make(chan error), rested: true, since: time.Now(), pace: time.NewTimer(noteEvery),
		over: func() bool { return t.stop != nil && t.stop() || ctx.Err() != nil || closed(stopping) },
	}
	for range t.atOnce {
		go func() {
			for one := range r.ready {
				r.back <- t.send(ctx, one)
			}
		}()
	}
	defer close(r.ready)
	for {
		if r.over() || r.failed != nil {
			r.items = nil
		}
		r.putBack(r.over() || r.failed != nil)
		yields := t.busy != nil && t.busy()
		r.startNote(ctx)
		r.startBegin(ctx, yields)
		if !r.pending() {
			if len(r.items) == 0 {
				return cmp.Or(r.failed, ctx.Err())
			}
			rest(ctx, stopping, min(yieldFactor*time.Since(r.since), maxYield))
			r.since, r.rested = time.Now(), true
			continue
		}
		r.wait()
	}
}

// turning is a run of turns. Its fields belong to one goroutine.
type turning[Item, Begun, Outcome any] struct {
	turns[Item, Begun, Outcome]
	over   func() bool
	items  []Item
	size   int // how many the next transaction begins
	queue  []queued[Begun]
	out    int       // how many are being sent
	done   []Outcome // back and not noted
	noting int       // how many outcomes are being noted
	begins bool      // a transaction that begins some is under way
	since  time.Time // the last rest
	rested bool      // and none was begun since
	failed error
	lost   bool // outcomes could not be noted
	pace   *time.Timer
	paced  bool // noteEvery has passed since the last note began

	ready chan Begun
	back  chan Outcome
	begun chan begun[Begun]
	noted chan error
}

type queued[Begun any] struct {
	one   Begun
	since time.Time
}

type begun[Begun any] struct {
	all []Begun
	err error
}

// pending reports whether anything is to be waited for.
func (r *turning[Item, Begun, Outcome]) pending() bool {
	return r.begins || r.noting > 0 || r.out > 0 || len(r.queue) > 0
}

// putBack gives up sending what has waited for too long since it was begun, or all of it.
func (r *turning[Item, Begun, Outcome]) putBack(all bool) {
	for len(r.queue) > 0 && (all || time.Since(r.queue[0].since) > maxQueued) {
		r.done, r.queue = append(r.done, r.unsent(r.queue[0].one)), r.queue[1:]
	}
}

// startNote notes what is back, once enough is, some time has passed since the last note,
// or nothing else is under way.
func (r *turning[Item, Begun, Outcome]) startNote(ctx context.Context) {
	if r.noting > 0 || len(r.done) == 0 || r.lost {
		return
	}
	if len(r.done) < r.unnoted/2 && r.out+len(r.queue) > 0 && !r.paced {
		return
	}
	done := r.done
	r.noting, r.done, r.paced = len(done), nil, false
	r.pace.Reset(noteEvery)
	again := retry.WithMaxDuration(noteFor, retry.NewConstant(notePause))
	go func() {
		r.noted <- retry.Do(context.WithoutCancel(ctx), again, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, turnTimeout)
			defer cancel()
			return retry.RetryableError(r.note(ctx, done))
		})
	}()
}

// startBegin begins the next when few wait to be sent. While credits wait, it does so once
// all others are noted and sending has rested.
func (r *turning[Item, Begun, Outcome]) startBegin(ctx context.Context, yields bool) {
	room := r.size
	switch {
	case r.begins, len(r.queue) > r.size/2:
		return
	case yields:
		if r.pending() || !r.rested {
			return
		}
		r.size = 2 * r.atOnce
		room = r.size
	case r.careful != nil && r.careful():
		room = fewAtOnce - len(r.queue) - r.out - r.noting - len(r.done)
	}
	if room = min(room, len(r.items)); room <= 0 {
		return
	}
	next := r.items[:room]
	r.items, r.begins, r.rested = r.items[room:], true, false
	go func() {
		ctx, cancel := context.WithTimeout(ctx, turnTimeout)
		defer cancel()
		all, err := r.begin(ctx, next)
		r.begun <- begun[Begun]{all, err}
	}()
}

// wait waits until one more can be handed over, or something is back.
func (r *turning[Item, Begun, Outcome]) wait() {
	var ready chan Begun
	var next Begun
	if len(r.queue) > 0 && r.out+len(r.done)+r.noting < r.unnoted {
		ready, next = r.ready, r.queue[0].one
	}
	select {
	case ready <- next:
		r.queue, r.out = r.queue[1:], r.out+1
	case one := <-r.back:
		r.done, r.out = append(r.done, one), r.out-1
	case <-r.pace.C:
		r.paced = true
	case err := <-r.noted:
		r.noting, r.lost, r.failed = 0, err != nil, cmp.Or(r.failed, err)
	case begun := <-r.begun:
		r.begins, r.failed = false, cmp.Or(r.failed, begun.err)
		if len(r.queue) == 0 {
			r.size = min(2*r.size, r.most) // those before were sent meanwhile
		}
		for _, one := range begun.all {
			r.queue = append(r.queue, queued[Begun]{one, time.Now()})
		}
	}
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
