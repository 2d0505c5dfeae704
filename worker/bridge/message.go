package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// end is how the bridge is done with a message.
type end int

const (
	interrupted end = iota // by a shutdown: give it back
	finished               // its workflow exists: delete it
	gone                   // dead-lettered, or left to come again
)

// bring starts the workflow of a message, however long that takes, or moves a
// message that is not ours to the dead-letter queue.
func (b *Bridge) bring(ctx context.Context, received queue.Received) end {
	message, err := queue.Decode(received.Body)
	if err != nil {
		return b.deadLetter(ctx, received, err)
	}
	message.Label, message.Trace = received.Label, received.Trace
	retry := b.newBackoff()
	for {
		if !b.takeSlot(ctx) {
			return interrupted
		}
		err := b.start(ctx, message)
		<-b.slots
		switch {
		case errors.Is(err, ErrAlreadyStarted):
			b.temporal.Report(nil)
			b.metrics.alreadyStarted.Inc()
			return finished
		case err == nil:
			b.temporal.Report(nil)
			b.metrics.startedAfter(received.SentAt)
			return finished
		}
		// The IDs were checked, so nothing about the message can be the reason:
		// whatever it is, it has to pass first.
		b.temporal.Report(err)
		b.metrics.retried.Inc()
		if !retry.wait(ctx) {
			return interrupted
		}
	}
}

// start lets a start that is under way finish when ctx ends: cut off, it would
// be unknown whether the workflow exists.
func (b *Bridge) start(ctx context.Context, message queue.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	return b.starter.Start(ctx, message)
}

func (b *Bridge) deadLetter(ctx context.Context, received queue.Received, reason error) end {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := b.queue.DeadLetter(ctx, received, reason.Error()); err != nil {
		b.log.Warn("a message that is not ours was not moved to the dead-letter queue and comes again",
			"message_id", received.MessageID, "reason", reason, "error", err)
		return gone
	}
	b.metrics.deadLettered.Inc()
	b.log.Warn("moved a message that is not ours to the dead-letter queue",
		"message_id", received.MessageID, "reason", reason)
	return gone
}

// takeSlot waits for one of the starts allowed at once; false when ctx ended
// first.
func (b *Bridge) takeSlot(ctx context.Context) bool {
	select {
	case b.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// startedAfter counts a start and how long its message was on the way.
func (m *metrics) startedAfter(sentAt time.Time) {
	m.started.Inc()
	if !sentAt.IsZero() {
		m.wait.Observe(time.Since(sentAt).Seconds())
	}
}
