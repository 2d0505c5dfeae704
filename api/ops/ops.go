// Package ops answers the calls of operators: which credits are stuck, the whole
// story of one, and the repairs, each safe to repeat and each recorded.
//
// What it says rests on the two databases. Temporal adds what a workflow waits
// for; a list that asks Temporal's search may be a second or so behind.
package ops

import (
	"context"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// tag groups these calls in the API's description.
	tag = "Operations"

	listPath    = "/v1/ops/credits"
	creditPath  = listPath + "/{record_id}"
	lettersPath = "/v1/ops/dead-letters"

	// maxBody is far above any body of these calls, in bytes.
	maxBody = 16 << 10
)

// Store is what operators need of main_db.
type Store interface {
	comparedRecords
	recordHistory
	requeuer
	raceReader
	actionKeeper
}

// Ledger is what operators need of user_db.
type Ledger interface {
	comparedCredits
	creditHistory
	totalKeeper
}

// Config is what the calls stand on.
type Config struct {
	Store     Store
	Ledger    Ledger
	Workflows Workflows
	Audits    Audits
	Letters   Letters
	// Poke says that there are new outbox rows. It does not block.
	Poke func()
	// WakeStandings has a race's standings recomputed; it returns the ID of the
	// workflow that does it, once that is certain.
	WakeStandings func(ctx context.Context, raceID string) (workflowID string, err error)
	// WorkflowID names the workflow that credits a revision, TraceURL its page.
	WorkflowID func(raceID, recordID string, revision int) string
	TraceURL   func(workflowID string) string
	Now        func() time.Time
	Log        *slog.Logger
	Registry   prometheus.Registerer
}

// Register adds the calls to the API.
func Register(api huma.API, cfg Config) {
	journal := newJournal(cfg.Store, cfg.Log, cfg.Registry)
	finder := finder{records: cfg.Store, ledger: cfg.Ledger, workflows: cfg.Workflows, workflowID: cfg.WorkflowID, now: cfg.Now}
	examiner := examiner{records: cfg.Store, ledger: cfg.Ledger, workflows: cfg.Workflows, workflowID: cfg.WorkflowID}
	mender := mender{records: cfg.Store, workflows: cfg.Workflows, poke: cfg.Poke}
	links := links{workflowID: cfg.WorkflowID, traceURL: cfg.TraceURL}
	list{finder: finder, links: links, now: cfg.Now, log: cfg.Log}.register(api)
	story{records: cfg.Store, ledger: cfg.Ledger, workflows: cfg.Workflows, links: links, log: cfg.Log}.register(api)
	retry{examiner: examiner, mender: mender, journal: journal, links: links}.register(api)
	retryAll{finder: finder, examiner: examiner, mender: mender, journal: journal}.register(api)
	letters{queue: cfg.Letters, journal: journal}.register(api)
	auditing{audits: cfg.Audits, journal: journal, links: links}.register(api)
	totals{keeper: cfg.Ledger, journal: journal}.register(api)
	recomputing{races: cfg.Store, wake: cfg.WakeStandings, traceURL: cfg.TraceURL, journal: journal}.register(api)
	actions{keeper: cfg.Store}.register(api)
}

// register adds a call whose errors may be of parts that do not answer.
func register[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	op.Tags, op.MaxBodyBytes = []string{tag}, maxBody
	server.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, translate(err)
		}
		return out, nil
	})
}

// links leads to the Temporal Web UI.
type links struct {
	workflowID func(raceID, recordID string, revision int) string
	traceURL   func(workflowID string) string
}

// credit is the page of the workflow that credits a revision.
func (l links) credit(raceID, recordID string, revision int) string {
	return l.traceURL(l.workflowID(raceID, recordID, revision))
}

// run is the page of one run.
func (l links) run(r Run) string { return l.traceURL(r.WorkflowID) + "/" + r.RunID + "/history" }

// isID tells whether a thing can have that ID.
func isID(s string) bool { return uuid.Validate(s) == nil }

// checkID returns race.ErrNotFound for what no thing can have as its ID.
func checkID(id string) error {
	if !isID(id) {
		return race.ErrNotFound
	}
	return nil
}
