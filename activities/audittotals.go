package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// repairTimeout bounds one repair: a locked row must not hold up the audit.
const repairTimeout = 4 * time.Second

// sliceProgress is the heartbeat of a check that goes through a table.
type sliceProgress struct {
	After string `json:"after"`
	Tally Tally  `json:"tally"`
}

// inSlices calls check for one slice of a table after the other; a new attempt
// resumes where the last one stopped.
func inSlices(ctx context.Context, kind FindingKind, check func(p *sliceProgress) (next string, err error)) (Tally, error) {
	progress := sliceProgress{Tally: Tally{Kind: kind}}
	if err := resume(ctx, &progress); err != nil {
		return Tally{}, err
	}
	for {
		next, err := check(&progress)
		if err != nil {
			return Tally{}, err
		}
		if next == "" {
			return progress.Tally, nil
		}
		progress.After = next
		activity.RecordHeartbeat(ctx, progress)
	}
}

// CheckTotals compares every total with its ledger lines and rebuilds those that
// differ: the ledger is the truth. It does not where the lines themselves
// contradict a credit, which is for an operator to judge.
func (a *Audits) CheckTotals(ctx context.Context) (Tally, error) {
	return inSlices(ctx, WrongTotal, func(p *sliceProgress) (string, error) {
		unequal, next, err := a.ledger.UnequalTotals(ctx, p.After, auditPage)
		if err != nil {
			return "", err
		}
		for _, total := range unequal {
			p.Tally.note(ctx, a.metrics, a.rebuild(ctx, total))
			p.After = total.UserID
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

// CheckLines looks for records whose ledger lines do not add up to their credit,
// as after a double credit. It only reports them.
func (a *Audits) CheckLines(ctx context.Context) (Tally, error) {
	return inSlices(ctx, WrongLines, func(p *sliceProgress) (string, error) {
		unequal, next, err := a.ledger.UnequalCredits(ctx, p.After, auditPage)
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
