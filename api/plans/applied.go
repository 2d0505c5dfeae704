package plans

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// ImportSummary is an import as the list shows it. It is exported for huma,
// which does not look into embedded types that are not.
type ImportSummary struct {
	ImportID   string    `json:"import_id" format:"uuid"`
	Kind       string    `json:"kind" enum:"start_list,results,both"`
	Status     string    `json:"status" enum:"planned,applied,undone"`
	FileName   string    `json:"file_name,omitempty"`
	FileHash   string    `json:"file_hash" doc:"SHA-256 of the file, in hexadecimal."`
	Hash       string    `json:"hash,omitempty" doc:"The plan's hash. Left out for imports that were not planned."`
	Reason     string    `json:"reason,omitempty"`
	ImportedBy string    `json:"imported_by" doc:"User ID of who applied it, or planned it so far."`
	ImportedAt time.Time `json:"imported_at"`
	Counts     struct {
		Added      int `json:"added"`
		Changed    int `json:"changed"`
		Unchanged  int `json:"unchanged"`
		Kept       int `json:"kept"`
		UnknownBib int `json:"unknown_bib"`
	} `json:"counts" doc:"Numbers of records."`
	KeptUntil  *time.Time `json:"kept_until,omitempty" doc:"How long the plan, or the file of an applied import, is kept."`
	UndoneBy   string     `json:"undone_by,omitempty" doc:"User ID."`
	UndoneAt   *time.Time `json:"undone_at,omitempty"`
	UndoReason string     `json:"undo_reason,omitempty"`
}

func summaryOf(i maindb.RaceImport) ImportSummary {
	shown := ImportSummary{
		ImportID: i.ID, Kind: i.Kind, Status: i.Status, FileName: i.FileName, FileHash: i.FileHash, Hash: i.Hash, Reason: i.Reason,
		ImportedBy: i.By, ImportedAt: i.At, UndoneBy: i.UndoneBy, UndoReason: i.UndoReason,
	}
	shown.Counts.Added, shown.Counts.Changed, shown.Counts.Unchanged = i.Outcome.Added, i.Outcome.Changed, i.Outcome.Unchanged
	shown.Counts.Kept, shown.Counts.UnknownBib = i.Outcome.KeptTotal, i.Outcome.UnknownTotal
	if !i.UndoneAt.IsZero() {
		shown.UndoneAt = &i.UndoneAt
	}
	if !i.KeptUntil.IsZero() {
		shown.KeptUntil = &i.KeptUntil
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
		Outcome maindb.Imported `json:"outcome" doc:"What it did to records, or would do."`
		Plan    *ImportPlan     `json:"plan,omitempty" doc:"As it was answered, while it is kept."`
	}
}

type rowsInput struct {
	server.Page
	ImportPath
	Action string `query:"action" enum:"added,changed,unchanged,implausible,unknown_bib,kept,name_mismatch,error,skipped" doc:"Only rows with this action."`
}

type rowsOutput struct {
	Body struct {
		Items      []FileRow `json:"items" nullable:"false" doc:"In the order of the file."`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

type fileOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               []byte
}

type applyInput struct {
	ImportPath
	Body Application
}

// Application is the body of the call that applies a plan.
type Application struct {
	Hash     string `json:"hash" minLength:"1" maxLength:"64" example:"5c1f3f0f1c5f0a3be3f5d5a9d2f8a6b3f0a1c2d3e4f5061728394a5b6c7d8e9f" doc:"The plan's hash."`
	Reason   string `json:"reason,omitempty" maxLength:"500" example:"corrected by the timekeeper" doc:"Kept with the revisions and public. Required with official or override."`
	Override string `json:"override,omitempty" maxLength:"4000" doc:"Rows to apply although a person has decided otherwise, or although their name is not that of the entrant: all, or bibs separated by commas."`
	Official bool   `json:"official,omitempty" doc:"Let the file change a race whose standings are official."`
}

type applyOutput struct {
	Body struct {
		ImportSummary
		Counts       *RowCounts           `json:"done,omitempty" doc:"What was done. Left out when an earlier call had applied the plan."`
		Consequences *maindb.Consequences `json:"consequences,omitempty"`
	}
}

type undoInput struct {
	ImportPath
	Body Undoing
}

// Undoing is the body of the call that undoes an import.
type Undoing struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" example:"file of another race" doc:"Kept with the revisions and public."`
	Hash   string `json:"hash,omitempty" maxLength:"64" doc:"The hash of the plan for undoing it. If given, the undo is refused when the race has changed since."`
}

type undoOutput struct {
	Body ImportSummary
}

