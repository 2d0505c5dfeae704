package ops

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/history"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// credits lists credits that may need an operator, explains them, and retries them.
type credits struct {
	store   *maindb.Store
	ledger  *userdb.Store
	reader  *history.Reader
	repairs repair.Credits
	log     repair.Log
	links   links
	now     func() time.Time
}

func (c credits) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-credits", Method: http.MethodGet, Path: creditsPath,
		Summary: "List credits that are pending, stuck, failed, rejected or unmatched, or those of a bib",
		Description: "Pending and rejected credits are exact: the two databases decide. Failed ones come from Temporal's visibility store, which may lag " +
			"by a second or so. If Temporal does not answer, its last answer is used: as_of says how old it is, and unavailable names Temporal.",
		Errors: statusesOf(http.StatusUnprocessableEntity),
	}, c.list)
	register(api, huma.Operation{
		OperationID: "explain-credit", Method: http.MethodGet, Path: creditPath,
		Summary: "Get a record's history",
		Description: "Revisions, outbox, workflow runs with what they wait for or why they failed, ledger lines, and the first standings with the credit. " +
			"It also answers while Temporal or user_db is down, and names what is missing.",
		Errors: statusesOf(http.StatusNotFound),
	}, c.history)
	register(api, huma.Operation{
		OperationID: "retry-credit", Method: http.MethodPost, Path: creditPath + "/retry",
		Summary: "Retry a credit",
		Description: "Safe to repeat: a revision is credited exactly once. A settled credit is left alone. A lost revision is sent again, a failed workflow is started again, " +
			"and one that completed although the ledger lacks its revision is reset to its first task. A running one is reset only with confirm.",
		Errors: statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity),
	}, c.retry)
	register(api, huma.Operation{
		OperationID: "retry-credits", Method: http.MethodPost, Path: creditsPath + "/retry",
		Summary: "Retry all credits on a list",
		Description: "Retries the credits on the list, up to limit in one call: call again with next_cursor until there is none. " +
			"A credit that is pending only because it was posted a moment ago is sent a second time, which changes nothing.",
		Errors: statusesOf(http.StatusUnprocessableEntity),
	}, c.retryAll)
}

type creditsInput struct {
	server.Page
	Status    string `query:"status" example:"pending" enum:"pending,failed,rejected,stuck,unmatched" doc:"pending: the ledger does not have the latest revision. stuck: pending for longer than older_than_s. failed: pending, and the workflow was closed without completing. rejected: an outcome; correct the record or the start list. unmatched: rejected because main_db has no such record or revision. Required without bib; with it, only credits of that status."`
	Bib       string `query:"bib" maxLength:"16" doc:"Only credits of this bib, settled ones included, in the given race or in all. Leading zeros do not matter."`
	RaceID    string `query:"race_id" format:"uuid" doc:"Only credits of this race."`
	Reason    string `query:"reason" maxLength:"200" doc:"Only credits rejected for a reason that contains this."`
	OlderThan int    `query:"older_than_s" minimum:"0" maximum:"31536000" default:"600" doc:"Age of the latest revision, in seconds, from which a pending credit counts as stuck."`
}

// Listed is a credit in a list.
type Listed struct {
	RecordID    string    `json:"record_id" format:"uuid"`
	RaceID      string    `json:"race_id" format:"uuid"`
	Bib         string    `json:"bib,omitempty"`
	RaceName    string    `json:"race_name,omitempty"`
	Revision    int       `json:"revision" doc:"The latest, or of unmatched ones the one rejected."`
	Status      string    `json:"status" enum:"pending,failed,rejected,credited,unmatched,ahead" doc:"credited: with bib, or settled while this list was made. ahead: the ledger has a newer revision than main_db."`
	ChangedAt   time.Time `json:"changed_at" doc:"When the revision was made, or of unmatched ones rejected."`
	PendingFor  int64     `json:"pending_s,omitempty" doc:"Seconds since then, for a pending credit."`
	CreditedTo  int       `json:"credited_revision,omitempty" doc:"The older revision that the ledger has of a pending credit."`
	Reason      string    `json:"reason,omitempty" doc:"Why it is rejected."`
	TraceURL    string    `json:"trace_url" doc:"The revision's workflow in the Temporal Web UI."`
	HistoryPath string    `json:"explanation" doc:"Path of the record's history."`
}

type creditsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items       []Listed        `json:"items" nullable:"false" doc:"By race and record."`
		NextCursor  string          `json:"next_cursor,omitempty"`
		Counts      *history.Counts `json:"counts,omitempty" doc:"Only on the first page."`
		Matching    *int            `json:"matching,omitempty" doc:"How many there are, with status=unmatched."`
		AsOf        *time.Time      `json:"as_of,omitempty" doc:"When Temporal said which credits failed; with the first page and with status=failed."`
		Unavailable []string        `json:"unavailable,omitempty" doc:"Servers that did not answer: the failures are those of as_of and were not checked, or are unknown without as_of."`
		Detail      string          `json:"detail,omitempty" doc:"Describes what is missing."`
	}
}

// listUnmatched is the list of revisions that main_db does not have.
const listUnmatched = "unmatched"

func (in *creditsInput) check() error {
	switch {
	case in.Status == "" && in.Bib == "":
		return server.Invalid("query.status", "is required without bib")
	case in.Bib != "" && race.CheckBib(in.Bib) != nil:
		return server.Invalid("query.bib", race.CheckBib(in.Bib).Error())
	case in.Bib != "" && in.Status == listUnmatched:
		return server.Invalid("query.bib", "cannot be used with unmatched: main_db does not have the bib")
	case in.Reason != "" && (in.Status != history.ListRejected || in.Bib != ""):
		return server.Invalid("query.reason", "can only be used with status=rejected and without bib: a pending credit has no reason yet")
	}
	return nil
}

