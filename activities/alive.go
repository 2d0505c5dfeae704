package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// beat is the time between the heartbeats of a long activity.
const beat = time.Second

// keepAlive sends heartbeats with the given details until stop is called. Without
// them Temporal takes an activity whose worker died for running until it times
// out. A short activity ends before the first and costs nothing. The details
// replace those sent before: pass where a new attempt would resume.
func keepAlive(ctx context.Context, details ...any) (stop func()) {
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
				activity.RecordHeartbeat(ctx, details...)
			}
		}
	}()
	return cancel
}
