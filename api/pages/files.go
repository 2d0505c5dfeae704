package pages

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
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
	name = header.Filename
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

// planView is one import: what its file was taken for, what each row does, and what
// follows.
type planView struct {
	office
	plans.ImportSummary
	Plan      *plans.ImportPlan // nil: no longer kept
	Options   plans.Options
	kinds     []rowKind
	rows      []plans.FileRow // of the kind that is shown, a page of them
	kind      string
	page      int
	pages     int
	kept      bool // the rows are
	nothing   bool // the plan would change nothing
	undecided bool // the file holds several races
	names     map[string]string
	progress  *creditProgress
	twin      *plans.ImportSummary // the same file, applied before
}

// rowKind is the rows of a file with which the same happens.
type rowKind struct {
	choice
	action string
	count  int
}

// rowKinds are the kinds in the order in which an organizer looks at them.
var rowKinds = []maindb.RowAction{
	maindb.ActionError, maindb.ActionOtherName, maindb.ActionKept, maindb.ActionImplausible, maindb.ActionUnknownBib,
	maindb.ActionChanged, maindb.ActionAdded, maindb.ActionUnchanged, maindb.ActionSkipped,
}

// fileRowsPerPage is how many rows of a file a page shows.
const fileRowsPerPage = 50

func (s *site) filePlan(ctx context.Context, v *visit) (page, error) {
	shown, err := s.Files.Import(ctx, v.param("import_id"))
	if err != nil {
		return page{}, err
	}
	view := &planView{office: officeOf(ctx, "files"), ImportSummary: shown.ImportSummary, Plan: shown.Plan, Options: shown.Options}
	if err := s.fillRows(ctx, v, view); err != nil {
		return page{}, err
	}
	if plan := view.Plan; plan != nil {
		c := plan.Counts
		view.nothing = c.Added+c.Changed+c.EntriesAdded+c.EntriesChanged == 0
		view.undecided = slices.ContainsFunc(plan.Questions, func(q racefile.Question) bool { return q.Option == "event" })
		if view.names, err = s.namesIn(ctx, v, &plan.Consequences, view.names); err != nil {
			return page{}, err
		}
	}
	switch view.Status {
	case "applied":
		view.progress, err = s.creditProgress(ctx, view.Race)
	case "planned":
		view.twin, err = s.twinOf(ctx, shown)
	}
	if err != nil {
		return page{}, err
	}
	return page{title: v.fileTitle(shown.ImportSummary) + " · " + view.Name, body: planBody(v, view), module: "files.js"}, nil
}

// fillRows takes the page of the rows that was asked for, and notes the names that the
// file gives.
func (s *site) fillRows(ctx context.Context, v *visit, view *planView) error {
	rows, err := s.Files.Rows(ctx, view.ImportID)
	if err != nil {
		if problem, _ := server.Problem(ctx, err); problem.Status == http.StatusNotFound {
			return nil
		}
		return err
	}
	view.kept, view.names = true, make(map[string]string)
	counts := make(map[maindb.RowAction]int)
	for i := range rows {
		counts[rows[i].Action]++
		if rows[i].Name != "" {
			view.names[race.BibKey(rows[i].Bib)] = rows[i].Name
		}
	}
	actions := make([]string, len(rowKinds))
	for i, action := range rowKinds {
		actions[i] = string(action)
	}
	if view.kind, err = v.oneOf("show", actions...); err != nil {
		return err
	}
	for _, action := range rowKinds {
		if counts[action] > 0 {
			here := v.link(filePath(view.ID, view.ImportID))
			view.kinds = append(view.kinds, rowKind{
				choice: choice{title: v.T("rows." + string(action)), chosen: view.kind == string(action), address: with(here, "show", string(action)) + "#rows"},
				action: string(action), count: counts[action],
			})
		}
	}
	if view.kind != "" {
		rows = slices.DeleteFunc(rows, func(row plans.FileRow) bool { return string(row.Action) != view.kind })
	}
	if view.page, err = v.number("page"); err != nil {
		return err
	}
	view.page, view.pages = max(view.page, 1), max(1, (len(rows)+fileRowsPerPage-1)/fileRowsPerPage)
	if view.page > view.pages {
		return &badParameter{"page", "error.page"}
	}
	first := (view.page - 1) * fileRowsPerPage
	view.rows = rows[first:min(first+fileRowsPerPage, len(rows))]
	return nil
}

// consequencesOf returns what a change of a race's settings or of a claim leads to, with
// the names of whom it concerns.
func (s *site) consequencesOf(ctx context.Context, v *visit, c maindb.Consequences) (*consequencesView, error) {
	names, err := s.namesIn(ctx, v, &c, nil)
	if err != nil {
		return nil, err
	}
	return &consequencesView{&c, names}, nil
}

