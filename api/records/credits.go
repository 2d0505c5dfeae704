package records

import (
	"context"
	"log/slog"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
)

// credit is what has become of a record's latest revision.
type credit struct {
	Status   string      `json:"status" enum:"pending,credited,rejected,unknown" doc:"Unknown while the ledger cannot be read."`
	Points   *int64      `json:"points,omitempty" doc:"Of a credited record."`
	Reason   string      `json:"reason,omitempty" doc:"Why there are no points, or no status."`
	Parts    *race.Parts `json:"parts,omitempty" doc:"What the points were computed from. Left out where there was nothing to compute, and in credits from before this was kept."`
	TraceURL string      `json:"trace_url" doc:"The workflow that credits the revision, in the Temporal Web UI: there as soon as the queue has brought it."`
}

// unknown is no outcome: saying pending of a record that may be credited would
// send an organizer looking for a fault that is not there.
const unknown = "unknown"

// ledgerPatience is how long a call that can do without credits waits for them.
const ledgerPatience = 2 * time.Second

// credits shows the credits of records.
type credits struct {
	databases reconcile.Databases
	trace     func(race.Record) string
	log       *slog.Logger
}

// pending is the credit of a revision that has only just been written.
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
		c.log.WarnContext(ctx, "credits cannot be read; they are shown as unknown", "error", err)
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

// outcome shows the credit of a record.
func (c credits) outcome(r race.Record, found reconcile.Credit) credit {
	shown := c.pending(r)
	switch {
	case found.State == reconcile.Ahead:
		shown.Reason = "the ledger is ahead of the record: the audit revises the record, and then it is credited anew"
	case found.Status() != race.Pending:
		shown.Status, shown.Reason = string(found.Credit.Status), found.Reason
		if found.Credit.Status == race.Credited {
			shown.Points, shown.Parts = &found.Points, found.Parts
		}
	}
	return shown
}
