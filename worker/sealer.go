package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

const (
	// sealInterval is how long a change may wait for its position in the log: consumers
	// of the log see it no earlier. Looking costs one read of an index.
	sealInterval = 500 * time.Millisecond
	// sealBatch is how many changes one transaction seals.
	sealBatch = 1000
	// adoptInterval is the time between two looks for changes that programs of the
	// version before have written.
	adoptInterval = time.Minute
	// sealTimeout bounds one transaction.
	sealTimeout = 30 * time.Second
)

// sealer gives changes their positions in the change log. Every worker has one; the
// database lets one at a time through.
type sealer struct {
	store  *maindb.Outcomes
	link   *telemetry.Link
	sealed prometheus.Counter
}

func newSealer(store *maindb.Outcomes, log *slog.Logger, registry prometheus.Registerer) *sealer {
	s := &sealer{
		store: store, link: telemetry.NewLink("the seals of the change log", log),
		sealed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_changes_sealed_total", Help: "Changes that this process has given their position in the change log.",
		}),
	}
	registry.MustRegister(s.sealed)
	return s
}

// run seals until ctx ends. What a failure leaves is sealed the next time.
func (s *sealer) run(ctx context.Context) {
	tick := time.NewTicker(sealInterval)
	defer tick.Stop()
	var adopted time.Time
	for ctx.Err() == nil {
		if time.Since(adopted) > adoptInterval {
			adopted = time.Now()
			s.report(ctx, s.adopt(ctx))
		}
		n, err := s.seal(ctx)
		s.report(ctx, err)
		if n == sealBatch {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (s *sealer) report(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.link.Report(err)
	}
}

func (s *sealer) seal(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	n, err := s.store.SealChanges(ctx, sealBatch)
	s.sealed.Add(float64(n))
	return n, err
}

func (s *sealer) adopt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	_, err := s.store.AdoptChanges(ctx)
	return err
}
