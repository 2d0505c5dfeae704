package main

import (
	"log/slog"
	"time"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
	"github.com/mrmrthon/mrmrthon/worker/wake"
)

// Config is everything that the worker is told by its environment.
type Config struct {
	MainDB   mysql.Config `envPrefix:"MAIN_DB_"`
	UserDB   mysql.Config `envPrefix:"USER_DB_"`
	Queue    queue.Config
	Temporal TemporalConfig `envPrefix:"TEMPORAL_"`
	Bridge   bridge.Config
	Audit    activities.AuditConfig
	// AuditInterval is the time from one audit of credits to the next.
	AuditInterval time.Duration `env:"AUDIT_INTERVAL" envDefault:"5m"`
	Wake          wake.Config
	Sweep         activities.SweepConfig
	// SweepInterval is the time from one sweep of standings to the next.
	SweepInterval time.Duration `env:"SWEEP_INTERVAL" envDefault:"1m"`
	// Addr is where /healthz, /readyz and /metrics are served.
	Addr     string     `env:"WORKER_ADDR" envDefault:":8081"`
	LogLevel slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
}

// TemporalConfig says where Temporal is.
type TemporalConfig struct {
	Address   string `env:"ADDRESS,required"` // host:port of the frontend
	Namespace string `env:"NAMESPACE" envDefault:"default"`
}
