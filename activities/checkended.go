package activities

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// maxLookups is how many workflows one audit asks Temporal about.
	maxLookups = 500
	// endedCheck names the position of CheckEnded.
	endedCheck = "ended_uncredited"
)

// endedProgress is the heartbeat of CheckEnded.
type endedProgress struct {
	Start   maindb.LatestRevision `json:"start"` // where this audit began
	After   maindb.LatestRevision `json:"after"`
	Wrapped bool                  `json:"wrapped"` // the end was reached: up to Start
	Lookups int                   `json:"lookups"`
	Tally   Tally                 `json:"tally"`
}

// CheckEnded looks for revisions without a credit whose workflow has completed
// all the same, as after user_db was restored from a backup. Sending such a one
// again would start nothing, so its workflow is reset to its first task: the
// ledger takes a revision once.
//
// It asks Temporal about a bounded number of workflows and begins where the last
// audit stopped, so that those that cannot be repaired hold up no others.
func (a *Audits) CheckEnded(ctx context.Context) (Tally, error) {
	now := a.now()
	first := maindb.LatestRevision{ChangedAt: now.Add(-a.cfg.LookBack)}
	start, err := a.records.AuditPosition(ctx, endedCheck)
	if err != nil {
		return Tally{}, err
	}
	if start.ChangedAt.Before(first.ChangedAt) {
		start = first
	}
	p := endedProgress{Start: start, After: start, Tally: Tally{Kind: EndedUncredited}}
	if err := resume(ctx, &p); err != nil {
		return Tally{}, err
	}
	for {
		page, err := a.records.LatestRevisions(ctx, p.After, now.Add(-a.cfg.Grace), auditPage)
		if err != nil {
			return Tally{}, err
		}
		more := len(page) > 0
		if p.Wrapped {
			page = slices.DeleteFunc(page, func(r maindb.LatestRevision) bool { return isAfter(r, p.Start) })
		}
		switch {
		case len(page) > 0:
		case !more && !p.Wrapped && isAfter(p.Start, first):
			p.Wrapped, p.After = true, first
			continue
		default: // all were looked at
			return p.Tally, a.records.SetAuditPosition(ctx, endedCheck, first)
		}
		full, err := a.checkEndedPage(ctx, page, &p)
		if err != nil {
			return Tally{}, err
		}
		if full {
			p.Tally.Partial = true
			return p.Tally, a.records.SetAuditPosition(ctx, endedCheck, p.After)
		}
		p.After = page[len(page)-1]
		activity.RecordHeartbeat(ctx, p)
	}
}

// isAfter reports whether r comes after other in the order of LatestRevisions.
func isAfter(r, other maindb.LatestRevision) bool {
	return r.ChangedAt.After(other.ChangedAt) || r.ChangedAt.Equal(other.ChangedAt) && r.RecordID > other.RecordID
}

// checkEndedPage looks at the revisions of a page that have no credit; full says
// that it stopped because there were too many.
func (a *Audits) checkEndedPage(ctx context.Context, page []maindb.LatestRevision, p *endedProgress) (full bool, err error) {
	pending, err := a.pending(ctx, page)
	if err != nil {
		return false, err
	}
	for _, revision := range pending {
		if p.Lookups == maxLookups {
			return true, nil
		}
		if err := a.checkEnded(ctx, revision, &p.Tally); err != nil {
			return false, err
		}
		p.Lookups++
		p.After = revision
		activity.RecordHeartbeat(ctx, *p)
	}
	return false, nil
}

// checkEnded resets the workflow of a revision that it left without a credit.
func (a *Audits) checkEnded(ctx context.Context, revision maindb.LatestRevision, tally *Tally) error {
	of := CreditInput{RaceID: revision.RaceID, RecordID: revision.RecordID, Revision: revision.Revision}
	runID, err := a.runs.Completed(ctx, of)
	if err != nil || runID == "" {
		return err
	}
	// It may have been credited, or corrected, since the page was read.
	still, err := a.pending(ctx, []maindb.LatestRevision{revision})
	if err != nil || len(still) == 0 {
		return err
	}
	latest, err := a.records.LatestRevisionsByID(ctx, []string{revision.RecordID})
	if err != nil || latest[revision.RecordID].Revision != revision.Revision {
		return err
	}
	tally.note(ctx, a.metrics, a.reset(ctx, of, runID))
	return nil
}

func (a *Audits) reset(ctx context.Context, of CreditInput, runID string) Finding {
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	finding := Finding{ID: of.RecordID, Detail: fmt.Sprintf("the workflow of revision %d completed, but the ledger does not have it", of.Revision)}
	stray, err := a.hasLines(ctx, of)
	switch {
	case err != nil:
		finding.Detail += ". Not reset: " + err.Error()
		return finding
	case stray:
		finding.Detail += ". Not reset: the ledger has lines of it without a credit"
		return finding
	}
	if err := a.runs.Reset(ctx, of, runID, "audit: "+finding.Detail); err != nil {
		finding.Detail += ". Not reset: " + err.Error()
		return finding
	}
	finding.Repaired = true
	finding.Detail += ". The workflow was reset"
	return finding
}

// hasLines reports whether the ledger has lines of a revision that it has no
// credit of: then a commit could never succeed.
func (a *Audits) hasLines(ctx context.Context, of CreditInput) (bool, error) {
	lines, err := a.ledger.LinesOfRecords(ctx, []string{of.RecordID})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(lines[of.RecordID], func(line userdb.RecordLine) bool { return line.Revision >= of.Revision }), nil
}
