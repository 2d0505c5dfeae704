package records

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const importsPath = "/v1/races/{race_id}/imports"

type importStore interface {
	// RaceImports returns up to limit imports that are older than one, the newest first.
	RaceImports(ctx context.Context, raceID, before string, limit int) ([]maindb.RaceImport, error)
	// RaceImport returns race.ErrNotFound when the race has no such import.
	RaceImport(ctx context.Context, raceID, importID string) (maindb.RaceImport, error)
	// UndoImport returns undone false for an import that is undone already, and a
	// *maindb.ImportChangedError when records were changed since.
	UndoImport(ctx context.Context, raceID, importID string, change maindb.Change) (i maindb.RaceImport, undone bool, err error)
}

// imported answers about the files that were applied to a race.
type imported struct {
	store importStore
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
		Outcome maindb.Imported `json:"outcome" doc:"What the importer was answered."`
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
		Description: "Records that it changed get back the result that they had, as a new revision, and what it added is removed. " +
			"Refused (409, with the records) when anybody has changed one of them since; what another import changed can be undone first. " +
			"Undoing it again changes nothing.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: append(errs, http.StatusConflict),
	}, i.undo)
}

func (i imported) list(ctx context.Context, in *importListInput) (*importListOutput, error) {
	before := ""
	parts, err := server.DecodeCursor(in.Cursor, 1)
	if err != nil {
		return nil, err
	}
	if parts != nil {
		if before = parts[0]; !isID(before) {
			return nil, invalidQuery("cursor", "must be the next_cursor of an earlier page of this list")
		}
	}
	found, err := i.store.RaceImports(ctx, server.RaceFrom(ctx).ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &importListOutput{}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.NextCursor = server.EncodeCursor(found[in.Limit-1].ID)
	}
	out.Body.Items = make([]ImportSummary, len(found))
	for n := range found {
		out.Body.Items[n] = summaryOf(found[n])
	}
	return out, nil
}

func (i imported) get(ctx context.Context, in *ImportPath) (*importShownOutput, error) {
	if !isID(in.ImportID) {
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
	if !isID(in.ImportID) {
		return nil, race.ErrNotFound
	}
	var wrong faults
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

// changedSince lists the records that keep an import from being undone.
func changedSince(changed *maindb.ImportChangedError) error {
	var records []error
	for _, r := range changed.Changed {
		records = append(records, &huma.ErrorDetail{
			Location: "official-records/" + r.RecordID,
			Message:  fmt.Sprintf("bib %s was changed since: it is at revision %d", r.Bib, r.Revision),
		})
	}
	return huma.Error409Conflict(fmt.Sprintf("the import cannot be undone: %d of its records were changed since", changed.Total), records...)
}
