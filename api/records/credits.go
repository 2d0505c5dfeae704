package records

import (
	"context"
	"log/slog"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
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

type creditReader interface {
	// Credits returns the credits of those records that have one, by record ID.
	Credits(ctx context.Context, recordIDs []string) (map[string]race.Credit, error)
}

// credits shows the credits of records.
type credits struct {
	ledger creditReader
	trace  func(race.Record) string
	log    *slog.Logger
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
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	bounded, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	found, err := c.ledger.Credits(bounded, ids)
	if err != nil {
		c.log.WarnContext(ctx, "credits cannot be read", "error", err)
	}
	shown := make([]credit, len(records))
	for i, r := range records {
		if err != nil {
			shown[i] = credit{
				Status: unknown, Reason: "the ledger cannot be read at the moment: ask again later", TraceURL: c.trace(r),
			}
			continue
		}
		shown[i] = c.outcome(r, found[r.ID])
	}
	return shown
}

// outcome shows what the ledger says of a record.
func (c credits) outcome(r race.Record, found race.Credit) credit {
	shown := c.pending(r)
	if statusOf(r, found) == race.Pending {
		return shown
	}
	shown.Status, shown.Reason = string(found.Status), found.Reason
	if found.Status == race.Credited {
		shown.Points, shown.Parts = &found.Points, found.Parts
	}
	return shown
}

// statusOf is pending while the ledger is behind the record. found is zero when
// it has never heard of it.
func statusOf(r race.Record, found race.Credit) race.CreditStatus {
	if found.Revision < r.Revision {
		return race.Pending
	}
	return found.Status
}