type undoPlanOutput struct {
	Body struct {
		ImportID     string              `json:"import_id" format:"uuid"`
		Hash         string              `json:"hash" doc:"A hash of the race as it is. Undoing may name it."`
		Consequences maindb.Consequences `json:"consequences"`
	}
}

func (p planner) registerApplied(api huma.API) {
	errs := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}
	conflict := append(slices.Clone(errs), http.StatusConflict)
	server.Register(api, huma.Operation{
		OperationID: "list-imports", Method: http.MethodGet, Path: importsPath,
		Summary: "List the files that were imported into a race", Tags: []string{tag},
		Description: "Plans that wait to be applied are listed too.", Errors: errs,
	}, p.list)
	server.Register(api, huma.Operation{
		OperationID: "get-import", Method: http.MethodGet, Path: importPath,
		Summary: "Look up an import or its plan", Tags: []string{tag}, Errors: errs,
	}, p.get)
	server.Register(api, huma.Operation{
		OperationID: "list-import-rows", Method: http.MethodGet, Path: importPath + "/rows",
		Summary: "List the rows of an imported file as they were read", Tags: []string{tag},
		Description: "With what the plan does with each. They are kept as long as the file.", Errors: errs,
	}, p.rows)
	server.Register(api, huma.Operation{
		OperationID: "download-import", Method: http.MethodGet, Path: importPath + "/file",
		Summary: "Download an imported file as it was uploaded", Tags: []string{tag},
		Responses: map[string]*huma.Response{"200": {
			Description: "The file.", Content: map[string]*huma.MediaType{"application/octet-stream": {}},
		}},
		Errors: errs,
	}, p.file)
	server.Register(api, huma.Operation{
		OperationID: "apply-import", Method: http.MethodPost, Path: importPath + "/apply",
		Summary: "Apply the plan of an import", Tags: []string{tag},
		Description: "Does what the plan says, all in one transaction. Refused (409, with what differs) when the race has changed since. " +
			"Applying it again changes nothing.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: conflict,
	}, p.apply)
	server.Register(api, huma.Operation{
		OperationID: "plan-undo-import", Method: http.MethodGet, Path: importPath + "/undo",
		Summary: "Plan the undoing of an import", Tags: []string{tag},
		Description: "What undoing it would lead to, or why it is refused.", Errors: conflict,
	}, p.planUndo)
	server.Register(api, huma.Operation{
		OperationID: "undo-import", Method: http.MethodPost, Path: importPath + "/undo",
		Summary: "Undo an import as a whole", Tags: []string{tag},
		Description: "Records that it changed get their former result back, as a new revision, and records that it added are removed. " +
			"Entries that it added are deleted, and those that it changed say again what they said. " +
			"Refused (409, with the records and entries) if one of them has been changed since; if another import changed it, undo that import first. " +
			"Undoing it again changes nothing.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: conflict,
	}, p.undo)
}

