package records

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// maxFile is the largest results file in bytes: 50,000 rows of more than 300
	// bytes.
	maxFile = 16 << 20
	// uploadTimeout is for a slow line: 16 MiB at 1.6 Mbit/s take 84 s.
	uploadTimeout = 100 * time.Second
)

type importing struct {
	store *maindb.Store
	poke  func()
}

type importInput struct {
	RaceID      string `path:"race_id"`
	ContentType string `header:"Content-Type"`
	DryRun      bool   `query:"dry_run" doc:"Show what the import would do, and change nothing."`
	Reason      string `query:"reason" maxLength:"500" doc:"Kept with the revisions and public; \"results file imported\" when empty. Required with official or override."`
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
		Description: "Plans and applies a file in one call: `POST …/imports` shows first what a file would do. Besides plain CSV and JSON it reads the formats that that call reads, " +
			"in which `-` means that no time was taken.\n\n" +
			"Columns: bib, gun_time, net_time, status, sequence. Valid rows are applied, all in one transaction; invalid rows are listed. " +
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
	sheet, err := plans.Results(r, in.Name, in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
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
				return file, server.Invalid("query.override", "must be all, or bibs separated by commas, for example 344,W16")
			}
			file.OverrideBibs = append(file.OverrideBibs, bib)
		}
	}
	if (file.Official || file.OverrideAll || len(file.OverrideBibs) > 0) && !in.DryRun && strings.TrimSpace(in.Reason) == "" {
		return file, server.Invalid("query.reason", "is required: why official standings change, or why a person's decision is overridden")
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
