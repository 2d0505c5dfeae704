package backup

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Schedule backs up servers at an interval.
type Schedule struct {
	Servers []Server
	Place   Place
	Plan    Plan
	Every   time.Duration
	Log     *slog.Logger

	until, dumped *prometheus.GaugeVec
	failures      *prometheus.CounterVec
}

// Register adds the metrics, by which an alert sees that backups are old.
func (s *Schedule) Register(registry prometheus.Registerer) {
	s.until = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "mrmrthon_backup_until_timestamp_seconds", Help: "The moment until which a server's databases can be restored.",
	}, []string{"server"})
	s.dumped = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "mrmrthon_backup_dump_timestamp_seconds", Help: "When a server's newest dump was taken.",
	}, []string{"server"})
	s.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mrmrthon_backup_failures_total", Help: "Backups of a server that failed.",
	}, []string{"server"})
	registry.MustRegister(s.until, s.dumped, s.failures)
	for _, server := range s.Servers { // set from the start, so that a backup that never succeeds is seen too
		s.until.WithLabelValues(server.Name).Set(0)
		s.dumped.WithLabelValues(server.Name).Set(0)
		s.failures.WithLabelValues(server.Name)
	}
}

// Run backs up now and then after every interval, until ctx ends. What fails is
// logged and tried again at the next interval.
func (s *Schedule) Run(ctx context.Context) {
	ticker := time.NewTicker(s.Every)
	defer ticker.Stop()
	for {
		for _, server := range s.Servers {
			s.once(ctx, server)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Schedule) once(ctx context.Context, server Server) {
	done, err := server.BackUp(ctx, s.Place, s.Plan, s.Log)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.failures.WithLabelValues(server.Name).Inc()
		s.Log.ErrorContext(ctx, "backup failed; it is tried again after the interval", "server", server.Name, "error", err, "interval", s.Every)
		return
	}
	s.until.WithLabelValues(server.Name).Set(seconds(done.Until))
	s.dumped.WithLabelValues(server.Name).Set(seconds(done.DumpedAt))
	s.Log.InfoContext(ctx, "backed up", "server", server.Name, "dumped", done.Dumped, "bytes", done.Bytes, "until", done.Until, "deleted", done.Deleted)
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
