package plans

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

// Service is what pages do with files. It does what the calls do, for the caller, the
// race and the role in the context.
type Service struct{ planner planner }

// Upload is a file as somebody sends it, and how it is to be read. The fields are the
// parameters of the call.
type Upload struct {
	Name      string `json:"name,omitempty" maxLength:"255"`
	Kind      string `json:"kind,omitempty" enum:"auto,startlist,results"`
	Event     string `json:"event,omitempty" maxLength:"200"`
	DateOrder string `json:"date_order,omitempty" enum:"dmy,mdy"`
	Mapping   string `json:"mapping,omitempty" maxLength:"8000"`
	Override  string `json:"override,omitempty" maxLength:"4000"`
	Data      []byte `json:"-"`
}

// Plan plans the import of a file, and returns the ID of the import.
func (s *Service) Plan(ctx context.Context, in Upload) (importID string, err error) {
	if err := server.Valid(in); err != nil {
		return "", err
	}
	out, err := s.planner.plan(ctx, &planInput{
		RaceID: server.RaceFrom(ctx).ID, Name: in.Name, Kind: in.Kind, Event: in.Event, DateOrder: in.DateOrder,
		Mapping: in.Mapping, Override: in.Override, RawBody: in.Data,
	})
	if err != nil {
		return "", err
	}
	return out.Body.ImportID, nil
}

// Change is what differs in a new plan of a file from an earlier one. Nil leaves a
// setting as it was.
type Change struct {
	Kind, Event, DateOrder, Override *string
	// Mapping holds the columns that are to mean something else.
	Mapping map[string]racefile.Meaning
	// Forget drops the mapping that was remembered for such files.
	Forget bool
}

// Again plans a file that is kept once more: as the race is now, or read in another
// way. It returns the ID of the new import.
func (s *Service) Again(ctx context.Context, importID string, change Change) (string, error) {
	path := ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID}
	_, data, err := s.planner.content(ctx, path, maindb.ContentFile)
	if err != nil {
		return "", err
	}
	plan, err := s.planner.storedPlan(ctx, importID)
	if err != nil {
		return "", err
	}
	was := plan.Options
	or := func(changed *string, old string) string { return *cmp.Or(changed, &old) }
	in := Upload{
		Name: was.Name, Kind: or(change.Kind, was.Kind), Event: or(change.Event, was.Event), DateOrder: or(change.DateOrder, was.DateOrder),
		Override: or(change.Override, was.Override), Data: data,
	}
	mapping := maps.Clone(was.Mapping)
	switch {
	case change.Forget:
		in.Mapping = "{}"
	case len(change.Mapping) > 0:
		if mapping == nil {
			mapping = map[string]racefile.Meaning{}
		}
		maps.Copy(mapping, change.Mapping)
		fallthrough
	case mapping != nil && !was.Remembered:
		text, err := json.Marshal(mapping)
		if err != nil {
			return "", fmt.Errorf("encode a mapping: %w", err)
		}
		in.Mapping = string(text)
	}
	return s.Plan(ctx, in)
}

// Shown is an import with its plan.
type Shown struct {
	ImportSummary
	Plan    *ImportPlan // nil when it is no longer kept
	Options Options     // of the plan
}

// Import returns an import of the race, or race.ErrNotFound.
func (s *Service) Import(ctx context.Context, importID string) (Shown, error) {
	if !server.IsID(importID) {
		return Shown{}, race.ErrNotFound
	}
	out, err := s.planner.get(ctx, &ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID})
	if err != nil {
		return Shown{}, err
	}
	shown := Shown{ImportSummary: out.Body.ImportSummary, Plan: out.Body.Plan}
	if shown.Plan != nil {
		plan, err := s.planner.storedPlan(ctx, importID)
		if err != nil {
			return Shown{}, err
		}
		shown.Options = plan.Options
	}
	return shown, nil
}

// Imports lists the imports of the race, the newest first.
func (s *Service) Imports(ctx context.Context, page server.Page) (found []ImportSummary, next string, err error) {
	out, err := s.planner.list(ctx, &importListInput{Page: page, RaceID: server.RaceFrom(ctx).ID})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// Rows returns the rows of a file with what its plan does with each, in the order of
// the file; none when they are no longer kept.
func (s *Service) Rows(ctx context.Context, importID string) ([]FileRow, error) {
	_, text, err := s.planner.content(ctx, ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID}, maindb.ContentRows)
	if err != nil {
		return nil, err
	}
	return decodeRows(importID, text)
}

// File returns a file as it was uploaded, and its name.
func (s *Service) File(ctx context.Context, importID string) (name string, data []byte, err error) {
	if !server.IsID(importID) {
		return "", nil, race.ErrNotFound
	}
	found, data, err := s.planner.content(ctx, ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID}, maindb.ContentFile)
	return headerName(found), data, err
}

// Apply applies the plan of an import.
func (s *Service) Apply(ctx context.Context, importID string, body Application) error {
	if err := server.Valid(body); err != nil {
		return err
	}
	_, err := s.planner.apply(ctx, &applyInput{ImportPath: ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID}, Body: body})
	return err
}

// PlanUndo returns what undoing an import would lead to, and the hash of the race.
func (s *Service) PlanUndo(ctx context.Context, importID string) (maindb.Consequences, string, error) {
	out, err := s.planner.planUndo(ctx, &ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID})
	if err != nil {
		return maindb.Consequences{}, "", err
	}
	return out.Body.Consequences, out.Body.Hash, nil
}

// Undo undoes an import.
func (s *Service) Undo(ctx context.Context, importID string, body Undoing) error {
	if err := server.Valid(body); err != nil {
		return err
	}
	_, err := s.planner.undo(ctx, &undoInput{ImportPath: ImportPath{RaceID: server.RaceFrom(ctx).ID, ImportID: importID}, Body: body})
	return err
}