// namesIn adds to known, by bib, the names of those on whom a change of the visited race
// has consequences that a page shows. Without user_db there are none to add: what a
// change leads to can be judged by the bibs too.
func (s *site) namesIn(ctx context.Context, v *visit, c *maindb.Consequences, known map[string]string) (map[string]string, error) {
	if known == nil {
		known = make(map[string]string)
	}
	entrants, err := s.Races.EntrantsByBib(ctx, v.raceID)
	if err != nil {
		return nil, err
	}
	keyOf := make(map[string]string)
	add := func(bib string) {
		key := race.BibKey(bib)
		if id := entrants[key]; id != "" && known[key] == "" {
			keyOf[id] = key
		}
	}
	for _, p := range c.Podiums {
		for _, place := range slices.Concat(p.Before, p.After) {
			add(place.Bib)
		}
	}
	for _, m := range c.Moves {
		add(m.Bib)
	}
	for _, p := range c.Points {
		add(p.Bib)
	}
	runners, err := s.Accounts.Runners(ctx, slices.Collect(maps.Keys(keyOf)))
	if err != nil {
		s.withoutNames(ctx, v.request, err)
	}
	for id, runner := range runners {
		known[keyOf[id]] = runner.Name
	}
	return known, nil
}

// twinOf returns the latest applied import of the same file, nil when there is none
// among the last ones.
func (s *site) twinOf(ctx context.Context, of plans.Shown) (*plans.ImportSummary, error) {
	found, _, err := s.Files.Imports(ctx, server.Page{Limit: importsPerPage})
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].FileHash == of.FileHash && found[i].Status == "applied" && found[i].ImportID != of.ImportID {
			return &found[i], nil
		}
	}
	return nil, nil //nolint:nilnil // no such import is no error
}

