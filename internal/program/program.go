// Package program is what the API and the worker have in common: the settings of
// the servers that they use, and the clients of these, opened and closed in one
// order.
package program

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"

	"github.com/mrmrthon/mrmrthon/internal/build"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
)

// Config are the settings of both programs. Embed it in those of each.
type Config struct {
	MainDB   mysql.Config `envPrefix:"MAIN_DB_"`
	UserDB   mysql.Config `envPrefix:"USER_DB_"`
	Queue    queue.Config
	Temporal temporal.Config `envPrefix:"TEMPORAL_"`
	Tracing  telemetry.TracingConfig
	Profiles telemetry.ProfilesConfig
}

// Ambient are the settings that libraries read by themselves, for command.Command.
func Ambient() []any { return []any{&queue.SDKSettings{}, &telemetry.TracingSDKSettings{}} }

// Clients are the clients of the servers, with the registry that their metrics are
// in. None of the servers has to be up.
type Clients struct {
	MainDB   *sql.DB
	UserDB   *sql.DB
	Queue    *queue.Client
	Temporal client.Client
	Registry *prometheus.Registry
	Tracing  *telemetry.Tracing

	closers []func() error
}

// Open opens the clients of a program (as "mrmrthon-api") and serves its profiles.
// sdkLog takes what Temporal's SDK logs. It fails only when settings are wrong;
// then nothing is left open. Otherwise the caller closes the clients.
func Open(ctx context.Context, cfg Config, name string, log *slog.Logger, sdkLog slog.Handler) (_ *Clients, err error) {
	c := &Clients{Registry: telemetry.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.Tracing, err = telemetry.NewTracing(ctx, cfg.Tracing, name, build.Version(), log); err != nil {
		return nil, err
	}
	c.closers = append(c.closers, func() error { c.Tracing.Close(); return nil }) //nolint:contextcheck // ctx is over by then
	if err := telemetry.ServeProfiles(ctx, cfg.Profiles, log); err != nil {
		return nil, err
	}
	build.Register(c.Registry)
	if c.MainDB, err = c.OpenPool(cfg.MainDB, "main_db"); err != nil {
		return nil, err
	}
	if c.UserDB, err = c.OpenPool(cfg.UserDB, "user_db"); err != nil {
		return nil, err
	}
	if c.Queue, err = queue.New(ctx, cfg.Queue); err != nil {
		return nil, err
	}
	cfg.Temporal.Register(c.Registry)
	options, err := cfg.Temporal.Options()
	if err != nil {
		return nil, err
	}
	options.Logger = temporallog.NewStructuredLogger(slog.New(sdkLog))
	options.MetricsHandler, options.Interceptors = telemetry.TemporalMetrics(c.Registry), c.Tracing.ClientInterceptors()
	if c.Temporal, err = client.NewLazyClient(options); err != nil {
		return nil, fmt.Errorf("client of Temporal: %w", err)
	}
	c.closers = append(c.closers, func() error { c.Temporal.Close(); return nil })
	return c, nil
}

// OpenPool opens another pool, which is closed with the rest. name is that of its
// metrics.
func (c *Clients) OpenPool(cfg mysql.Config, name string) (*sql.DB, error) {
	pool, err := mysql.OpenTraced(cfg, c.Tracing.Provider())
	if err != nil {
		return nil, err
	}
	c.closers = append(c.closers, pool.Close)
	c.Registry.MustRegister(collectors.NewDBStatsCollector(pool, name))
	return pool, nil
}

// Close closes what is open: Temporal's client, the databases, and at last the
// traces, so that nothing loses what it depends on.
func (c *Clients) Close() error {
	var failures []error
	for len(c.closers) > 0 {
		last := len(c.closers) - 1
		failures = append(failures, c.closers[last]())
		c.closers = c.closers[:last]
	}
	return errors.Join(failures...)
}
