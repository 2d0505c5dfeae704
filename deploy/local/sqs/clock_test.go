package sqs_test

import (
	"slices"
	"sync"
	"time"
)

// handClock is a clock that moves only by hand.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*handTimer
	armed  chan struct{} // receives once for every timer that is set
}

type handTimer struct {
	at time.Time
	f  func()
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2004, 4, 19, 12, 0, 0, 0, time.UTC), armed: make(chan struct{}, 1000)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &handTimer{c.now.Add(d), f}
	c.timers = append(c.timers, timer)
	c.armed <- struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.timers = slices.DeleteFunc(c.timers, func(t *handTimer) bool { return t == timer })
	}
}

// advance moves the clock, stopping at every timer on the way.
func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	for {
		next := -1
		for i, t := range c.timers {
			if !t.at.After(end) && (next < 0 || t.at.Before(c.timers[next].at)) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		timer := c.timers[next]
		c.timers = slices.Delete(c.timers, next, next+1)
		c.now = timer.at
		c.mu.Unlock()
		timer.f()
		c.mu.Lock()
	}
	c.now = end
	c.mu.Unlock()
}
