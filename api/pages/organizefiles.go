package pages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// filePages adds the pages on which start lists and results come in as files.
func (s *site) filePages() {
	const list = "/organize/races/{race_id}/files"
	const one = list + "/{import_id}"
	s.visit(http.MethodGet, list, s.files)
	s.upload(http.MethodPost, list, plans.MaxFile+maxForm, s.takeFile)
	s.visit(http.MethodGet, one, s.filePlan)
	s.visit(http.MethodGet, one+"/file", s.downloadFile)
	for path, act := range map[string]action{"/again": s.planAgain, "/apply": s.applyPlan} {
		s.visit(http.MethodGet, one+path, s.toFilePlan) // a refused form that is reloaded
		s.visit(http.MethodPost, one+path, act)
	}
	s.visit(http.MethodGet, one+"/undo", s.undoForm)
	s.visit(http.MethodPost, one+"/undo", s.undoImport)
	s.visit(http.MethodGet, "/organize/races/{race_id}/progress", s.progress)
}

func officePath(raceID, rest string) string { return "/organize/races/" + raceID + rest }

func filesPath(raceID string) string { return officePath(raceID, "/files") }

func filePath(raceID, importID string) string { return filesPath(raceID) + "/" + importID }

// office is what the pages of a race's files and records share.
type office struct {
	race.Race
	part string // of the race's pages: files or records
	may  bool   // the caller may change results
}

func officeOf(ctx context.Context, part string) office {
	return office{Race: server.RaceFrom(ctx), part: part, may: server.RoleFrom(ctx).Includes(race.Timing)}
}

// filesView is the list of a race's imports.
type filesView struct {
	office
	imports []plans.ImportSummary
	next    string
}

// importsPerPage is how many imports a page lists.
const importsPerPage = 20

func (s *site) files(ctx context.Context, v *visit) (page, error) {
	view := filesView{office: officeOf(ctx, "files")}
	var err error
	view.imports, view.next, err = s.Files.Imports(ctx, server.Page{Limit: importsPerPage, Cursor: v.get("after")})
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("files.title") + " · " + view.Name, body: filesBody(v, view), module: "files.js"}, nil
}

