package records

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// maxFile is the largest results file in bytes: 50,000 rows of more than 300
	// bytes.
	maxFile = 16 << 20
	// uploadTimeout is for a slow line: 16 MiB at 5 Mbit/s take 27 s.
	uploadTimeout = 40 * time.Second
)

type importing struct {
	store *maindb.Store
	poke  func()
}

type importInput struct {
	RaceID      string `path:"race_id"`
	ContentType string `header:"Content-Type"`
	DryRun      bool   `query:"dry_run" doc:"Answer what the import would do, and change nothing."`
	Reason      string `query:"reason" maxLength:"500" doc:"Kept with the revisions; \"results file imported\" when empty. Required with official or override."`
	Official    bool   `query:"official" doc:"Let the file change a race whose standings are official."`
	Override    string `query:"override" maxLength:"4000" example:"344,W16" doc:"Let the file change what a person has decided: all, or the bibs of the rows that may, separated by commas."`
	Name        string `query:"name" maxLength:"255" example:"results-final.csv" doc:"The name of the file, kept with the import."`
	RawBody     []byte `contentType:"text/csv"`
}

type importOutput struct {
	Body struct {
		maindb.Imported
		Errors         []imports.RowError      `json:"errors" nullable:"false" doc:"Rows that were left out, and why."`
		Ignored        []string                `json:"ignored_columns,omitempty" doc:"Columns that are not known and were ignored."`
		IgnoredSamples []imports.IgnoredColumn `json:"ignored_samples,omitempty" doc:"The same columns, each with its first value."`
	}
}

func (i importing) register(api huma.API) {
	op := huma.Operation{
		OperationID: "import-official-records", Method: http.MethodPost, Path: recordsPath + "/import",
		Summary: "Import official results from a CSV or JSON file", Tags: []string{tag},
		Description: "Columns: bib, gun_time, net_time, status, sequence. Valid rows are applied, all in one transaction; invalid rows are listed. " +
			"Sending the same file again changes nothing.\n\n" +
			"A missing column or an empty cell leaves a record's value unchanged; `-` clears it. " +
			"Only a row that states a status changes the status: a time for a record with the status DNF or DQ is added without changing the status, " +
			"DNS clears the times, and a time for a record with the status DNS must come with a status. " +
			"A status word in the cell of a time states the status.\n\n" +
			"What a person has decided (a correction, a removal, a disqualification with a reason) is kept: " +
			"such rows are listed under `kept` unless `override` names them. " +
			"A time without a status counts as a finish for somebody whom a person has taken out. " +
			"A file may change a race whose standings are official only with `official=true`. Both parameters need a reason. " +
			"A file that would leave finishers without a time that ranks is refused as a whole. " +
			"So is a request that is repeated under its Idempotency-Key, without an answer to give again, after another file was imported (409). " +
			"Rows with a time that nobody can have run are listed under `implausible`: their records are kept, but neither ranked nor credited " +
			"until the time is corrected or confirmed.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxFile, BodyReadTimeout: uploadTimeout,
		SkipValidateBody: true, // the file is validated row by row instead
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}},
		}},
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		},
	}
	server.Register(api, op, i.handle)
}

func (i importing) handle(ctx context.Context, in *importInput) (*importOutput, error) {
	r := server.RaceFrom(ctx)
	sheet, err := imports.Results(bytes.NewReader(in.RawBody), in.ContentType, imports.DefaultMaxRows)
	if err != nil {
		return nil, imports.Problem(err)
	}
	file, err := in.file(ctx, r.ID, sheet.Rows)
	if err != nil {
		return nil, err
	}
	imported, err := i.carryOut(ctx, in, file)
	if conflict, ok := errors.AsType[*race.ConflictError](err); ok && conflict.Field == "official" {
		return nil, huma.Error409Conflict(conflict.Message, &huma.ErrorDetail{Location: "query.official", Message: conflict.Message})
	}
	if errors.Is(err, maindb.ErrNoRankingTime) {
		return nil, imports.Problem(imports.NoRankingTime(sheet.Headers, r.Ranking.Basis))
	}
	if err != nil {
		return nil, err
	}
	out := &importOutput{}
	out.Body.Imported = imported
	out.Body.Ignored, out.Body.IgnoredSamples = imports.Names(sheet.IgnoredColumns), sheet.IgnoredColumns
	out.Body.Errors = append([]imports.RowError{}, sheet.Errors...)
	for _, refused := range imported.Refused {
		for _, wrong := range refused.Wrong {
			out.Body.Errors = append(out.Body.Errors, imports.RowError{Row: refused.Row, Field: wrong.Field, Message: wrong.Message})
		}
	}
	slices.SortStableFunc(out.Body.Errors, func(a, b imports.RowError) int { return cmp.Compare(a.Row, b.Row) })
	return out, nil
}

