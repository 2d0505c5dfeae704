package main

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// The audit finds a total that it rebuilds, a record that the ledger is ahead of
// and a credit without a record, and nothing else.

const (
	aheadRecord  = "01960000-0000-7000-8000-0000000000c1"
	orphanRecord = "01960000-0000-7000-8000-0000000000c2"
)

func (stage) RaiseAbove(_ context.Context, _ string, ahead map[string]int) (int, error) {
	return len(ahead), nil
}

func (stage) RevisionSums(context.Context, string, string, int) (map[string]maindb.RevisionSum, error) {
	return map[string]maindb.RevisionSum{raceID: {Records: 1}}, nil
}

func (stage) CreditSums(context.Context, string, string, int) (map[string]userdb.CreditSum, error) {
	return map[string]userdb.CreditSum{raceID: {Credited: 2}}, nil
}

func (stage) CountRevisions(context.Context, string) (records, revisions int, err error) {
	return 1, 1, nil
}

func (stage) CreditTotals(context.Context, string) (userdb.CreditTotals, error) {
	return userdb.CreditTotals{}, nil
}

func (stage) RevisionsOfRecords(context.Context, string) (map[string]int, error) {
	return map[string]int{aheadRecord: 2}, nil
}

func (stage) SettledRevisions(context.Context, string) ([]userdb.Settled, error) {
	return []userdb.Settled{
		{RecordID: aheadRecord, Revision: 3, Status: race.Credited}, {RecordID: orphanRecord, Revision: 1, Status: race.Credited},
	}, nil
}

func (stage) Credits(_ context.Context, recordIDs []string) (map[string]race.Credit, error) {
	found := map[string]race.Credit{}
	for _, id := range recordIDs {
		found[id] = race.Credit{
			RecordID: id, RaceID: raceID, Revision: map[string]int{aheadRecord: 3, orphanRecord: 1}[id], Status: race.Credited,
			UserID: runnerID, Points: 700,
		}
	}
	return found, nil
}

func (s stage) FactsOf(ctx context.Context, recordIDs []string) (map[string]scoring.Facts, error) {
	found := map[string]scoring.Facts{}
	for _, id := range recordIDs {
		facts, err := s.Facts(ctx, id)
		if err != nil {
			return nil, err
		}
		facts.Record.RaceID = raceID
		found[id] = facts
	}
	return found, nil
}

func (stage) MarkOrphans(_ context.Context, recordIDs []string, _ time.Time) (map[string]time.Time, error) {
	since := map[string]time.Time{}
	for _, id := range recordIDs {
		since[id] = time.Now().Add(-time.Hour)
	}
	return since, nil
}

func (stage) AuditPosition(context.Context, string) (maindb.LatestRevision, error) {
	return maindb.LatestRevision{}, nil
}

func (stage) SetAuditPosition(context.Context, string, maindb.LatestRevision) error { return nil }

func (stage) IsReadOnly(context.Context) (bool, error) { return false, nil }

func (stage) LatestRevisionsByID(context.Context, []string) (map[string]maindb.LatestRevision, error) {
	return map[string]maindb.LatestRevision{}, nil
}

func (stage) LateOutbox(context.Context, time.Time, int) (int, []maindb.Unsent, error) {
	return 0, nil, nil
}

func (stage) UnequalTotals(context.Context, string, int) ([]userdb.UnequalTotal, string, error) {
	return []userdb.UnequalTotal{{UserID: runnerID, Total: 7, Lines: 700}}, "", nil
}

func (stage) UnequalCredits(context.Context, string, int) ([]userdb.UnequalCredit, string, error) {
	return nil, "", nil
}

func (stage) LinesOfRecords(context.Context, []string) (map[string][]userdb.RecordLine, error) {
	return map[string][]userdb.RecordLine{}, nil
}

func (stage) HasUnequalCredit(context.Context, string) (bool, error) { return false, nil }

func (stage) RebuildTotal(context.Context, string) (before, after int64, err error) {
	return 7, 700, nil
}

func (stage) Completed(context.Context, workflows.CreditInput) (string, error) { return "", nil }

func (stage) Reset(context.Context, workflows.CreditInput, string, string) error { return nil }

func (stage) OpenSince(context.Context, time.Time, int) (int, []string, error) { return 0, nil, nil }
