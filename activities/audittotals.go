package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// repairTimeout bounds one repair: a locked row must not hold up the audit.
const repairTimeout = 4 * time.Second

// maxRows is how many rows of a table one audit compares, so that what it costs
// does not grow with the table: a million take ten audits.
const maxRows = 100_000

// lap is the way of a check through a table. It begins where the last audit
// stopped, goes on from the beginning at the end of the table, and ends where it
// began or when enough was seen.
type lap struct {
	Start   string `json:"start"`
	After   string `json:"after"`
	Wrapped bool   `json:"wrapped,omitempty"`
	Seen    int    `json:"seen"`
}

// advance notes that some rows were seen, up to next, which is empty at the end of
// the table, and reports whether the lap is over.
func (l *lap) advance(next string, seen, most int) (over bool) {
	l.Seen += seen
	switch {
	case next != "":
		l.After = next
		if l.Wrapped && next >= l.Start {
			l.After = ""
			return true
		}
	case l.Wrapped || l.Start == "":
		l.After = ""
		return true
	default:
		l.Wrapped, l.After = true, ""
	}
	return l.Seen >= most
}

// beginLap returns the lap of a check, from where its last one ended.
func (a *Audits) beginLap(ctx context.Context, check string) (lap, error) {
	at, err := a.records.AuditPosition(ctx, check)
	return lap{Start: at.RecordID, After: at.RecordID}, err
}

// endLap notes where the next lap begins.
func (a *Audits) endLap(ctx context.Context, check string, l lap) error {
	if l.After == l.Start {
		return nil
	}
	return a.records.SetAuditPosition(ctx, check, maindb.LatestRevision{RecordID: l.After, ChangedAt: a.now()})
}

// sliceProgress is the heartbeat of a check that goes through a table.
type sliceProgress struct {
	Lap   lap   `json:"lap"`
	Tally Tally `json:"tally"`
}

// inSlices calls check for one slice of a table after the other, as far as one
// audit goes; a new attempt resumes where the last one stopped.
func (a *Audits) inSlices(ctx context.Context, kind FindingKind, check func(p *sliceProgress) (next string, err error)) (Tally, error) {
	begun, err := a.beginLap(ctx, string(kind))
	if err != nil {
		return Tally{}, err
	}
	progress := sliceProgress{Lap: begun, Tally: Tally{Kind: kind}}
	if err := resume(ctx, &progress); err != nil {
		return Tally{}, err
	}
	for {
		next, err := check(&progress)
		if err != nil {
			return Tally{}, err
		}
		if progress.Lap.advance(next, auditPage, maxRows) {
			return progress.Tally, a.endLap(ctx, string(kind), progress.Lap)
		}
		activity.RecordHeartbeat(ctx, progress)
	}
}

// CheckTotals compares totals with their ledger lines and rebuilds those that
// differ: the ledger is the source of truth. It leaves a total alone where the
// lines themselves contradict a credit, which an operator has to judge.
func (a *Audits) CheckTotals(ctx context.Context) (Tally, error) {
	return a.inSlices(ctx, WrongTotal, func(p *sliceProgress) (string, error) {
		unequal, next, err := a.ledger.UnequalTotals(ctx, p.Lap.After, auditPage)
		if err != nil {
			return "", err
		}
		for _, total := range unequal {
			p.Tally.note(ctx, a.metrics, a.rebuild(ctx, total))
			p.Lap.After = total.UserID
			activity.RecordHeartbeat(ctx, *p)
		}
		return next, nil
	})
}

func (a *Audits) rebuild(ctx context.Context, total userdb.UnequalTotal) Finding {
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	finding := Finding{ID: total.UserID, Detail: fmt.Sprintf("the total was %d, the ledger lines come to %d", total.Total, total.Lines)}
	contradicted, err := a.ledger.HasUnequalCredit(ctx, total.UserID)
	switch {
	case err != nil:
		finding.Detail += ". Not rebuilt: " + err.Error()
		return finding
	case contradicted:
		finding.Detail += ". Not rebuilt: the lines themselves contradict a credit"
		return finding
	}
	before, after, err := a.ledger.RebuildTotal(ctx, total.UserID)
	if err != nil {
		finding.Detail += ". Not rebuilt: " + err.Error()
		return finding
	}
	finding.Repaired = true
	finding.Detail += fmt.Sprintf(". Rebuilt: from %d to %d", before, after)
	return finding
}

// TotalInput names the account whose total is rebuilt.
type TotalInput struct {
	UserID string `json:"user_id"`
}

// Total is what a total was and is.
type Total struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// RebuildTotal sets a total to the sum of its ledger lines because an operator
// asks for it.
func (a *Audits) RebuildTotal(ctx context.Context, in TotalInput) (Total, error) {
	before, after, err := a.ledger.RebuildTotal(ctx, in.UserID)
	if errors.Is(err, race.ErrNotFound) {
		return Total{}, &race.Rejection{Reason: "there is no such account"}
	}
	return Total{Before: before, After: after}, err
}

// CheckLines looks for records whose ledger lines do not add up to their credit,
// as after a double credit. It only reports them.
func (a *Audits) CheckLines(ctx context.Context) (Tally, error) {
	return a.inSlices(ctx, WrongLines, func(p *sliceProgress) (string, error) {
		unequal, next, err := a.ledger.UnequalCredits(ctx, p.Lap.After, auditPage)
		if err != nil {
			return "", err
		}
		for _, credit := range unequal {
			p.Tally.note(ctx, a.metrics, Finding{ID: credit.RecordID, Detail: inPoints(credit)})
		}
		return next, nil
	})
}

func inPoints(credit userdb.UnequalCredit) string {
	if credit.Excess < 0 {
		return fmt.Sprintf("the ledger lines give user %s %d points less than the credit", credit.UserID, -credit.Excess)
	}
	return fmt.Sprintf("the ledger lines give user %s %d points more than the credit", credit.UserID, credit.Excess)
}
