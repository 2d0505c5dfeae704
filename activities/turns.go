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
	// leaveFor is how long giving up a lease is tried: it ends by itself soon enough.
	leaveFor = 5 * time.Second
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
	// growWithin is how soon what was read must be sent for more to be read the next time.
	growWithin = 100 * time.Millisecond
	// maxQueued is how long what was read waits to be sent: afterwards it may have changed.
	maxQueued = 5 * time.Second
	// maxYield bounds one such rest, so that what is sent slowly still gets on.
	maxYield = 2 * time.Second
)

// turns sends many things, some at once, and notes what came of them. At the same time the
// next are read, others are sent, and a transaction notes what is back: a fast receiver
// costs a transaction for many and waits for none, and for a slow one no more are read than
// it takes.
//
// A process that is killed leaves at most `unnoted` of them of which nobody knows whether
// they were sent.
type turns[Item, Read, Outcome any] struct {
	// read returns those of the items that are to be sent.
	read func(ctx context.Context, next []Item) ([]Read, error)
	// send sends one. It is called by several goroutines.
	send func(ctx context.Context, one Read) Outcome
	// note keeps outcomes. It is called again with the same ones when it fails, or when its
	// answer is lost.
	note func(ctx context.Context, done []Outcome) error
	// atOnce is how many are sent at the same time.
	atOnce int
	// unnoted is how many may be under way, or back and not noted yet.
	unnoted int
	// most is how many are read at once at most, when that many are sent meanwhile.
	most int
	// stop reports whether no more may be sent; nil: never.
	stop func() bool
	// careful reports whether no more than a few may be under way, because none has
	// succeeded; nil: never.
	careful func() bool
	// busy reports whether credits wait, which come first; nil: never.
	busy func() bool
}

// run sends items until all are sent, stop says so, or ctx or the worker ends. What was sent
// is always noted.
func (t turns[Item, Read, Outcome]) run(ctx context.Context, items []Item) error {
	stopping := workerStops(ctx)
	r := &turning[Item, Read, Outcome]{
		turns: t, items: items, size: 2 * t.atOnce, rested: true, since: time.Now(), pace: time.NewTimer(noteEvery),
		ready: make(chan Read), back: make(chan Outcome, t.unnoted), found: make(chan found[Read]), noted: make(chan error),
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
		if r.failed != nil || t.stop != nil && t.stop() || ctx.Err() != nil || closed(stopping) {
			r.items, r.queue = nil, nil
		}
		for len(r.queue) > 0 && time.Since(r.queue[0].since) > maxQueued {
			r.queue = r.queue[1:] // the next run reads it again
		}
		yields := t.busy != nil && t.busy()
		r.startNote(ctx)
		r.startRead(ctx, yields)
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
type turning[Item, Read, Outcome any] struct {
	turns[Item, Read, Outcome]
	items   []Item
	size    int // how many are read next
	reading bool
	readAt  time.Time // the last ones were
	queue   []queued[Read]
	out     int       // how many are being sent
	done    []Outcome // back and not noted
	noting  int       // how many outcomes are being noted
	pace    *time.Timer
	paced   bool      // noteEvery has passed since the last note began
	since   time.Time // the last rest
	rested  bool      // and none was read since
	failed  error
	lost    bool // outcomes could not be noted

	ready chan Read
	back  chan Outcome
	found chan found[Read]
	noted chan error
}

type queued[Read any] struct {
	one   Read
	since time.Time
}

type found[Read any] struct {
	all []Read
	err error
}

// pending reports whether anything is to be waited for.
func (r *turning[Item, Read, Outcome]) pending() bool {
	return r.reading || r.noting > 0 || r.out > 0 || len(r.queue) > 0
}

// startNote notes what is back, once enough is, some time has passed since the last note,
// or nothing else is under way.
func (r *turning[Item, Read, Outcome]) startNote(ctx context.Context) {
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

// startRead reads the next when few wait to be sent. While credits wait, it does so once
// all others are noted and sending has rested.
func (r *turning[Item, Read, Outcome]) startRead(ctx context.Context, yields bool) {
	if r.reading || len(r.queue) > r.size/2 {
		return
	}
	if yields {
		if r.pending() || !r.rested {
			return
		}
		r.size = 2 * r.atOnce
	}
	room := r.size
	if r.careful != nil && r.careful() {
		room = fewAtOnce - len(r.queue) - r.out - r.noting - len(r.done)
	}
	if room = min(room, len(r.items)); room <= 0 {
		return
	}
	next := r.items[:room]
	r.items, r.reading, r.rested = r.items[room:], true, false
	go func() {
		ctx, cancel := context.WithTimeout(ctx, turnTimeout)
		defer cancel()
		all, err := r.read(ctx, next)
		r.found <- found[Read]{all, err}
	}()
}

// wait waits until one more can be handed over, or something is back.
func (r *turning[Item, Read, Outcome]) wait() {
	var ready chan Read
	var next Read
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
	case found := <-r.found:
		r.reading, r.failed = false, cmp.Or(r.failed, found.err)
		if time.Since(r.readAt) < growWithin {
			r.size = min(2*r.size, r.most)
		}
		r.readAt = time.Now()
		for _, one := range found.all {
			r.queue = append(r.queue, queued[Read]{one, time.Now()})
		}
	}
}

// leave gives up the lease of a step that ends, through a short fault of the database. If that
// does not succeed, the next step waits until the lease ends by itself.
func leave(ctx context.Context, give func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveFor)
	defer cancel()
	_ = retry.Do(ctx, retry.NewConstant(notePause), func(ctx context.Context) error { return retry.RetryableError(give(ctx)) })
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
