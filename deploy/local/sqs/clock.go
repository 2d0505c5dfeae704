package sqs

import "time"

// Clock is the server's only source of time, so that a test can let hours pass in a moment.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// AfterFunc calls f once, in a goroutine of its own, when d has passed, and returns a function that
	// calls it off. Calling off what has already happened does nothing.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// wallClock is the machine's clock.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}