func (p planner) list(ctx context.Context, in *importListInput) (*importListOutput, error) {
	before := ""
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := p.store.RaceImports(ctx, server.RaceFrom(ctx).ID, before, in.Limit+1)
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

func (p planner) get(ctx context.Context, in *ImportPath) (*importShownOutput, error) {
	found, err := p.store.RaceImport(ctx, server.RaceFrom(ctx).ID, in.ImportID)
	if err != nil {
		return nil, err
	}
	out := &importShownOutput{}
	out.Body.ImportSummary, out.Body.Outcome = summaryOf(found), found.Outcome
	if found.Hash == "" {
		return out, nil
	}
	plan, err := p.storedPlan(ctx, in.ImportID)
	if errors.Is(err, race.ErrNotFound) { // no longer kept
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Body.Plan = &ImportPlan{}
	if err := json.Unmarshal(plan.Answer, out.Body.Plan); err != nil {
		return nil, fmt.Errorf("read the plan of import %s: %w", in.ImportID, err)
	}
	return out, nil
}

func (p planner) storedPlan(ctx context.Context, importID string) (plan storedPlan, err error) {
	text, err := p.store.ImportContent(ctx, importID, maindb.ContentPlan)
	if err != nil {
		return plan, err
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return plan, fmt.Errorf("read the plan of import %s: %w", importID, err)
	}
	return plan, nil
}

// content returns something that is kept of an import of the caller's race for a
// limited time.
func (p planner) content(ctx context.Context, path ImportPath, content maindb.ImportContent) (maindb.RaceImport, []byte, error) {
	found, err := p.store.RaceImport(ctx, server.RaceFrom(ctx).ID, path.ImportID)
	if err != nil {
		return found, nil, err
	}
	body, err := p.store.ImportContent(ctx, found.ID, content)
	if errors.Is(err, race.ErrNotFound) {
		return found, nil, huma.Error404NotFound("the file of this import is no longer kept, or never was")
	}
	return found, body, err
}

func encodeRows(rows []FileRow) ([]byte, error) { return json.Marshal(rows) }

func decodeRows(importID string, text []byte) (rows []FileRow, err error) {
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("read the rows of import %s: %w", importID, err)
	}
	return rows, nil
}

func (p planner) rows(ctx context.Context, in *rowsInput) (*rowsOutput, error) {
	from := 0
	if err := in.Seek(&from); err != nil {
		return nil, err
	}
	_, text, err := p.content(ctx, in.ImportPath, maindb.ContentRows)
	if err != nil {
		return nil, err
	}
	rows, err := decodeRows(in.ImportID, text)
	if err != nil {
		return nil, err
	}
	if in.Action != "" {
		rows = slices.DeleteFunc(rows, func(row FileRow) bool { return string(row.Action) != in.Action })
	}
	out := &rowsOutput{}
	out.Body.Items = append([]FileRow{}, rows[min(from, len(rows)):min(from+in.Limit, len(rows))]...)
	if from+in.Limit < len(rows) {
		out.Body.NextCursor = server.Cursor(from + in.Limit)
	}
	return out, nil
}

func (p planner) file(ctx context.Context, in *ImportPath) (*fileOutput, error) {
	found, data, err := p.content(ctx, *in, maindb.ContentFile)
	if err != nil {
		return nil, err
	}
	return &fileOutput{
		ContentType: "application/octet-stream", ContentDisposition: `attachment; filename="` + headerName(found) + `"`, Body: data,
	}, nil
}

// headerName returns the name of an import's file as a header can hold it.
func headerName(found maindb.RaceImport) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, cmp.Or(found.FileName, "import-"+found.ID))
}

func (p planner) apply(ctx context.Context, in *applyInput) (*applyOutput, error) {
	r := server.RaceFrom(ctx)
	found, err := p.store.RaceImport(ctx, r.ID, in.ImportID)
	if err != nil {
		return nil, err
	}
	out := &applyOutput{}
	if found.Status == "applied" && found.Hash == in.Body.Hash {
		out.Body.ImportSummary = summaryOf(found)
		return out, nil
	}
	if found.Status != "planned" {
		return nil, &race.ConflictError{Message: "the import is " + found.Status + ": send the file again for a new plan"}
	}
	if found.Kind != "results" && !mayList(server.RoleFrom(ctx)) {
		return nil, errMayNotList
	}
	file, wanted, err := p.prepare(ctx, r, in)
	if err != nil {
		return nil, err
	}
	planned, err := p.store.CheckPlan(ctx, file.RaceFile, wanted.RaceFile, in.Body.Hash)
	if err != nil {
		return nil, stale(err)
	}
	corrected, before := wanted.list.InOrder(wanted.list.Corrections(planned.Entries))
	names, err := json.Marshal(before)
	if err != nil {
		return nil, fmt.Errorf("encode the accounts as they were: %w", err)
	}
	if err := p.runners.EnsureRunners(ctx, corrected); err != nil {
		return nil, err
	}
	keptUntil := p.now().UTC().Truncate(time.Second).Add(p.settings.FileLifetime)
	done, err := p.store.ApplyFile(ctx, file.RaceFile, wanted.RaceFile, in.Body.Hash, names, keptUntil,
		maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: strings.TrimSpace(in.Body.Reason)})
	if err != nil {
		return nil, stale(err)
	}
	p.poke()
	out.Body.ImportSummary = summaryOf(done.Import)
	if !done.Already {
		counts := wanted.describe(&done.Plan, keptUntil).Counts
		out.Body.Counts, out.Body.Consequences = &counts, &done.Plan.Consequences
	}
	return out, nil
}

