package records

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// credit is the outcome of a record's latest revision.
type credit struct {
	Status   string      `json:"status" enum:"pending,credited,rejected,unknown" doc:"Unknown while the ledger cannot be read."`
	Points   *int64      `json:"points,omitempty" doc:"The points of a credited record."`
	Reason   string      `json:"reason,omitempty" doc:"Why there are no points, or no status."`
	Parts    *race.Parts `json:"parts,omitempty" doc:"What the points were computed from. Left out where there was nothing to compute, in credits from before this was kept, and for the public, which reads them in the standings."`
	TraceURL string      `json:"trace_url" doc:"The workflow that credits the revision, in the Temporal Web UI: it exists as soon as the worker has received the message."`
}

// unknown is shown instead of pending while the ledger cannot be read: calling a
// record pending that may be credited would make an organizer look for a problem
// that does not exist.
const unknown = "unknown"

// ledgerPatience is how long a call that can answer without credits waits for them.
const ledgerPatience = 2 * time.Second

// credits shows the credits of records.
type credits struct {
	databases reconcile.Databases
	trace     func(race.Record) string
	log       *slog.Logger
}

// pending returns the credit of a revision that has just been written.
func (c credits) pending(r race.Record) credit {
	return credit{Status: string(race.Pending), TraceURL: c.trace(r)}
}

// of reads the credits of records, in their order. It does not fail: without
// the ledger they are unknown.
func (c credits) of(ctx context.Context, records []race.Record) []credit {
	if len(records) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	found, err := c.databases.Credits(bounded, records)
	if err != nil {
		c.log.WarnContext(ctx, "cannot read credits: the answer shows them as unknown", "error", err)
	}
	shown := make([]credit, len(records))
	for i, r := range records {
		if err != nil {
			shown[i] = credit{
				Status: unknown, Reason: "the ledger cannot be read at the moment: ask again later", TraceURL: c.trace(r),
			}
			continue
		}
		shown[i] = c.outcome(r, found[i])
	}
	return shown
}

// readBy leaves out what is only for those who run the race: what points were computed
// from says the runner's age, which a runner may hide. Standings know who does.
func (c credit) readBy(owner bool) credit {
	if !owner {
		c.Parts = nil
	}
	return c
}

// outcome shows the credit of a record.
func (c credits) outcome(r race.Record, found reconcile.Credit) credit {
	shown := c.pending(r)
	switch {
	case found.State == reconcile.Ahead:
		shown.Reason = "the ledger is ahead of the record: the audit revises the record, and then it is credited again"
	case found.Status() != race.Pending:
		shown.Status, shown.Reason = string(found.Credit.Status), found.Reason
		if found.Credit.Status == race.Credited {
			shown.Points, shown.Parts = &found.Points, found.Parts
		}
	}
	return shown
}

// Tally counts the revisions of a race's records by their state.
type Tally struct {
	Pending    int `json:"pending" doc:"Latest revisions whose outcome is not in the ledger yet."`
	Credited   int `json:"credited"`
	Rejected   int `json:"rejected"`
	Superseded int `json:"superseded" doc:"Revisions that a newer one of their record replaced."`
	Total      int `json:"total" doc:"All revisions ever posted: the sum of the four."`

	Ahead            int `json:"ahead,omitempty" doc:"How many records of all races will be credited up to and including the last pending one of this race; races take turns. Absent when nothing is pending, or when unknown."`
	EstimatedSeconds int `json:"estimated_seconds,omitempty" doc:"In how many seconds that will be, at the rate of the last minute. Absent when unknown."`
}

// Counter returns a function that counts a race's revisions, for live progress.
func Counter(store *maindb.Store, ledger *userdb.Store, ahead Ahead) func(ctx context.Context, raceID string) (Tally, error) {
	return progress{databases: reconcile.Databases{Records: store, Ledger: ledger}, ahead: ahead}.count
}

// Ahead estimates how many records will be credited by the time the last pending
// one of a race is, and in how many seconds. Zero means unknown.
type Ahead func(raceID string, pending int) (records, seconds int)

type progress struct {
	databases reconcile.Databases
	ahead     Ahead // may be nil
}

type progressInput struct {
	RaceID string `path:"race_id"`
}

type progressOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Tally
}

func (p progress) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "count-credits", Method: http.MethodGet, Path: "/v1/races/{race_id}/credits",
		Summary: "Count the credits of a race by their status", Tags: []string{tag},
		Description: "Cheap enough for a progress bar that polls twice a second.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound},
	}, p.handle)
}

func (p progress) handle(ctx context.Context, _ *progressInput) (*progressOutput, error) {
	counted, err := p.count(ctx, server.RaceFrom(ctx).ID)
	if err != nil {
		return nil, err
	}
	return &progressOutput{CacheControl: "no-store", Body: counted}, nil
}

func (p progress) count(ctx context.Context, raceID string) (Tally, error) {
	counted, err := p.databases.Count(ctx, raceID)
	if err != nil {
		return Tally{}, err
	}
	tally := Tally{
		Pending: counted.Pending, Credited: counted.Credited, Rejected: counted.Rejected,
		Superseded: counted.Superseded, Total: counted.Total,
	}
	if p.ahead != nil {
		tally.Ahead, tally.EstimatedSeconds = p.ahead(raceID, counted.Pending)
	}
	return tally, nil
}