func (in *importInput) file(ctx context.Context, raceID string, rows []race.ResultRow) (maindb.ResultsFile, error) {
	file := maindb.ResultsFile{
		ImportID: server.ResourceID(ctx), RaceID: raceID, Rows: rows, Name: strings.TrimSpace(in.Name),
		Hash: sha256.Sum256(in.RawBody), Official: in.Official, RetryOf: server.RetryOf(ctx),
	}
	switch override := strings.TrimSpace(in.Override); {
	case override == "":
	case strings.EqualFold(override, "all"):
		file.OverrideAll = true
	default:
		for bib := range strings.SplitSeq(override, ",") {
			bib = strings.TrimSpace(bib)
			if race.CheckBib(bib) != nil {
				return file, invalidQuery("override", "must be all, or bibs separated by commas, for example 344,W16")
			}
			file.OverrideBibs = append(file.OverrideBibs, bib)
		}
	}
	if (file.Official || file.OverrideAll || len(file.OverrideBibs) > 0) && !in.DryRun && strings.TrimSpace(in.Reason) == "" {
		return file, invalidQuery("reason", "is required: why official standings change, or why a person's decision is overridden")
	}
	return file, nil
}

func (i importing) carryOut(ctx context.Context, in *importInput, file maindb.ResultsFile) (maindb.Imported, error) {
	if in.DryRun {
		return i.store.PreviewImport(ctx, file)
	}
	imported, err := i.store.ImportResults(ctx, file,
		maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: strings.TrimSpace(in.Reason)})
	if err == nil && imported.Added+imported.Changed > 0 {
		i.poke()
	}
	return imported, err
}

const importsPath = "/v1/races/{race_id}/imports"

// imported serves the calls about the files that were applied to a race.
type imported struct {
	store *maindb.Store
	poke  func()
}

// ImportSummary is an import as the list shows it. It is exported for huma,
// which does not look into embedded types that are not.
type ImportSummary struct {
	ImportID   string    `json:"import_id" format:"uuid"`
	Kind       string    `json:"kind" enum:"results"`
	Status     string    `json:"status" enum:"applied,undone"`
	FileName   string    `json:"file_name,omitempty"`
	FileHash   string    `json:"file_hash" doc:"SHA-256 of the file, in hexadecimal."`
	Reason     string    `json:"reason,omitempty"`
	ImportedBy string    `json:"imported_by" doc:"User ID."`
	ImportedAt time.Time `json:"imported_at"`
	Counts     struct {
		Added      int `json:"added"`
		Changed    int `json:"changed"`
		Unchanged  int `json:"unchanged"`
		Kept       int `json:"kept"`
		UnknownBib int `json:"unknown_bib"`
	} `json:"counts"`
	UndoneBy   string     `json:"undone_by,omitempty" doc:"User ID."`
	UndoneAt   *time.Time `json:"undone_at,omitempty"`
	UndoReason string     `json:"undo_reason,omitempty"`
}

func summaryOf(i maindb.RaceImport) ImportSummary {
	shown := ImportSummary{
		ImportID: i.ID, Kind: i.Kind, Status: i.Status, FileName: i.FileName, FileHash: i.FileHash, Reason: i.Reason,
		ImportedBy: i.By, ImportedAt: i.At, UndoneBy: i.UndoneBy, UndoReason: i.UndoReason,
	}
	shown.Counts.Added, shown.Counts.Changed, shown.Counts.Unchanged = i.Outcome.Added, i.Outcome.Changed, i.Outcome.Unchanged
	shown.Counts.Kept, shown.Counts.UnknownBib = i.Outcome.KeptTotal, i.Outcome.UnknownTotal
	if !i.UndoneAt.IsZero() {
		shown.UndoneAt = &i.UndoneAt
	}
	return shown
}

