package pages

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
)

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
