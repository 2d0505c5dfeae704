package accounts

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type points struct {
	store    *userdb.Accounts
	traceURL func(workflowID string) string
}

type pointsInput struct {
	server.Page
}

type pointItem struct {
	RaceID    string      `json:"race_id"`
	RecordID  string      `json:"record_id"`
	Revision  int         `json:"revision" doc:"Revision of the official record."`
	Points    int64       `json:"points" doc:"Negative where a correction takes points back."`
	Rule      string      `json:"rule" example:"agegrade"`
	Edition   string      `json:"edition" example:"2025"`
	Reason    string      `json:"reason" doc:"Why points were taken back or why there are none; empty otherwise."`
	Parts     *race.Parts `json:"parts,omitempty" doc:"What the points were computed from. Left out where there was nothing to compute, where points are taken back, and in lines from before this was kept."`
	CreatedAt time.Time   `json:"created_at"`
	TraceURL  string      `json:"trace_url" doc:"The workflow that credited this, in the Temporal Web UI."`
}

type pointsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		TotalPoint int64       `json:"total_point" doc:"The sum of all entries."`
		Items      []pointItem `json:"items" nullable:"false" doc:"The entries of the ledger, newest first."`
		NextCursor string      `json:"next_cursor,omitempty"`
	}
}

func (p points) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "get-my-points", Method: http.MethodGet, Path: "/v1/me/points",
		Summary: "Get your points", Tags: []string{tag},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}, p.handle)
}

func (p points) handle(ctx context.Context, in *pointsInput) (*pointsOutput, error) {
	var before int64
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := p.store.Points(ctx, server.CallerFrom(ctx).UserID, before, in.Limit+1)
	if err != nil {
		return nil, gone(err)
	}
	out := &pointsOutput{CacheControl: noStore}
	out.Body.TotalPoint, out.Body.Items = found.Total, []pointItem{}
	var lines []userdb.PointLine
	lines, out.Body.NextCursor = server.Cut(in.Page, found.Lines, func(last userdb.PointLine) []any { return []any{last.ID} })
	for _, line := range lines {
		out.Body.Items = append(out.Body.Items, pointItem{
			RaceID: line.RaceID, RecordID: line.RecordID, Revision: line.Revision, Points: line.Points,
			Rule: line.Rule, Edition: line.Edition, Reason: line.Reason, Parts: line.Parts, CreatedAt: line.CreatedAt,
			TraceURL: p.traceURL(line.WorkflowID),
		})
	}
	return out, nil
}
