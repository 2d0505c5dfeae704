package standings

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

type results struct {
	store      *maindb.Store
	databases  reconcile.Databases
	board      *board
	workflowID func(raceID, recordID string, revision int) string
	traceURL   func(workflowID string) string
}

type resultsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"The most races to return."`
	Cursor string `query:"cursor" maxLength:"500" doc:"next_cursor of the page before; empty for the first."`
}

// OwnCredit is what a result gave.
type OwnCredit struct {
	Status   string      `json:"status" enum:"pending,credited,rejected"`
	Points   *int64      `json:"points,omitempty"`
	Reason   string      `json:"reason,omitempty" doc:"Why there are no points."`
	Parts    *race.Parts `json:"parts,omitempty" doc:"What the points were computed from. Left out where there was nothing to compute, and in credits from before this was kept."`
	TraceURL string      `json:"trace_url" doc:"The workflow that credits the record, in the Temporal Web UI."`
}

// OwnResult is an official result of the caller.
type OwnResult struct {
	RaceID    string  `json:"race_id" format:"uuid"`
	Race      string  `json:"race"`
	Date      string  `json:"date" format:"date"`
	DistanceM float64 `json:"distance_m"`
	RecordID  string  `json:"record_id" format:"uuid"`
	Revision  int     `json:"revision"`
	Field     string  `json:"field" enum:"runner,wheelchair,handcycle"`
	Bib       string  `json:"bib"`
	Status    string  `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	GunTime   string  `json:"gun_time,omitempty"`
	NetTime   string  `json:"net_time,omitempty"`
	Basis     string  `json:"basis" enum:"gun,net" doc:"The clock whose time ranks the race overall."`

	Place         int    `json:"place,omitempty" doc:"The place in the latest standings; left out while they do not include the record, and for results without a place."`
	Finishers     int    `json:"finishers,omitempty" doc:"How many have a place in the same field."`
	SexPlace      int    `json:"sex_place,omitempty"`
	Division      string `json:"division,omitempty"`
	DivisionPlace int    `json:"division_place,omitempty"`
	Version       int    `json:"version,omitempty" doc:"The version of the standings that the places are from."`
	Standings     string `json:"standings" enum:"none,provisional,official"`

	Credit OwnCredit `json:"credit"`
}

type resultsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []OwnResult `json:"items" nullable:"false" doc:"The newest race first."`
		NextCursor string      `json:"next_cursor,omitempty"`
	}
}

func (r results) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "list-my-results", Method: http.MethodGet, Path: "/v1/me/results",
		Summary: "List your official results with places and points", Tags: []string{tag},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}, r.handle)
}

// Own returns a part of the caller's official results, the newest race first, and the
// cursor of the next part, empty after the last.
func (r *Reader) Own(ctx context.Context, limit int, cursor string) ([]OwnResult, string, error) {
	out, err := r.own.handle(ctx, &resultsInput{Limit: limit, Cursor: cursor})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

func (r results) handle(ctx context.Context, in *resultsInput) (*resultsOutput, error) {
	var after maindb.RacePosition
	page := server.Page{Limit: in.Limit, Cursor: in.Cursor}
	if err := page.Seek(&after.Date, &after.ID); err != nil {
		return nil, err
	}
	userID := server.CallerFrom(ctx).UserID
	own, err := r.store.ResultsOf(ctx, userID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &resultsOutput{CacheControl: cacheNone}
	out.Body.Items = []OwnResult{}
	own, out.Body.NextCursor = server.Cut(page, own, func(last maindb.OwnResult) []any { return []any{last.Race.Date, last.Race.ID} })
	records := make([]race.Record, len(own))
	for i, o := range own {
		records[i] = o.Record
	}
	credits, err := r.databases.Credits(ctx, records)
	if err != nil {
		return nil, err
	}
	for i, o := range own {
		shown := resultOf(o)
		shown.Credit = r.creditOf(o.Record, credits[i])
		if err := r.place(ctx, &shown, userID); err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}

func resultOf(o maindb.OwnResult) OwnResult {
	return OwnResult{
		RaceID: o.Race.ID, Race: o.Race.Name, Date: o.Race.Date.String(), DistanceM: o.Race.Distance.Metres(),
		RecordID: o.Record.ID, Revision: o.Record.Revision, Field: string(o.Field), Bib: o.Record.Result.Bib,
		Status: string(o.Record.Result.Status), GunTime: o.Record.Result.Gun.String(), NetTime: o.Record.Result.Net.String(), Basis: string(o.Race.Ranking.Basis),
		Standings: "none",
	}
}

// creditOf is pending unless the ledger has the outcome of the record as it is.
func (r results) creditOf(record race.Record, credit reconcile.Credit) OwnCredit {
	if credit.State != reconcile.Current {
		return OwnCredit{
			Status:   string(race.Pending),
			TraceURL: r.traceURL(r.workflowID(record.RaceID, record.ID, record.Revision)),
		}
	}
	shown := OwnCredit{Status: string(credit.Credit.Status), Reason: credit.Reason, TraceURL: r.traceURL(credit.WorkflowID)}
	if credit.Credit.Status == race.Credited {
		shown.Points, shown.Parts = &credit.Points, credit.Parts
	}
	return shown
}

// place finds the record in the latest standings of its race.
func (r results) place(ctx context.Context, shown *OwnResult, userID string) error {
	latest, err := r.board.latest(ctx, shown.RaceID)
	if err != nil || latest.Version == 0 {
		return err
	}
	version, err := r.board.load(ctx, shown.RaceID, latest.Version)
	if err != nil {
		return err
	}
	shown.Standings, shown.Version = string(version.Status), version.Version
	for i := range version.rows {
		row := &version.rows[i]
		if row.RecordID != shown.RecordID || row.UserID != userID {
			continue
		}
		shown.Place, shown.SexPlace = row.Place, row.SexPlace
		shown.Division, shown.DivisionPlace = row.Division, row.DivisionPlace
		shown.Finishers = standings.Finishers(version.rows, row.Field)
	}
	return nil
}
