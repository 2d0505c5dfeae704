package stack

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is short beside what is waited for (0.1 to 5 s), and long beside
// the cost of one question.
const pollEvery = 50 * time.Millisecond

// poll asks until there is no error, and returns the last one when the time is
// over.
func poll(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		// What the end of the time did to the last question says less than
		// the answer before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (after %s)", last, limit)
		case <-tick.C:
		}
	}
}
