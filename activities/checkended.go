package activities

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// maxLookups is how many workflows one audit asks Temporal about without having
	// to reset them.
	maxLookups = 500
	// maxResets is how many workflows one audit resets: at most that many wait
	// before the records that are posted meanwhile.
	maxResets = 5000
	// endedCheck names the position of CheckEnded.
	endedCheck = "ended_uncredited"
)

// endedProgress is the heartbeat of CheckEnded.
type endedProgress struct {
	Start   maindb.LatestRevision `json:"start"` // where this audit began
	After   maindb.LatestRevision `json:"after"`
	Wrapped bool                  `json:"wrapped"` // the end was reached: continue from the beginning up to Start
	Lookups int                   `json:"lookups"` // that led to no reset
	Recent  bool                  `json:"recent"`  // all within the look-back were looked at; next come the races
	Races   lap                   `json:"races"`
	Tally   Tally                 `json:"tally"`
}

// full reports whether the audit has looked at as many as it may.
func (p *endedProgress) full() bool {
	return p.Lookups >= maxLookups || p.Tally.Repaired >= maxResets
}

// CheckEnded looks for revisions without a credit although their workflow has
// completed, as after user_db was restored from a backup. Sending such a revision
// again would start nothing, so its workflow is reset to its first task. That is
// safe because the ledger applies a revision only once.
//
// It asks Temporal about a bounded number of workflows and begins where the last
// audit stopped, so that revisions that cannot be repaired do not hold up the
// others. What is older than the look-back it finds by races whose sums differ.
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
	races, err := a.beginLap(ctx, string(EndedUncredited)+"_races")
	if err != nil {
		return Tally{}, err
	}
	p := endedProgress{Start: start, After: start, Races: races, Tally: Tally{Kind: EndedUncredited}}
	if err := resume(ctx, &p); err != nil {
		return Tally{}, err
	}
	for !p.Recent {
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
		default:
			if err := a.records.SetAuditPosition(ctx, endedCheck, first); err != nil {
				return Tally{}, err
			}
			p.Recent = true
			continue
		}
		if err := a.checkEndedPage(ctx, page, &p); err != nil {
			return Tally{}, err
		}
		if p.Tally.Partial {
			return p.Tally, a.records.SetAuditPosition(ctx, endedCheck, p.After)
		}
		p.After = page[len(page)-1]
		activity.RecordHeartbeat(ctx, p)
	}
	err = a.eachUnequalRace(ctx, EndedUncredited, &p.Races, func(balance reconcile.Balance) (more bool, err error) {
		err = a.checkEndedRace(ctx, balance, first.ChangedAt, &p)
		return !p.Tally.Partial, err
	}, func() { activity.RecordHeartbeat(ctx, p) })
	return p.Tally, err
}

// checkEndedRace looks at those revisions of a race without a credit that are
// older than the look-back. It takes them in any order, so that over the audits
// each has its turn.
func (a *Audits) checkEndedRace(ctx context.Context, balance reconcile.Balance, before time.Time, p *endedProgress) error {
	ids := keysOf(balance.Pending)
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] }) //nolint:gosec // any order will do
	for part := range slices.Chunk(ids, auditPage) {
		if p.Tally.Partial {
			return nil
		}
		latest, err := a.records.LatestRevisionsByID(ctx, part)
		if err != nil {
			return err
		}
		var old []maindb.LatestRevision
		for _, id := range part {
			if revision, exists := latest[id]; exists && revision.ChangedAt.Before(before) && balance.Ahead[id] == 0 {
				old = append(old, revision)
			}
		}
		if err := a.checkEndedPage(ctx, old, p); err != nil {
			return err
		}
	}
	return nil
}

// isAfter reports whether r comes after other in the order of LatestRevisions.
func isAfter(r, other maindb.LatestRevision) bool {
	return r.ChangedAt.After(other.ChangedAt) || r.ChangedAt.Equal(other.ChangedAt) && r.RecordID > other.RecordID
}

// checkEndedPage looks at the revisions of a page that have no credit, as far as
// this audit may; else the tally is partial.
func (a *Audits) checkEndedPage(ctx context.Context, page []maindb.LatestRevision, p *endedProgress) error {
	pending, err := a.pending(ctx, page)
	if err != nil {
		return err
	}
	for _, revision := range pending {
		if p.Tally.Partial = p.full(); p.Tally.Partial {
			return nil
		}
		before := p.Tally.Repaired
		if err := a.checkEnded(ctx, revision, &p.Tally); err != nil {
			return err
		}
		if p.Tally.Repaired == before {
			p.Lookups++
		}
		if !p.Recent {
			p.After = revision
		}
		activity.RecordHeartbeat(ctx, *p)
	}
	return nil
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

// hasLines reports whether the ledger has lines of a revision but no credit. Then a
// commit could never succeed.
func (a *Audits) hasLines(ctx context.Context, of CreditInput) (bool, error) {
	lines, err := a.ledger.LinesOfRecords(ctx, []string{of.RecordID})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(lines[of.RecordID], func(line userdb.RecordLine) bool { return line.Revision >= of.Revision }), nil
}