func (c credits) list(ctx context.Context, in *creditsInput) (*creditsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Status == listUnmatched {
		return c.listUnmatched(ctx, in)
	}
	var after history.Position
	if err := in.Seek(&after.RaceID, &after.RecordID); err != nil {
		return nil, err
	}
	if in.Bib != "" {
		return c.listBib(ctx, in, after)
	}
	wanted := history.Search{List: in.Status, RaceID: in.RaceID, Reason: in.Reason, OlderThan: time.Duration(in.OlderThan) * time.Second}
	page, err := c.reader.Find(ctx, wanted, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	if out.Body.Items, err = c.show(ctx, page.Hits); err != nil {
		return nil, err
	}
	out.Body.Counts, out.Body.NextCursor, out.Body.AsOf = page.Counts, nextCursor(page), server.TimeOrNil(page.FailedAsOf)
	out.nameUnavailable(page)
	return out, nil
}

func (out *creditsOutput) nameUnavailable(page history.Found) {
	if !page.Unavailable {
		return
	}
	out.Body.Unavailable = []string{history.Temporal}
	out.Body.Detail = "Temporal does not answer, so it is not known which pending credits failed. status=pending lists all pending ones."
	if !page.FailedAsOf.IsZero() {
		out.Body.Detail = "Temporal does not answer, so the failed credits are those that it reported at as_of."
	}
}

// listBib lists the credits of a bib, of one status if one is given.
func (c credits) listBib(ctx context.Context, in *creditsInput, after history.Position) (*creditsOutput, error) {
	page, err := c.reader.FindBib(ctx, in.RaceID, in.Bib, after, in.Limit)
	if err != nil {
		return nil, err
	}
	items, err := c.show(ctx, page.Hits)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	out.Body.Items, out.Body.NextCursor, out.Body.AsOf = []Listed{}, nextCursor(page), server.TimeOrNil(page.FailedAsOf)
	for _, item := range items {
		pending := item.Status == string(race.Pending) || item.Status == history.ListFailed
		switch in.Status {
		case "", item.Status:
		case history.ListPending:
			if !pending {
				continue
			}
		case history.ListStuck:
			if !pending || item.PendingFor <= int64(in.OlderThan) {
				continue
			}
		default:
			continue
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	out.nameUnavailable(page)
	return out, nil
}

// listUnmatched lists revisions that messages named and main_db does not have.
func (c credits) listUnmatched(ctx context.Context, in *creditsInput) (*creditsOutput, error) {
	var after maindb.Unmatched
	if err := in.Seek(&after.RaceID, &after.RecordID, &after.Revision); err != nil {
		return nil, err
	}
	found, total, err := c.store.Unmatched(ctx, in.RaceID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &creditsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Unmatched) []any {
		return []any{last.RaceID, last.RecordID, last.Revision}
	})
	out.Body.Matching = &total
	out.Body.Items = make([]Listed, len(found))
	for i, u := range found {
		out.Body.Items[i] = Listed{
			RecordID: u.RecordID, RaceID: u.RaceID, Revision: u.Revision, Status: listUnmatched, ChangedAt: u.RejectedAt, Reason: u.Reason,
			HistoryPath: creditsPath + "/" + u.RecordID, TraceURL: c.links.traceURL(workflows.CreditWorkflowID(u.RaceID, u.RecordID, u.Revision)),
		}
	}
	return out, nil
}

// nextCursor returns the cursor of the next page, or an empty one at the end.
func nextCursor(p history.Found) string {
	if !p.More || len(p.Hits) == 0 {
		return ""
	}
	last := p.Hits[len(p.Hits)-1]
	return server.Cursor(last.RaceID, last.RecordID)
}

// show reads what a list shows about its credits.
func (c credits) show(ctx context.Context, hits []history.Hit) ([]Listed, error) {
	ids := idsOf(hits)
	latest, err := c.store.LatestRevisionsByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	labels, err := c.store.RecordLabels(ctx, ids)
	if err != nil {
		return nil, err
	}
	credits, err := c.ledger.Credits(ctx, ids)
	if err != nil {
		return nil, &history.LedgerError{Err: err}
	}
	items := make([]Listed, len(hits))
	for i, hit := range hits {
		items[i] = c.item(hit, latest[hit.RecordID], labels[hit.RecordID], credits[hit.RecordID])
	}
	return items, nil
}

func idsOf(hits []history.Hit) []string {
	ids := make([]string, len(hits))
	for i, hit := range hits {
		ids[i] = hit.RecordID
	}
	return ids
}

func (c credits) item(hit history.Hit, record maindb.LatestRevision, label maindb.RecordLabel, credit race.Credit) Listed {
	shown := Listed{
		RecordID: hit.RecordID, RaceID: hit.RaceID, Bib: label.Bib, RaceName: label.RaceName, Revision: record.Revision, ChangedAt: record.ChangedAt,
		Status: string(race.Pending), HistoryPath: creditsPath + "/" + hit.RecordID,
		TraceURL: c.links.traceURL(workflows.CreditWorkflowID(hit.RaceID, hit.RecordID, record.Revision)),
	}
	switch reconcile.Of(record.Revision, "", credit) {
	case reconcile.Ahead:
		shown.Status, shown.Reason = string(history.Ahead), fmt.Sprintf("the ledger has revision %d, which main_db does not have", credit.Revision)
		return shown
	case reconcile.Current:
		shown.Status, shown.Reason = string(credit.Status), credit.Reason
		return shown
	case reconcile.Pending, reconcile.None, reconcile.Orphaned:
	}
	if hit.Failed {
		shown.Status = history.ListFailed
	}
	shown.CreditedTo = credit.Revision
	shown.PendingFor = int64(c.now().Sub(record.ChangedAt).Seconds())
	return shown
}
