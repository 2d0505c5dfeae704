package races

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// maxStartList is the longest file in bytes: 50,000 rows of 300.
	maxStartList = 16 << 20
	// startListTimeout is how long a caller on a slow line may take to send one.
	startListTimeout = 45 * time.Second
)

type startListStore interface {
	EnteredInPerson(ctx context.Context, raceID string) (userIDs []string, err error)
	// PlanStartList and ImportStartList return race.ErrNotFound when the race is
	// gone.
	PlanStartList(ctx context.Context, raceID string, rows []maindb.StartListRow) ([]maindb.PlannedRow, error)
	// ImportStartList returns a *race.ConflictError when planned is outdated.
	ImportStartList(ctx context.Context, raceID string, rows []maindb.StartListRow, planned []maindb.PlannedRow) (revised int, err error)
}

// startLists imports start lists.
type startLists struct {
	store    startListStore
	runners  *userdb.Accounts
	standIns imports.StandIns
	poke     func()
}

type startListInput struct {
	RacePath
	DryRun      bool   `query:"dry_run" doc:"Show what the import would do, and change nothing."`
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"text/csv"`
}

type startListOutput struct {
	Body struct {
		Added          int                     `json:"added"`
		Changed        int                     `json:"changed"`
		Unchanged      int                     `json:"unchanged"`
		Errors         []imports.RowError      `json:"errors" nullable:"false" doc:"The rows that were not imported. In CSV the header is row 1; in JSON the first item is row 1."`
		IgnoredColumns []string                `json:"ignored_columns,omitempty" nullable:"false" doc:"Columns of the file that are not known and were ignored."`
		IgnoredSamples []imports.IgnoredColumn `json:"ignored_samples,omitempty" nullable:"false" doc:"The same columns, each with its first value."`
	}
}

func (s startLists) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "import-start-list", Method: http.MethodPost, Path: "/v1/races/{race_id}/participants/import",
		DefaultStatus: http.StatusOK, Summary: "Import a start list", Tags: []string{entriesTag},
		Description: "CSV with a header, or a JSON array of objects, of up to 50,000 rows: bib, name (or first_name and last_name), sex, " +
			"age or birth_date, field, team, login_id. Good rows go in, bad rows come back. A row finds its entry by the login_id of a runner who entered " +
			"the race themselves (and has confirmed it, if it is an e-mail address), else by bib; what it leaves out stays as it is, and `-` clears name, sex, age, birth_date or team; the field of a new " +
			"entry is then runner, and `-` makes it runner. Any other login_id invites: the row's own data count, and the person with that login may accept " +
			"the result (GET /v1/me/claims). Whether the login exists makes no difference to any answer. A bib is not taken from a runner who entered in " +
			"person or accepted its result. The formats of `POST …/imports` are read too. Records of corrected bibs are credited again. Sending the same file again changes nothing.",
		MaxBodyBytes: maxStartList, BodyReadTimeout: startListTimeout,
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{
			"application/json": {Example: []map[string]any{{"bib": "1234", "name": "Ada Example", "sex": "F", "birth_date": "1980-05-01"}}},
		}},
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		},
	}, s.handle)
}

func (s startLists) handle(ctx context.Context, in *startListInput) (*startListOutput, error) {
	raceID := server.RaceFrom(ctx).ID
	sheet, err := plans.StartList(server.RaceFrom(ctx), "", in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	list, err := s.standIns.Resolve(ctx, raceID, sheet.Rows)
	if err != nil {
		return nil, err
	}
	planned, err := s.store.PlanStartList(ctx, raceID, list.Entries)
	if err != nil {
		return nil, err
	}
	corrections := list.Corrections(planned)
	if !in.DryRun {
		if err := s.carryOut(ctx, raceID, list, planned, corrections); err != nil {
			return nil, err
		}
	}
	out := &startListOutput{}
	out.Body.IgnoredColumns, out.Body.IgnoredSamples = imports.Names(sheet.IgnoredColumns), sheet.IgnoredColumns
	out.Body.Errors = append(append([]imports.RowError{}, sheet.Errors...), list.Errors...)
	for i, p := range planned {
		_, corrected := corrections[list.Entries[i].StandIn.UserID]
		switch {
		case p.Outcome == maindb.RowRefused:
			out.Body.Errors = append(out.Body.Errors, rowErrors(list.Rows[i].Row, p.Wrong)...)
		case p.Outcome == maindb.RowAdded:
			out.Body.Added++
		case p.Outcome == maindb.RowChanged || corrected:
			out.Body.Changed++
		default:
			out.Body.Unchanged++
		}
	}
	slices.SortStableFunc(out.Body.Errors, func(a, b imports.RowError) int { return cmp.Compare(a.Row, b.Row) })
	return out, nil
}

// carryOut writes what was planned, the accounts first: after a crash between
// the two databases there are accounts without entries, and the same file again
// finds them by their IDs.
func (s startLists) carryOut(ctx context.Context, raceID string, list *imports.ResolvedList, planned []maindb.PlannedRow, corrections map[string]userdb.Runner) error {
	standIns, _ := list.InOrder(corrections)
	if err := s.runners.EnsureRunners(ctx, standIns); err != nil {
		return err
	}
	writes := func(p maindb.PlannedRow) bool {
		return p.Outcome == maindb.RowAdded || p.Outcome == maindb.RowChanged
	}
	if !slices.ContainsFunc(planned, writes) && len(corrections) == 0 {
		return nil
	}
	revised, err := s.store.ImportStartList(ctx, raceID, list.Entries, planned)
	if err != nil {
		return err
	}
	if revised > 0 {
		s.poke()
	}
	return nil
}

func rowErrors(row int, wrong []race.FieldError) []imports.RowError {
	errors := make([]imports.RowError, len(wrong))
	for i, w := range wrong {
		errors[i] = imports.RowError{Row: row, Field: w.Field, Message: w.Message}
	}
	return errors
}
