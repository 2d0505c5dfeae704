package activities

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// endedProgress is the heartbeat of CheckEnded.
type endedProgress struct {
	After   maindb.LatestRevision `json:"after"`
	Lookups int                   `json:"lookups"`
	Tally   Tally                 `json:"tally"`
}

// CheckEnded looks for revisions without a credit whose workflow has completed
// all the same, as after user_db was restored from a backup. Sending such a one
// again would start nothing, so its workflow is reset to its first task: the
// ledger takes a revision once.
func (c *Checks) CheckEnded(ctx context.Context) (Tally, error) {
	now := c.now()
	p := endedProgress{After: maindb.LatestRevision{ChangedAt: now.Add(-c.cfg.LookBack)}, Tally: Tally{Kind: EndedUncredited}}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &p); err != nil {
			return Tally{}, fmt.Errorf("read where the last attempt was: %w", err)
		}
	}
	for {
		page, err := c.records.LatestRevisions(ctx, p.After, now.Add(-c.cfg.Grace), auditPage)
		if err != nil {
			return Tally{}, err
		}
		if len(page) == 0 {
			return p.Tally, nil
		}
		lost, err := c.uncredited(ctx, page)
		if err != nil {
			return Tally{}, err
		}
		for _, revision := range lost {
			if p.Lookups == maxLookups {
				p.Tally.Partial = true
				return p.Tally, nil
			}
			if err := c.checkEnded(ctx, revision, &p.Tally); err != nil {
				return Tally{}, err
			}
			p.Lookups++
			p.After = revision
			activity.RecordHeartbeat(ctx, p)
		}
		p.After = page[len(page)-1]
		activity.RecordHeartbeat(ctx, p)
	}
}

// uncredited returns those of the revisions that the ledger lacks.
func (c *Checks) uncredited(ctx context.Context, page []maindb.LatestRevision) ([]maindb.LatestRevision, error) {
	ids := make([]string, len(page))
	for i, revision := range page {
		ids[i] = revision.RecordID
	}
	credited, err := c.ledger.CreditRevisions(ctx, ids)
	if err != nil {
		return nil, err
	}
	var lost []maindb.LatestRevision
	for _, revision := range page {
		if credited[revision.RecordID] < revision.Revision {
			lost = append(lost, revision)
		}
	}
	return lost, nil
}

// checkEnded resets the workflow of a revision that it left without a credit.
func (c *Checks) checkEnded(ctx context.Context, revision maindb.LatestRevision, tally *Tally) error {
	of := CreditInput{RaceID: revision.RaceID, RecordID: revision.RecordID, Revision: revision.Revision}
	runID, err := c.runs.Completed(ctx, of)
	if err != nil || runID == "" {
		return err
	}
	// It may have been credited, or corrected, since the page was read.
	still, err := c.uncredited(ctx, []maindb.LatestRevision{revision})
	if err != nil || len(still) == 0 {
		return err
	}
	latest, err := c.records.LatestRevisionsByID(ctx, []string{revision.RecordID})
	if err != nil || latest[revision.RecordID].Revision != revision.Revision {
		return err
	}
	tally.note(ctx, c.metrics, c.reset(ctx, of, runID))
	return nil
}

func (c *Checks) reset(ctx context.Context, of CreditInput, runID string) Finding {
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	finding := Finding{ID: of.RecordID, Detail: fmt.Sprintf("the workflow of revision %d has completed, and the ledger lacks it", of.Revision)}
	stray, err := c.hasLines(ctx, of)
	switch {
	case err != nil:
		finding.Detail += ". Not reset: " + err.Error()
		return finding
	case stray:
		finding.Detail += ". Not reset: the ledger has lines of it without a credit"
		return finding
	}
	if err := c.runs.Reset(ctx, of, runID, "audit: "+finding.Detail); err != nil {
		finding.Detail += ". Not reset: " + err.Error()
		return finding
	}
	finding.Mended = true
	finding.Detail += ". The workflow was reset"
	return finding
}

// hasLines tells whether the ledger has lines of a revision that it has no credit
// of: then a commit could never succeed.
func (c *Checks) hasLines(ctx context.Context, of CreditInput) (bool, error) {
	lines, err := c.ledger.LinesOfRecords(ctx, []string{of.RecordID})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(lines[of.RecordID], func(line userdb.RecordLine) bool { return line.Revision >= of.Revision }), nil
}
