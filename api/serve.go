package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"

	"github.com/mrmrthon/mrmrthon/api/relay"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/build"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// settings are what the API reads from its environment.
type settings struct {
	Addr           string         `env:"API_ADDR" envDefault:":8080" check:":port" help:"where the API serves"`
	PublicURL      string         `env:"API_PUBLIC_URL" check:"URL" help:"where callers reach the API, for its OpenAPI document"`
	TrustedProxies []netip.Prefix `env:"TRUSTED_PROXIES" help:"proxies whose X-Forwarded-For is believed when logins and sign-ups are limited by address"`
	MainDB         mysql.Config   `envPrefix:"MAIN_DB_"`
	UserDB         mysql.Config   `envPrefix:"USER_DB_"`
	Queue          queue.Config
	Outbox         relay.Config
	Auth           auth.Config
	SignUps        auth.SignUpConfig
	Temporal       temporal.Config `envPrefix:"TEMPORAL_"`
	Tracing        telemetry.TracingConfig
	Profiles       telemetry.ProfilesConfig
	TemporalUIURL  string `env:"TEMPORAL_UI_URL" envDefault:"http://localhost:8233" check:"URL" help:"Temporal's Web UI, for links to it"`
}

// runServe serves until ctx ends, then finishes the calls that are under way,
// then what the relay is sending; listening, if it is not nil, is told the
// address. It needs nothing to be up.
func runServe(ctx context.Context, cfg settings, log *slog.Logger, listening func(net.Addr)) (err error) {
	tracing, err := telemetry.NewTracing(ctx, cfg.Tracing, "mrmrthon-api", build.Version(), log)
	if err != nil {
		return err
	}
	defer tracing.Close() //nolint:contextcheck // ctx is over by then
	if err := telemetry.ServeProfiles(ctx, cfg.Profiles, log); err != nil {
		return err
	}
	registry := telemetry.NewRegistry()
	build.Register(registry)
	mainPool, err := mysql.OpenTraced(cfg.MainDB, tracing.Provider())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mainPool.Close()) }()
	userPool, err := mysql.OpenTraced(cfg.UserDB, tracing.Provider())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, userPool.Close()) }()
	registry.MustRegister(collectors.NewDBStatsCollector(mainPool, "main_db"), collectors.NewDBStatsCollector(userPool, "user_db"))
	records, err := queue.New(ctx, cfg.Queue)
	if err != nil {
		return err
	}
	cfg.Temporal.Register(registry)
	options, err := cfg.Temporal.Options()
	if err != nil {
		return err
	}
	options.Logger = temporallog.NewStructuredLogger(slog.New(telemetry.SDKNames(log.Handler())))
	options.MetricsHandler, options.Interceptors = telemetry.TemporalMetrics(registry), tracing.ClientInterceptors()
	temporalClient, err := client.NewLazyClient(options)
	if err != nil {
		return fmt.Errorf("client of Temporal: %w", err)
	}
	defer temporalClient.Close()
	mainDB, userDB := maindb.New(mainPool, time.Now), userdb.NewAccounts(userPool, time.Now)
	outbox := relay.New(cfg.Outbox, mainDB, relay.Traced(records, tracing.Provider()), log, registry)
	health := telemetry.Handler(registry, log, telemetry.Running(ctx.Done()), telemetry.Check{Name: "main_db", Ping: mainPool.PingContext})
	handler, err := newHandler(parts{ //nolint:contextcheck // every call has a context of its own
		cfg: cfg, mainDB: mainDB, userDB: userDB, poke: outbox.Poke, ahead: outbox.Ahead, health: health, registry: registry, traces: tracing.Provider(), log: log, now: time.Now,
		wake: func(ctx context.Context, raceID string) error {
			return workflows.WakeStandings(ctx, temporalClient, raceID)
		},
		stopping: ctx.Done(),
		temporal: temporal.NewWorkflows(temporalClient, cfg.Temporal.Namespace),
		letters:  records,
	})
	if err != nil {
		return err
	}

	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { outbox.Run(background) })
	running.Go(func() { tidy(background, log, mainDB, userDB) })
	defer running.Wait()
	defer stopBackground()
	return serve(ctx, cfg.Addr, handler, log, listening)
}

const (
	tidyInterval = time.Hour
	// keyLifetime is how long an Idempotency-Key is honoured.
	keyLifetime = 24 * time.Hour
	// unmatchedLifetime is how long operators see what messages named and main_db
	// did not have.
	unmatchedLifetime = 90 * 24 * time.Hour
)

// tidy forgets expired idempotency keys and refresh tokens. What it fails to
// forget it forgets the next time.
func tidy(ctx context.Context, log *slog.Logger, mainDB *maindb.Store, userDB *userdb.Accounts) {
	for {
		if _, err := mainDB.PurgeKeys(ctx, keyLifetime); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "idempotency keys not purged", "error", err)
		}
		if _, err := mainDB.PurgeUnmatched(ctx, unmatchedLifetime); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "unmatched revisions were not purged; they are tried again in an hour", "error", err)
		}
		if _, err := userDB.PurgeExpired(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "refresh tokens not purged", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tidyInterval):
		}
	}
}
