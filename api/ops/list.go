package ops

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// list shows credits that may need an operator.
type list struct {
	finder finder
	links  links
	now    func() time.Time
	log    *slog.Logger
}

type creditsInput struct {
	server.Page
	Status    string `query:"status" required:"true" enum:"pending,failed,rejected,stuck" doc:"pending: the ledger does not have the latest revision. stuck: pending for longer than older_than_s. failed: pending, and the workflow ended otherwise than by completing. rejected: an answer, which a correction heals."`
	RaceID    string `query:"race_id" format:"uuid" doc:"Only credits of this race."`
	Reason    string `query:"reason" maxLength:"200" doc:"Only credits rejected for a reason that contains this."`
	OlderThan int    `query:"older_than_s" minimum:"0" maximum:"31536000" default:"600" doc:"Seconds since the change from when on a pending credit is stuck."`
}

// listed is a credit as a list shows it.
type listed struct {
	RecordID        string    `json:"record_id" format:"uuid"`
	RaceID          string    `json:"race_id" format:"uuid"`
	Revision        int       `json:"revision" doc:"The latest."`
	Status          string    `json:"status" enum:"pending,failed,rejected,credited" doc:"Credited: it was settled while this list was made."`
	ChangedAt       time.Time `json:"changed_at" doc:"When the revision was made."`
	PendingFor      int64     `json:"pending_s,omitempty" doc:"Seconds since then, of a pending credit."`
	CreditedUpTo    int       `json:"credited_revision,omitempty" doc:"The older revision that the ledger has of a pending credit."`
	Reason          string    `json:"reason,omitempty" doc:"Why it is rejected."`
	TraceURL        string    `json:"trace_url" doc:"The workflow of the revision in the Temporal Web UI."`
	ExplanationPath string    `json:"explanation" doc:"Path of the whole story."`
}

type creditsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items       []listed `json:"items" nullable:"false" doc:"By race and record."`
		NextCursor  string   `json:"next_cursor,omitempty"`
		Counts      *counts  `json:"counts,omitempty" doc:"With the first page."`
		Unavailable []string `json:"unavailable,omitempty" doc:"Parts that did not answer."`
	}
}

func (l list) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-credits", Method: http.MethodGet, Path: listPath,
		Summary: "List credits that are pending, stuck, failed or rejected",
		Description: "What is pending or rejected is exact: it comes from the two databases, which are compared by sums of each race first. " +
			"What failed comes from Temporal's search, checked against both, and may be a second or so behind.",
		Errors: []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, l.handle)
}

func (l list) handle(ctx context.Context, in *creditsInput) (*creditsOutput, error) {
	after, err := parsePosition(in.Cursor)
	if err != nil {
		return nil, err
	}
	if in.Reason != "" && in.Status != listRejected {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
			Location: "query.reason", Message: "is for status=rejected: a credit that is pending has no reason yet",
		})
	}
	wanted := search{list: in.Status, raceID: in.RaceID, reason: in.Reason, olderThan: time.Duration(in.OlderThan) * time.Second}
	page, down, err := l.finder.find(ctx, wanted, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	if down != nil {
		l.log.WarnContext(ctx, "failed workflows cannot be searched", "error", down)
		out.Body.Unavailable = []string{partTemporal}
	}
	if out.Body.Items, err = l.show(ctx, page.hits); err != nil {
		return nil, err
	}
	out.Body.Counts, out.Body.NextCursor = page.counts, page.next()
	return out, nil
}

// next is the cursor of the page behind this one, empty at the end.
func (p found) next() string {
	if !p.more || len(p.hits) == 0 {
		return ""
	}
	last := p.hits[len(p.hits)-1]
	return server.EncodeCursor(last.raceID, last.recordID)
}

func parsePosition(cursor string) (position, error) {
	parts, err := server.DecodeCursor(cursor, 2)
	if err != nil || parts == nil {
		return position{}, err
	}
	if !isID(parts[0]) || !isID(parts[1]) {
		return position{}, server.BadCursor()
	}
	return position{raceID: parts[0], recordID: parts[1]}, nil
}

// show reads what a list says of its credits.
func (l list) show(ctx context.Context, hits []hit) ([]listed, error) {
	ids := idsOf(hits)
	latest, err := l.finder.records.LatestRevisionsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	credits, err := l.finder.ledger.Credits(ctx, ids)
	if err != nil {
		return nil, err
	}
	items := make([]listed, len(hits))
	for i, h := range hits {
		items[i] = l.item(h, latest[h.recordID], credits[h.recordID])
	}
	return items, nil
}

func idsOf(hits []hit) []string {
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.recordID
	}
	return ids
}

func (l list) item(h hit, record maindb.LatestRevision, credit race.Credit) listed {
	shown := listed{
		RecordID: h.recordID, RaceID: h.raceID, Revision: record.Revision, ChangedAt: record.ChangedAt,
		Status: string(race.Pending), TraceURL: l.links.credit(h.raceID, h.recordID, record.Revision),
		ExplanationPath: listPath + "/" + h.recordID,
	}
	if credit.Revision >= record.Revision {
		shown.Status, shown.Reason = string(credit.Status), credit.Reason
		return shown
	}
	if h.failed {
		shown.Status = listFailed
	}
	shown.CreditedUpTo = credit.Revision
	shown.PendingFor = int64(l.now().Sub(record.ChangedAt).Seconds())
	return shown
}
