package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"
)

// A stop takes as long as the steps under way, a second or so. In the worst
// case, with nothing that answers, it takes 26 s, below the 30 s after which
// those who stop programs insist: the bridge 10 s for a start and for what it
// says to the queue, then what stands here, then 2 s for owed signals and 3 s for
// the last traces.
const (
	// scrapeTime is how long who reads /metrics at that moment may take.
	scrapeTime = time.Second
	// stopTimeout is how long the steps under way may take: as long as a step may
	// at all, but for those of the audit and of standings, which begin again.
	stopTimeout = 10 * time.Second
)

// stopWorkers ends workers, all at once, when their steps under way are done, and
// then sends the signals that those steps came to owe. A step that does not end
// in time is left alone: Temporal gives it to another worker when it times out.
func (w *work) stopWorkers(started []worker.Worker) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		var all sync.WaitGroup
		for _, each := range started {
			all.Go(each.Stop)
		}
		all.Wait()
	}()
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-stopped:
	case <-limit.C:
		w.log.Warn("steps or Temporal did not end in time: other workers go on with them")
	}
	w.standings.wakes.Close()
}

// shutDown ends the health server. Callers that are too slow are cut off.
func (m *Main) shutDown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		m.Log.Warn("callers of the health server were cut off", "error", errors.Join(err, server.Close()))
	}
}