// prepare reads the file of a plan again: as it was planned, and as the call wants it
// applied. Both are the same unless the call overrides other rows than the plan.
func (p planner) prepare(ctx context.Context, r race.Race, in *applyInput) (file, wanted *resolved, err error) {
	plan, err := p.storedPlan(ctx, in.ImportID)
	if errors.Is(err, race.ErrNotFound) {
		return nil, nil, huma.Error404NotFound("the plan has expired: send the file again")
	}
	if err != nil {
		return nil, nil, err
	}
	override := cmp.Or(strings.TrimSpace(in.Body.Override), plan.Options.Override)
	if err := setOverride(&maindb.ResultsFile{}, override); err != nil {
		return nil, nil, server.Invalid("body.override", err.Error())
	}
	if (override != "" || in.Body.Official) && strings.TrimSpace(in.Body.Reason) == "" {
		return nil, nil, server.Invalid("body.reason", "is required: why official standings change, or why a person's decision is overridden")
	}
	data, err := p.store.ImportContent(ctx, in.ImportID, maindb.ContentFile)
	if err != nil {
		return nil, nil, err
	}
	again := func(options Options) (*resolved, error) {
		read, err := p.readAgain(r, data, options)
		if err != nil {
			return nil, err
		}
		return p.resolve(ctx, in.ImportID, data, read)
	}
	if file, err = again(plan.Options); err != nil {
		return nil, nil, err
	}
	if file.read.undecidedEvent() {
		return nil, nil, server.Invalid("body.hash", "must be that of a plan for one race: send the file again with event, one of "+quotedList(file.read.file.Events))
	}
	if wanted = file; override != plan.Options.Override {
		plan.Options.Override = override
		if wanted, err = again(plan.Options); err != nil {
			return nil, nil, err
		}
	}
	wanted.Official = in.Body.Official
	return file, wanted, nil
}

// stale lists what has changed since a plan was made.
func stale(err error) error {
	changed, ok := errors.AsType[*maindb.StalePlanError](err)
	if !ok {
		return err
	}
	var details []error
	for _, c := range changed.Changed {
		details = append(details, &huma.ErrorDetail{Location: c.Location, Message: c.Message})
	}
	return huma.Error409Conflict(changed.Error(), details...)
}

func (p planner) planUndo(ctx context.Context, in *ImportPath) (*undoPlanOutput, error) {
	r := server.RaceFrom(ctx)
	c, err := p.store.Plan(func(planning *maindb.Store) error {
		_, _, err := planning.UndoImport(ctx, r.ID, in.ImportID, "", maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: "planned"})
		return err
	})
	if changed, ok := errors.AsType[*maindb.ImportChangedError](err); ok {
		return nil, changedSince(changed)
	}
	if err != nil {
		return nil, err
	}
	out := &undoPlanOutput{}
	out.Body.ImportID, out.Body.Hash, out.Body.Consequences = in.ImportID, c.Hash, c
	return out, nil
}

func (p planner) undo(ctx context.Context, in *undoInput) (*undoOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, server.Invalid("body.reason", "must say why, in 1 to 500 characters")
	}
	r := server.RaceFrom(ctx)
	if planned, err := p.store.RaceImport(ctx, r.ID, in.ImportID); err == nil && planned.Kind != "results" && !mayList(server.RoleFrom(ctx)) {
		return nil, errMayNotList
	}
	found, undone, err := p.store.UndoImport(ctx, r.ID, in.ImportID, in.Body.Hash, maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason})
	if changed, ok := errors.AsType[*maindb.ImportChangedError](err); ok {
		return nil, changedSince(changed)
	}
	if err != nil {
		return nil, stale(err)
	}
	if undone {
		p.poke()
		if err := p.restoreStandIns(ctx, in.ImportID); err != nil {
			return nil, err
		}
	}
	return &undoOutput{Body: summaryOf(found)}, nil
}

// restoreStandIns puts the accounts of stand-ins back to what they were before the
// import.
func (p planner) restoreStandIns(ctx context.Context, importID string) error {
	text, err := p.store.ImportContent(ctx, importID, maindb.ContentNames)
	if errors.Is(err, race.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var before []userdb.Runner
	if err := json.Unmarshal(text, &before); err != nil {
		return fmt.Errorf("read the accounts as they were before import %s: %w", importID, err)
	}
	for i := range before {
		before[i].Replaces = true
	}
	return p.runners.EnsureRunners(ctx, before)
}

// changedSince returns the error that lists what prevents an undo.
func changedSince(changed *maindb.ImportChangedError) error {
	var details []error
	for _, r := range changed.Changed {
		detail := &huma.ErrorDetail{
			Location: "official-records/" + r.RecordID,
			Message:  fmt.Sprintf("bib %s has been changed since: it is at revision %d", r.Bib, r.Revision),
		}
		if r.RecordID == "" {
			detail.Location, detail.Message = "participants/"+r.ParticipantID, fmt.Sprintf("the entry with bib %s has been changed since", r.Bib)
		}
		details = append(details, detail)
	}
	return huma.Error409Conflict(fmt.Sprintf("the import cannot be undone: %d of its records and entries have been changed since", changed.Total), details...)
}
