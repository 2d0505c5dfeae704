package main

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// The audit finds a total that it rebuilds, and is content with the rest.

func (stage) LatestRevisionsByID(context.Context, []string) (map[string]maindb.LatestRevision, error) {
	return map[string]maindb.LatestRevision{}, nil
}

func (stage) LateOutbox(context.Context, time.Time, int) (int, []maindb.Unsent, error) {
	return 0, nil, nil
}

func (stage) UnequalTotals(context.Context, string, int) ([]userdb.UnequalTotal, string, error) {
	return []userdb.UnequalTotal{{UserID: "01960000-0000-7000-8000-00000000000a", Total: 7, Lines: 700}}, "", nil
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
