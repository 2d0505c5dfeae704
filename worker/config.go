package main

import (
	"time"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/worker/wake"
)

// Config is everything that the worker is told by its environment.
type Config struct {
	MainDB   mysql.Config `envPrefix:"MAIN_DB_"`
	UserDB   mysql.Config `envPrefix:"USER_DB_"`
	Queue    queue.Config
	Temporal temporal.Config `envPrefix:"TEMPORAL_"`
	Tracing  telemetry.TracingConfig
	Profiles telemetry.ProfilesConfig
	Bridge   bridge.Config
	Audit    activities.AuditConfig
	// AuditInterval is the time from one audit of credits to the next.
	AuditInterval time.Duration `env:"AUDIT_INTERVAL" envDefault:"5m" min:"1s" help:"the time from one audit of credits to the next"`
	Wake          wake.Config
	Sweep         activities.SweepConfig
	// SweepInterval is the time from one sweep of standings to the next.
	SweepInterval time.Duration `env:"SWEEP_INTERVAL" envDefault:"1m" min:"1s" help:"the time from one sweep of standings to the next"`
	// Addr is where /healthz, /readyz and /metrics are served.
	Addr string `env:"WORKER_ADDR" envDefault:":8081" check:":port" help:"where health and metrics are served"`
}

// probeSettings say where the worker serves.
type probeSettings struct {
	Addr string `env:"WORKER_ADDR" envDefault:":8081" check:":port" help:"where health and metrics are served"`
}
