package repair

import (
	"context"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// MaxLetters is how many dead letters one call takes at most.
	MaxLetters = 1000
	// hideLetters is how long they stay hidden from other readers if giving them back
	// fails.
	hideLetters = 30 * time.Second
)

// Queue is the records queue with its dead letters; queue.Client implements it, and tests replace it. A
// Failure names the index of a message for which the call failed; that message becomes
// visible again when its visibility timeout ends.
type Queue interface {
	// Depth returns how many messages wait to be received, approximately.
	Depth(ctx context.Context) (queue.Depth, error)
	// DeadLetterDepth returns how many dead letters there are, approximately.
	DeadLetterDepth(ctx context.Context) (queue.Depth, error)
	// TakeLetters hides up to most dead letters from other readers for a while and
	// returns them.
	TakeLetters(ctx context.Context, most int, hide time.Duration) ([]queue.Letter, error)
	// ReleaseLetters gives messages back at once.
	ReleaseLetters(ctx context.Context, letters []queue.Letter) []queue.Failure
	// Redrive moves messages to the records queue.
	Redrive(ctx context.Context, letters []queue.Letter) []queue.Failure
	// DeleteLetters deletes messages for good.
	DeleteLetters(ctx context.Context, letters []queue.Letter) []queue.Failure
}

// QueueError is an error of the queue, which lets an answer name what is down.
type QueueError struct{ Err error }

func (e *QueueError) Error() string { return "queue: " + e.Err.Error() }

// Unwrap returns what the queue's client returned.
func (e *QueueError) Unwrap() error { return e.Err }

// DeadLetters lists, redrives and discards dead letters.
type DeadLetters struct {
	queue Queue
	log   Log
}

// NewDeadLetters returns the dead letters of a queue.
func NewDeadLetters(q Queue, log Log) DeadLetters { return DeadLetters{queue: q, log: log} }

// Read returns up to limit dead letters, which stay on their queue, and how many
// the queue holds.
func (d DeadLetters) Read(ctx context.Context, limit int) ([]queue.Letter, queue.Depth, error) {
	depth, err := d.queue.DeadLetterDepth(ctx)
	if err != nil {
		return nil, queue.Depth{}, &QueueError{Err: err}
	}
	taken, err := d.take(ctx, limit)
	if err != nil {
		return nil, queue.Depth{}, err
	}
	d.giveBack(ctx, taken)
	return taken, depth, nil
}

func (d DeadLetters) take(ctx context.Context, most int) ([]queue.Letter, error) {
	taken, err := d.queue.TakeLetters(ctx, most, hideLetters)
	if err != nil {
		return nil, &QueueError{Err: err}
	}
	return taken, nil
}

// giveBack makes messages visible again, even if the operator has disconnected. If that
// fails they become visible when their visibility timeout ends.
func (d DeadLetters) giveBack(ctx context.Context, taken []queue.Letter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	d.queue.ReleaseLetters(ctx, taken)
}

// Redriven is the outcome of redriving dead letters.
type Redriven struct {
	Redriven int `json:"redriven"`
	Broken   int `json:"broken" doc:"Not moved, because they would be dead-lettered again. Discard them."`
	Failed   int `json:"failed" doc:"Not moved, or moved and not deleted: call again."`
}

// Redrive sends the message with an ID to the records queue again, or all messages if
// the ID is empty. It returns race.ErrNotFound if the message is not visible at the
// moment, and a *race.ConflictError if it is malformed. shown converts messages for the
// log of actions.
func (d DeadLetters) Redrive(ctx context.Context, operatorID, messageID, reason string, shown func([]queue.Letter) any) (Redriven, error) {
	taken, err := d.takeWanted(ctx, messageID)
	if err != nil {
		return Redriven{}, err
	}
	good, broken := sortLetters(taken)
	if messageID != "" && len(broken) > 0 {
		d.giveBack(ctx, broken)
		_, problem := queue.Decode(broken[0].Body)
		return Redriven{}, &race.ConflictError{Message: "the message would be dead-lettered again, discard it: " + problem.Error()}
	}
	var done Redriven
	order := Order{Action: RedriveLetters, OperatorID: operatorID, Target: messageID, Reason: reason, Before: shown(good)}
	err = d.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		failures := d.queue.Redrive(ctx, good)
		d.giveBack(ctx, broken)
		done = Redriven{Redriven: len(good) - len(failures), Broken: len(broken), Failed: len(failures)}
		return done, nil
	})
	if err != nil {
		d.giveBack(ctx, taken)
		return Redriven{}, err
	}
	return done, nil
}

// Discard deletes the message with an ID and returns it. It returns race.ErrNotFound if
// the message is not visible at the moment.
func (d DeadLetters) Discard(ctx context.Context, operatorID, messageID, reason string, shown func([]queue.Letter) any) (queue.Letter, error) {
	taken, err := d.takeWanted(ctx, messageID)
	if err != nil {
		return queue.Letter{}, err
	}
	order := Order{Action: DiscardLetter, OperatorID: operatorID, Target: messageID, Reason: reason, Before: shown(taken)}
	err = d.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		if failures := d.queue.DeleteLetters(ctx, taken); len(failures) > 0 {
			return nil, &QueueError{Err: failures[0].Err}
		}
		return map[string]bool{"discarded": true}, nil
	})
	if err != nil {
		d.giveBack(ctx, taken)
		return queue.Letter{}, err
	}
	return taken[0], nil
}

// takeWanted takes the message with an ID and gives back the others, or takes all
// messages when there is no ID.
func (d DeadLetters) takeWanted(ctx context.Context, messageID string) ([]queue.Letter, error) {
	taken, err := d.take(ctx, MaxLetters)
	if err != nil || messageID == "" {
		return taken, err
	}
	i := slices.IndexFunc(taken, func(letter queue.Letter) bool { return letter.MessageID == messageID })
	if i < 0 {
		d.giveBack(ctx, taken)
		return nil, race.ErrNotFound
	}
	wanted := taken[i]
	d.giveBack(ctx, slices.Delete(taken, i, i+1))
	return []queue.Letter{wanted}, nil
}

func sortLetters(taken []queue.Letter) (good, broken []queue.Letter) {
	for _, letter := range taken {
		if _, err := queue.Decode(letter.Body); err != nil {
			broken = append(broken, letter)
		} else {
			good = append(good, letter)
		}
	}
	return good, broken
}
