package records

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// maxFile is the largest results file in bytes: 50,000 rows of over 300.
	maxFile = 16 << 20
	// uploadTimeout is for a slow line: 16 MiB at 5 Mbit/s take 27 s.
	uploadTimeout = 40 * time.Second
)

type importer interface {
	// ImportResults does all of it or nothing. An empty reason is given one.
	ImportResults(ctx context.Context, raceID string, results []race.Result, change maindb.Change) (maindb.Imported, error)
	// PreviewImport says what ImportResults would do.
	PreviewImport(ctx context.Context, raceID string, results []race.Result) (maindb.Imported, error)
}

type importing struct {
	store importer
	poke  func()
}

type importInput struct {
	RaceID      string `path:"race_id"`
	ContentType string `header:"Content-Type"`
	DryRun      bool   `query:"dry_run" doc:"Tell what would happen, and change nothing."`
	Reason      string `query:"reason" maxLength:"500" doc:"Kept with the revisions; \"results file imported\" when empty."`
	RawBody     []byte `contentType:"text/csv"`
}

type importOutput struct {
	Body struct {
		Added     int                `json:"added" doc:"Records posted."`
		Changed   int                `json:"changed" doc:"Records that got a new revision."`
		Unchanged int                `json:"unchanged" doc:"Rows that say what the record says already."`
		Errors    []imports.RowError `json:"errors" nullable:"false" doc:"Rows that were left out, and why."`
		Ignored   []string           `json:"ignored_columns,omitempty" doc:"Columns that mean nothing here."`
	}
}

func (i importing) register(api huma.API) {
	op := huma.Operation{
		OperationID: "import-official-records", Method: http.MethodPost, Path: recordsPath + "/import",
		Summary: "Import official results from a CSV or JSON file", Tags: []string{tag},
		Description: "Good rows go in, all at once; bad rows are listed. A row whose bib has a record replaces its result. " +
			"The same file again changes nothing. Columns: bib, gun_time, net_time, status, sequence.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxFile, BodyReadTimeout: uploadTimeout,
		SkipValidateBody: true, // the reader of files does it, row by row
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}},
		}},
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
			http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		},
	}
	server.Register(api, op, i.handle)
}

func (i importing) handle(ctx context.Context, in *importInput) (*importOutput, error) {
	sheet, err := imports.Results(bytes.NewReader(in.RawBody), in.ContentType, imports.DefaultMaxRows)
	if err != nil {
		return nil, imports.Problem(err)
	}
	results := make([]race.Result, len(sheet.Rows))
	for n, row := range sheet.Rows {
		results[n] = row.Result
	}
	imported, err := i.carryOut(ctx, in, results)
	if err != nil {
		return nil, err
	}
	out := &importOutput{}
	out.Body.Added, out.Body.Changed, out.Body.Unchanged = imported.Added, imported.Changed, imported.Unchanged
	out.Body.Errors, out.Body.Ignored = sheet.Errors, sheet.IgnoredColumns
	if out.Body.Errors == nil {
		out.Body.Errors = []imports.RowError{}
	}
	return out, nil
}

func (i importing) carryOut(ctx context.Context, in *importInput, results []race.Result) (maindb.Imported, error) {
	raceID := server.RaceFrom(ctx).ID
	if in.DryRun {
		return i.store.PreviewImport(ctx, raceID, results)
	}
	imported, err := i.store.ImportResults(ctx, raceID, results,
		maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: strings.TrimSpace(in.Reason)})
	if err == nil && imported.Added+imported.Changed > 0 {
		i.poke()
	}
	return imported, err
}
