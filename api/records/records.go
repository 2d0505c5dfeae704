// Package records answers the calls about official records: posting, importing,
// correcting, removing and reading them, and how far their credits are.
//
// Records are in main_db and their credits in user_db. What changes a record
// needs main_db alone; a credit that cannot be read is "unknown".
package records

import (
	"context"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
)

const (
	// tag groups these calls in the API's description.
	tag = "Official records"

	recordsPath = "/v1/races/{race_id}/official-records"
	recordPath  = recordsPath + "/{record_id}"

	// maxBody is far above any body of these calls but the import's, in bytes.
	maxBody = 16 << 10
)

// Store keeps the records, in main_db.
type Store interface {
	raceReader
	poster
	changer
	importer
	importStore
	recordReader
	lister
	reconcile.Records
}

// Ledger knows the credits, in user_db.
type Ledger interface {
	reconcile.Ledger
	// CreditsOfRace returns up to limit credits of that status, whatever revision
	// they are of, by their record ID, after the ID after.
	CreditsOfRace(ctx context.Context, raceID string, status race.CreditStatus, after string, limit int) ([]race.Credit, error)
}

// Config is what the calls stand on.
type Config struct {
	Store  Store
	Ledger Ledger
	// Poke says that there are new outbox rows. It does not block.
	Poke func()
	// Ahead estimates how long pending records wait; nil is unknown.
	Ahead Ahead
	// WorkflowID names the workflow that credits a revision, TraceURL its page.
	WorkflowID func(raceID, recordID string, revision int) string
	TraceURL   func(workflowID string) string
	Log        *slog.Logger
}

// Register adds the calls to the API.
func Register(api huma.API, cfg Config) {
	trace := func(r race.Record) string { return cfg.TraceURL(cfg.WorkflowID(r.RaceID, r.ID, r.Revision)) }
	databases := reconcile.Databases{Records: cfg.Store, Ledger: cfg.Ledger}
	credits := credits{databases: databases, trace: trace, log: cfg.Log}
	times := times{store: cfg.Store, log: cfg.Log}
	gate := gate{races: cfg.Store}
	post{store: cfg.Store, times: times, credits: credits, poke: cfg.Poke}.register(api)
	importing{store: cfg.Store, poke: cfg.Poke}.register(api)
	imported{store: cfg.Store, poke: cfg.Poke}.register(api)
	list{store: cfg.Store, ledger: cfg.Ledger, credits: credits, gate: gate}.register(api)
	get{store: cfg.Store, credits: credits, gate: gate}.register(api)
	change{store: cfg.Store, times: times, credits: credits, poke: cfg.Poke}.register(api)
	progress{databases: databases, ahead: cfg.Ahead}.register(api)
}

type raceReader interface {
	// Race returns race.ErrNotFound when there is none.
	Race(ctx context.Context, raceID string) (race.Race, error)
}