// takeFile plans what somebody has sent.
func (s *site) takeFile(ctx context.Context, v *visit) (page, error) {
	name, data, err := v.file("file")
	if err != nil {
		return page{}, err
	}
	if len(data) == 0 {
		v.blame("file", v.T("files.none"))
		return s.files(ctx, v)
	}
	importID, err := s.Files.Plan(ctx, plans.Upload{Name: name, Kind: v.form.get("kind"), Data: data})
	if v.refused(err) {
		v.form.rename("body", "file")
		return s.files(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return page{}, &redirect{to: v.link(filePath(v.raceID, importID))}
}

// longestName is how long the name of a file may be, in bytes.
const longestName = 255

// file returns a file of a form; it is empty when none was chosen.
func (v *visit) file(field string) (name string, data []byte, err error) {
	file, header, err := v.http.FormFile(field)
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, huma.Error400BadRequest("the form could not be read")
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err = io.ReadAll(file)
	if err != nil {
		return "", nil, fmt.Errorf("read a file of a form: %w", err)
	}
	name = strings.Map(race.DropOverride, header.Filename)
	if len(name) > longestName || !server.IsText(name) {
		name = ""
	}
	return name, data, nil
}

// rename moves what is wrong with one field to another.
func (f *form) rename(from, to string) {
	if text, wrong := f.wrong[from]; wrong {
		delete(f.wrong, from)
		f.wrong[to] = text
		f.order[slices.Index(f.order, from)] = to
	}
}

func (s *site) downloadFile(ctx context.Context, v *visit) (page, error) {
	name, data, err := s.Files.File(ctx, v.param("import_id"))
	if err != nil {
		return page{}, err
	}
	return page{}, &reply{contentType: "application/octet-stream", file: name, body: data}
}

func (s *site) toFilePlan(_ context.Context, v *visit) (page, error) {
	return page{}, &redirect{to: v.link(filePath(v.raceID, v.param("import_id")))}
}

// creditProgress is how far the credits of a race are.
type creditProgress struct {
	Pending  int  `json:"pending"`
	Credited int  `json:"credited"`
	Rejected int  `json:"rejected"`
	Total    int  `json:"total"` // of the three
	Version  int  `json:"version"`
	Current  bool `json:"current"` // the standings have all of them
	Seconds  int  `json:"seconds"` // how long it will still take; 0: unknown
}

func (s *site) creditProgress(ctx context.Context, of race.Race) (*creditProgress, error) {
	tally, err := s.Records.Count(ctx)
	if err != nil {
		return nil, err
	}
	p := &creditProgress{
		Pending: tally.Pending, Credited: tally.Credited, Rejected: tally.Rejected, Total: tally.Pending + tally.Credited + tally.Rejected,
		Seconds: tally.EstimatedSeconds,
	}
	latest, err := s.Races.LatestStandings(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	p.Version = latest.Version
	if p.Pending > 0 {
		return p, nil
	}
	marks, err := s.Races.StandingsMarks(ctx, []string{of.ID})
	if err != nil {
		return nil, err
	}
	credits, err := s.Accounts.CreditRevisionsOfRaces(ctx, []string{of.ID})
	if err != nil {
		return nil, err
	}
	marked, current := marks[of.ID].Marked, marks[of.ID].Current
	p.Current = marked.RecordRevisions == current.RecordRevisions && marked.CreditRevisions == credits[of.ID]
	return p, nil
}

func (s *site) progress(ctx context.Context, _ *visit) (page, error) {
	found, err := s.creditProgress(ctx, server.RaceFrom(ctx))
	if err != nil {
		return page{}, err
	}
	body, err := json.Marshal(found)
	if err != nil {
		return page{}, fmt.Errorf("encode the progress of credits: %w", err)
	}
	return page{}, &reply{contentType: "application/json", body: body}
}

// undoView is what undoing an import would lead to.
type undoView struct {
	office
	plans.ImportSummary
	hash         string
	consequences maindb.Consequences
	names        map[string]string
	refused      []string // what prevents it
}

func (s *site) undoForm(ctx context.Context, v *visit) (page, error) {
	shown, err := s.Files.Import(ctx, v.param("import_id"))
	if err != nil {
		return page{}, err
	}
	if shown.Status != "applied" {
		return page{}, &redirect{to: v.link(filePath(v.raceID, shown.ImportID))}
	}
	view := &undoView{office: officeOf(ctx, "files"), ImportSummary: shown.ImportSummary}
	view.consequences, view.hash, err = s.Files.PlanUndo(ctx, shown.ImportID)
	if err != nil {
		problem, _ := server.Problem(ctx, err)
		if problem.Status != http.StatusConflict {
			return page{}, err
		}
		view.refused = append(view.refused, v.remark(problem.Detail))
		for _, detail := range problem.Errors {
			view.refused = append(view.refused, v.remark(detail.Message))
		}
	}
	if view.names, err = s.namesIn(ctx, v, &view.consequences, nil); err != nil {
		return page{}, err
	}
	return page{title: v.T("undo.title") + " · " + view.Name, body: undoBody(v, view)}, nil
}

func (s *site) undoImport(ctx context.Context, v *visit) (page, error) {
	importID := v.param("import_id")
	err := s.Files.Undo(ctx, importID, plans.Undoing{Reason: v.form.get("reason"), Hash: v.form.get("hash")})
	if v.refused(err) {
		if v.form.status == http.StatusConflict {
			v.form.wrong, v.form.order, v.form.problem = map[string]string{}, nil, v.T("undo.stale")
		}
		return s.undoForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(filePath(v.raceID, importID), "file-undone")
}

// fileTitle names an import.
func (v *visit) fileTitle(i plans.ImportSummary) string {
	return cmp.Or(i.FileName, v.T("files.unnamed"))
}

func (v *visit) fileKinds() []option {
	return []option{{"auto", v.T("files.kind.auto")}, {"results", v.T("files.kind.results")}, {"startlist", v.T("files.kind.startlist")}}
}

func orNone(text string) string { return cmp.Or(text, "–") }

// progressText says how far the credits of a race are.
func (v *visit) progressText(p *creditProgress) string {
	switch {
	case p.Current:
		return v.T("progress.done", "Version", v.Number(p.Version))
	case p.Pending == 0:
		return v.T("progress.ranking")
	}
	return v.T("progress.running", "Done", v.Number(p.Credited+p.Rejected), "Total", v.Number(p.Total))
}

func (v *visit) progressRejected(p *creditProgress) string {
	return v.T("progress.rejected", "N", v.Number(p.Rejected))
}
