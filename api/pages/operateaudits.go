package pages

import (
	"context"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func (s *site) audits(ctx context.Context, v *visit) (page, error) {
	runs, err := s.Operations.Audits(ctx)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("operate.audits"), body: auditsBody(v, runs, s.Operations.TraceURL)}, nil
}

func (s *site) confirmAudit(_ context.Context, v *visit) (confirmation, error) {
	return confirmation{
		title: v.T("operate.audit.start"), button: v.T("operate.audit.start"), back: auditsPath, mayBe: true,
		does: []string{v.T("operate.audit.does"), v.T("operate.audit.never"), v.T("operate.audit.one")},
		do: func(ctx context.Context, reason string) (string, error) {
			return "audit-started", s.Operations.RunAudit(ctx, reason)
		},
	}, nil
}

func (s *site) confirmTotal(ctx context.Context, v *visit) (confirmation, error) {
	userID := v.param("user_id")
	if !server.IsID(userID) {
		return confirmation{}, race.ErrNotFound
	}
	total, lines, err := s.Accounts.Total(ctx, userID)
	if err != nil {
		return confirmation{}, err
	}
	d := confirmation{
		title: v.T("operate.total"), button: v.T("operate.total.button"), back: auditsPath, mayBe: true, does: []string{v.T("operate.total.does")},
		facts: [][2]string{
			{v.T("operate.user"), userID}, {v.T("operate.total.now"), v.Number(int(total))}, {v.T("operate.total.lines"), v.Number(int(lines))},
		},
	}
	d.do = func(ctx context.Context, reason string) (string, error) {
		before, after, err := s.Operations.RebuildTotal(ctx, userID, reason)
		if before == after {
			return "total-right", err
		}
		return "total-rebuilt", err
	}
	return d, nil
}