type importListInput struct {
	server.Page
	RaceID string `path:"race_id"`
}

type importListOutput struct {
	Body struct {
		Items      []ImportSummary `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string          `json:"next_cursor,omitempty"`
	}
}

// ImportPath is embedded in the inputs of calls about one import. It is exported
// for huma, which does not look into embedded types that are not.
type ImportPath struct {
	RaceID   string `path:"race_id"`
	ImportID string `path:"import_id"`
}

type importShownOutput struct {
	Body struct {
		ImportSummary
		Outcome maindb.Imported `json:"outcome" doc:"The answer that the import got."`
	}
}

type undoInput struct {
	ImportPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"file of another race" doc:"Kept with the revisions."`
	}
}

type undoOutput struct {
	Body ImportSummary
}

func (i imported) register(api huma.API) {
	errs := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}
	server.Register(api, huma.Operation{
		OperationID: "list-imports", Method: http.MethodGet, Path: importsPath,
		Summary: "List the files that were imported into a race", Tags: []string{tag},
		Description: "Files that changed nothing are not kept.", Errors: errs,
	}, i.list)
	server.Register(api, huma.Operation{
		OperationID: "get-import", Method: http.MethodGet, Path: importsPath + "/{import_id}",
		Summary: "Look up an import", Tags: []string{tag}, Errors: errs,
	}, i.get)
	server.Register(api, huma.Operation{
		OperationID: "undo-import", Method: http.MethodPost, Path: importsPath + "/{import_id}/undo",
		Summary: "Undo an import as a whole", Tags: []string{tag},
		Description: "Records that it changed get their former result back, as a new revision, and records that it added are removed. " +
			"Refused (409, with the records) if one of them has been changed since; if another import changed it, undo that import first. " +
			"Undoing it again changes nothing.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: append(errs, http.StatusConflict),
	}, i.undo)
}

func (i imported) list(ctx context.Context, in *importListInput) (*importListOutput, error) {
	before := ""
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := i.store.RaceImports(ctx, server.RaceFrom(ctx).ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &importListOutput{}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.RaceImport) []any { return []any{last.ID} })
	out.Body.Items = make([]ImportSummary, len(found))
	for n := range found {
		out.Body.Items[n] = summaryOf(found[n])
	}
	return out, nil
}

func (i imported) get(ctx context.Context, in *ImportPath) (*importShownOutput, error) {
	if !server.IsID(in.ImportID) {
		return nil, race.ErrNotFound
	}
	found, err := i.store.RaceImport(ctx, server.RaceFrom(ctx).ID, in.ImportID)
	if err != nil {
		return nil, err
	}
	out := &importShownOutput{}
	out.Body.ImportSummary, out.Body.Outcome = summaryOf(found), found.Outcome
	return out, nil
}

func (i imported) undo(ctx context.Context, in *undoInput) (*undoOutput, error) {
	if !server.IsID(in.ImportID) {
		return nil, race.ErrNotFound
	}
	var wrong fieldErrors
	change := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: wrong.parseReason(in.Body.Reason)}
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	found, undone, err := i.store.UndoImport(ctx, server.RaceFrom(ctx).ID, in.ImportID, change)
	if changed, ok := errors.AsType[*maindb.ImportChangedError](err); ok {
		return nil, changedSince(changed)
	}
	if err != nil {
		return nil, err
	}
	if undone {
		i.poke()
	}
	return &undoOutput{Body: summaryOf(found)}, nil
}

// changedSince returns the error that lists the records that prevent an undo.
func changedSince(changed *maindb.ImportChangedError) error {
	var records []error
	for _, r := range changed.Changed {
		records = append(records, &huma.ErrorDetail{
			Location: "official-records/" + r.RecordID,
			Message:  fmt.Sprintf("bib %s has been changed since: it is at revision %d", r.Bib, r.Revision),
		})
	}
	return huma.Error409Conflict(fmt.Sprintf("the import cannot be undone: %d of its records have been changed since", changed.Total), records...)
}
