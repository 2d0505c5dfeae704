package standings

import (
	"context"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Store is what the calls read and write of main_db.
type Store interface {
	boardStore
	versionStore
	reasonStore
	publicationStore
	resultStore
}

// Ledger is what the calls read of user_db.
type Ledger interface {
	nameStore
	creditStore
}

// Config is what the calls stand on.
type Config struct {
	Store  Store
	Ledger Ledger
	// WorkflowID names the workflow that credits a revision, TraceURL its page in
	// the Temporal Web UI.
	WorkflowID func(raceID, recordID string, revision int) string
	TraceURL   func(workflowID string) string
	// Wake has the standings of a race recomputed. It takes no longer than a few
	// seconds; what it fails to wake is found by the sweep.
	Wake         func(ctx context.Context, raceID string)
	CountCredits CountCredits
	Stopping     <-chan struct{} // closed when the program stops: live streams end
	Now          func() time.Time
	Log          *slog.Logger
}

// Register adds the calls to the API.
func Register(api huma.API, cfg Config) {
	board := newBoard(cfg.Store, cfg.Now)
	from := selector{board: board, names: newNames(cfg.Ledger, cfg.Now)}
	read := reading{selector: from, credits: cfg.Ledger, log: cfg.Log}
	read.register(api)
	read.registerExport(api)
	versions{store: cfg.Store, board: board}.register(api)
	comparison{selector: from, store: cfg.Store}.register(api)
	publishing{store: cfg.Store, board: board, wake: cfg.Wake}.register(api)
	results{
		store: cfg.Store, credits: cfg.Ledger, board: board, workflowID: cfg.WorkflowID, traceURL: cfg.TraceURL,
	}.register(api)
	events{
		watches: &watches{
			store: cfg.Store, board: board, count: cfg.CountCredits, log: cfg.Log, races: map[string]*watch{},
		},
		stopping: cfg.Stopping,
	}.register(api)
}