// planAgain reads a file in another way, or plans it for the race as it is now.
func (s *site) planAgain(ctx context.Context, v *visit) (page, error) {
	shown, err := s.Files.Import(ctx, v.param("import_id"))
	if err != nil {
		return page{}, err
	}
	change := plans.Change{Mapping: map[string]racefile.Meaning{}, Forget: v.form.get("forget") != ""}
	for field, to := range map[string]**string{"kind": &change.Kind, "event": &change.Event, "date_order": &change.DateOrder, "override": &change.Override} {
		if _, given := v.form.values[field]; given {
			*to = new(v.form.get(field))
		}
	}
	if shown.Plan != nil {
		for i, column := range shown.Plan.Columns {
			meaning := racefile.Meaning(cmp.Or(v.form.get("column-"+strconv.Itoa(i)), string(column.Meaning)))
			if meaning != column.Meaning {
				change.Mapping[column.Header] = meaning
			}
		}
	}
	importID, err := s.Files.Again(ctx, shown.ImportID, change)
	if v.refused(err) {
		return s.filePlan(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(filePath(v.raceID, importID), "planned-again")
}

func (s *site) applyPlan(ctx context.Context, v *visit) (page, error) {
	importID := v.param("import_id")
	err := s.Files.Apply(ctx, importID, plans.Application{Hash: v.form.get("hash"), Reason: v.form.get("reason"), Official: v.form.get("official") != ""})
	if v.refused(err) {
		return s.filePlanRefused(ctx, v, err)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(filePath(v.raceID, importID), "file-applied")
}

// filePlanRefused shows the plan with what has changed since it was made.
func (s *site) filePlanRefused(ctx context.Context, v *visit, err error) (page, error) {
	if problem, _ := server.Problem(ctx, err); problem.Status == http.StatusConflict && len(v.form.wrong) > 0 && v.form.wrong["official"] == "" {
		changed := make([]string, 0, len(v.form.order))
		for _, field := range v.form.order {
			changed = append(changed, v.form.wrong[field])
		}
		v.form.wrong, v.form.order, v.form.problem = map[string]string{}, nil, v.T("plan.stale")
		made, err := s.filePlan(ctx, v)
		if err != nil {
			return page{}, err
		}
		made.body = staleBody(v, made.body, changed)
		return made, nil
	}
	return s.filePlan(ctx, v)
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

// remark returns what the API says about a row in the language of the page, or as it
// is when there is no translation.
func (v *visit) remark(message string) string {
	var parts []string
	for part := range strings.SplitSeq(message, "; ") {
		said := v.says(part)
		if said == v.T("wrong", "Message", part) {
			said = part
		}
		parts = append(parts, said)
	}
	return strings.Join(parts, "; ")
}

// about returns a remark about a field of a file.
func (v *visit) about(field, message string) string {
	if field == "" {
		return v.remark(message)
	}
	return v.word("meaning", field) + ": " + v.remark(message)
}

// programs are what the programs that write files call themselves.
var programs = map[string]string{
	"agee": "Agee Race Timing", "athlinks": "Athlinks", "chronotrack": "ChronoTrack", "crossmgr": "CrossMgr", "elogica": "Elogica", "finishlynx": "FinishLynx",
	"hytek": "HY-TEK", "iof": "IOF XML", "itra": "ITRA", "livetrail": "LiveTrail", "opensplittime": "OpenSplitTime", "racedb": "RaceDB",
	"racedirector": "Race Director", "raceresult": "RACE RESULT", "runscore": "RunScore", "runsignup": "RunSignup", "smartchip": "SmartChip",
	"sporthive": "Sporthive", "ultrasignup": "UltraSignup", "utmb": "UTMB", "webscorer": "Webscorer",
}

// program names what wrote a file.
func (v *visit) program(format string) string {
	prefix, _, _ := strings.Cut(format, "_")
	if name := programs[prefix]; name != "" {
		return name
	}
	return v.word("format", format)
}

// meanings are what a column may mean, in the order of the list, with the one that it
// has now.
func (v *visit) meanings(now racefile.Meaning) []option {
	list := []option{}
	all := racefile.Meanings()
	if !slices.Contains(all, now) {
		all = append(all, now)
	}
	for _, m := range all {
		list = append(list, option{string(m), v.word("meaning", string(m))})
	}
	return list
}

// changedFields returns the fields of a row that change, in a fixed order.
func changedFields(row plans.FileRow) []string { return slices.Sorted(maps.Keys(row.Before)) }

// afterOf returns what a field of a row says.
func afterOf(row plans.FileRow, field string) string {
	switch field {
	case "bib":
		return row.Bib
	case "name":
		return row.Name
	case "sex":
		return string(row.Sex)
	case "age":
		if row.Age == nil {
			return ""
		}
		return strconv.Itoa(*row.Age)
	case "birth_date":
		return row.BirthDate
	case "gun_time":
		return cmp.Or(row.GunTime, row.Time)
	case "net_time":
		return cmp.Or(row.NetTime, row.Time)
	case "status":
		return string(row.Status)
	case "team":
		return row.Team
	case "field":
		return string(row.Field)
	}
	return ""
}

// timesOf returns the times of a row, the one that ranks first.
func timesOf(row plans.FileRow, basis race.Basis) (ranks, other string) {
	ranks, other = row.GunTime, row.NetTime
	if basis == race.Net {
		ranks, other = other, ranks
	}
	return cmp.Or(ranks, row.Time), other
}

// podiumTitle names a ranking.
func (v *visit) podiumTitle(p maindb.Podium) string {
	title := v.T("sex.all")
	switch {
	case p.Division != "":
		title = p.Division
	case p.Sex != "":
		title = v.T("sex." + string(p.Sex))
	}
	if p.Field != race.Runner {
		title = v.T("field."+string(p.Field)) + " · " + title
	}
	return title
}

// consequencesView is what a change leads to.
type consequencesView struct {
	*maindb.Consequences
	names map[string]string // by the key of the bib
}

func (c consequencesView) name(bib string) string { return c.names[race.BibKey(bib)] }

// changedPodiums returns the rankings whose first three change.
func (c consequencesView) changedPodiums() (changed []maindb.Podium) {
	for _, p := range c.Podiums {
		if p.Changed {
			changed = append(changed, p)
		}
	}
	return changed
}

// nothing reports whether nobody would notice the change in the standings.
func (c consequencesView) nothing() bool {
	return c.PlacesMoved == 0 && c.PointsTotal == 0 && len(c.changedPodiums()) == 0
}

// shownConsequences is how many places and points a page lists at once; more are
// behind a button.
const shownConsequences = 10

// placeOrNone writes a place.
func placeOrNone(place int) string {
	if place == 0 {
		return "–"
	}
	return strconv.Itoa(place)
}

func (v *visit) fileKinds() []option {
	return []option{{"auto", v.T("files.kind.auto")}, {"results", v.T("files.kind.results")}, {"startlist", v.T("files.kind.startlist")}}
}

func columnField(i int) string { return "column-" + strconv.Itoa(i) }

// questionField is the field of a form that answers a question about a file.
func questionField(plan *plans.ImportPlan, q racefile.Question) string {
	if q.Option != "mapping" {
		return q.Option
	}
	return columnField(slices.IndexFunc(plan.Columns, func(c plans.FileColumn) bool { return c.Header == q.Column }))
}

func (v *visit) question(q racefile.Question) string {
	if q.Option == "mapping" {
		return v.T("question.mapping", "Column", q.Column)
	}
	return v.word("question", q.Option)
}

func (v *visit) answers(q racefile.Question) []option {
	list := []option{}
	for _, answer := range q.Answers {
		switch q.Option {
		case "event":
			list = append(list, option{answer, answer})
		case "mapping":
			list = append(list, option{answer, v.word("meaning", answer)})
		default:
			list = append(list, option{answer, v.word("answer", answer)})
		}
	}
	return list
}

// rowNumbers lists the first rows of a group of errors.
func rowNumbers(group racefile.ErrorGroup) string {
	numbers := make([]string, 0, len(group.Rows)+1)
	for _, row := range group.Rows {
		numbers = append(numbers, strconv.Itoa(row))
	}
	if group.Count > len(group.Rows) {
		numbers = append(numbers, "…")
	}
	return strings.Join(numbers, ", ")
}

func orNone(text string) string { return cmp.Or(text, "–") }

// unmoved reports whether the same record has the same place with the same time.
func unmoved(places []maindb.PodiumPlace, wanted maindb.PodiumPlace) bool {
	return slices.Contains(places, wanted)
}

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
