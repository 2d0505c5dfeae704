package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// beat is the time between the signs of life of a long activity.
const beat = time.Second

// keepAlive gives signs of life until stop is called. Without them Temporal
// takes an activity whose worker died for running until it times out. A short
// activity ends before the first and costs nothing.
func keepAlive(ctx context.Context) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	return cancel
}
