// Package plans takes start lists and results as timing and registration software
// exports them. A file is planned first, which changes nothing: what each row would
// do, and what would follow for places, podiums and points. Applying the plan does
// exactly that, or nothing when the race has changed since.
package plans

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/racefile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	tag         = "Imports"
	importsPath = "/v1/races/{race_id}/imports"
	importPath  = importsPath + "/{import_id}"

	// MaxFile is the largest file in bytes: 50,000 rows of more than 300 bytes.
	MaxFile = 16 << 20
	// UploadTimeout is for a slow line: 16 MiB at 1.6 Mbit/s, a poor mobile line, take
	// 84 s. The whole call may take 2 minutes.
	UploadTimeout = 100 * time.Second
	maxBody       = 16 << 10
)

// Settings say how long contents of imports are kept.
type Settings struct {
	// PlanLifetime is how long a plan waits to be applied.
	PlanLifetime time.Duration `env:"IMPORT_PLAN_LIFETIME" envDefault:"168h" min:"1h" help:"how long the plan of an import waits to be applied, with its file"`
	// FileLifetime bounds how long personal data that is erased elsewhere stays in a
	// file.
	FileLifetime time.Duration `env:"IMPORT_FILE_LIFETIME" envDefault:"720h" min:"1h" help:"how long the file of an applied import is kept for download, and the import of a start list can be undone"`
}

// Config is what the calls need.
type Config struct {
	Store    *maindb.Store
	Runners  *userdb.Accounts
	StandIns imports.StandIns
	Settings Settings
	// Poke tells the relay that there are new outbox rows. It does not block.
	Poke func()
	Now  func() time.Time
}

// planner serves the calls.
type planner struct {
	store    *maindb.Store
	runners  *userdb.Accounts
	standIns imports.StandIns
	settings Settings
	poke     func()
	now      func() time.Time
}

// Register adds the calls to the API, and returns the service for pages.
func Register(api huma.API, cfg Config) *Service {
	p := planner{
		store: cfg.Store, runners: cfg.Runners, standIns: cfg.StandIns, settings: cfg.Settings, poke: cfg.Poke, now: cfg.Now,
	}
	p.registerPlan(api)
	p.registerApplied(api)
	return &Service{planner: p}
}

// ImportPlan is the answer to a file.
type ImportPlan struct {
	ImportID  string    `json:"import_id" format:"uuid"`
	Hash      string    `json:"hash" doc:"A hash of the file, the race as it is, and what the file would change. Name it to apply the plan."`
	Kind      string    `json:"kind" enum:"start_list,results,both"`
	KeptUntil time.Time `json:"kept_until" doc:"When the plan is deleted with its file, if nobody applies it."`

	Format         string              `json:"format" doc:"The program that wrote the file, generic_csv or generic_xlsx where none is recognised." example:"raceresult_results"`
	Container      string              `json:"container" enum:"delimited,fixed,xlsx,xml,finishlynx,hytek"`
	Encoding       string              `json:"encoding" doc:"Empty for workbooks." example:"utf-8"`
	Delimiter      string              `json:"delimiter,omitempty"`
	LineEnds       string              `json:"line_ends,omitempty"`
	HeaderRow      int                 `json:"header_row,omitempty"`
	Columns        []FileColumn        `json:"columns" nullable:"false" doc:"What each column was taken for."`
	IgnoredColumns []string            `json:"ignored_columns" nullable:"false"`
	MappingFrom    string              `json:"mapping_from,omitempty" enum:"request,remembered" doc:"Where a mapping comes from: this request, or an earlier one for a file with the same headers."`
	Event          string              `json:"event,omitempty" doc:"The race of the file whose rows are taken."`
	EventFrom      string              `json:"event_from,omitempty" enum:"only,requested,name,distance" doc:"How that race was chosen."`
	Events         []string            `json:"events" nullable:"false" doc:"The races that the rows of the file name."`
	Questions      []racefile.Question `json:"questions" nullable:"false" doc:"What only the organizer knows. Send the file again with the option that answers it."`
	Notes          []string            `json:"notes" nullable:"false" doc:"Remarks about the file as a whole."`

	Counts       RowCounts             `json:"counts"`
	Errors       []racefile.ErrorGroup `json:"errors" nullable:"false" doc:"What is wrong with rows: equal errors once, the most frequent first, with the first ten rows."`
	Official     bool                  `json:"official,omitempty" doc:"The standings are official: applying needs official true and a reason."`
	Consequences maindb.Consequences   `json:"consequences"`

	encoded []byte
}

// FileColumn is a column of a file.
type FileColumn struct {
	Sheet   string           `json:"sheet,omitempty"`
	Header  string           `json:"header"`
	Meaning racefile.Meaning `json:"meaning"`
	Sample  []string         `json:"sample" nullable:"false" doc:"Up to three different values."`
}

// RowCounts are the rows of a file by what is done with them. Rows of results with an
// implausible time or an unknown bib are also counted as added, changed or
// unchanged.
type RowCounts struct {
	Rows         int `json:"rows" doc:"All of them, skipped ones too."`
	Added        int `json:"added" doc:"Records that are added; of a file without results, entries."`
	Changed      int `json:"changed"`
	Unchanged    int `json:"unchanged"`
	Kept         int `json:"kept" doc:"Rows that contradict what a person has decided: they are left out."`
	NameMismatch int `json:"name_mismatch" doc:"Rows whose name is not that of the entrant with the bib: they are left out."`
	Implausible  int `json:"implausible" doc:"Rows with a time that nobody can have run: recorded, but neither ranked nor credited until somebody confirms it."`
	UnknownBib   int `json:"unknown_bib" doc:"Rows whose bib nobody is entered with: recorded without a place."`
	Errors       int `json:"errors" doc:"Rows that are wrong: they are left out."`
	Skipped      int `json:"skipped" doc:"Rows that are neither an entry nor a result of this race."`

	EntriesAdded     int `json:"entries_added" doc:"Entries in the start list."`
	EntriesChanged   int `json:"entries_changed"`
	EntriesUnchanged int `json:"entries_unchanged"`
}

type planInput struct {
	RaceID             string `path:"race_id"`
	ContentDisposition string `header:"Content-Disposition" doc:"May name the file, as the name parameter does."`
	Kind               string `query:"kind" enum:"auto,startlist,results" default:"auto" doc:"What to take from the file. Results that name their runners make the start list too, unless only results are wanted."`
	Name               string `query:"name" maxLength:"255" example:"results.csv" doc:"The file's name. FinishLynx files have no header and are recognised by it."`
	Event              string `query:"event" maxLength:"200" doc:"Which of several races in the file to take. Without it the one with the race's name or distance is taken, if there is just one."`
	DateOrder          string `query:"date_order" enum:"dmy,mdy" doc:"Whether the day or the month comes first in dates such as 03/02/1995, where the file leaves it open."`
	Mapping            string `query:"mapping" maxLength:"8000" doc:"What columns mean, as a JSON object of headers and meanings, where the file's own headers mislead. Remembered for files with the same headers; {} forgets."`
	Override           string `query:"override" maxLength:"4000" doc:"Rows to apply although a person has decided otherwise, or although their name is not that of the entrant: all, or bibs separated by commas."`
	RawBody            []byte `contentType:"application/octet-stream"`
}

type planOutput struct {
	Body ImportPlan
}

// EncodedJSON returns the plan as it is kept, so that a large one is encoded once.
func (p ImportPlan) EncodedJSON() []byte { return p.encoded }

func (p planner) registerPlan(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "plan-import", Method: http.MethodPost, Path: importsPath,
		Summary: "Plan the import of a file", Tags: []string{tag},
		Description: "Takes start lists and results as timing and registration software exports them, up to 50,000 rows and 16 MiB: " +
			"delimited and fixed-width text in any common encoding, .xlsx, IOF XML, FinishLynx and HY-TEK files. Send the file as it is, or as the " +
			"field file of a form, whose other fields may be the parameters. An empty cell and `-` leave what is known.\n\n" +
			"The answer says what the file was taken for, what each row would do, and what would follow for places, podiums and points. " +
			"Nothing is changed until the plan is applied. `GET …/rows` lists the rows.",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: MaxFile, BodyReadTimeout: UploadTimeout, SkipValidateBody: true,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}},
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		},
	}, p.plan)
}

func (p planner) plan(ctx context.Context, in *planInput) (*planOutput, error) {
	r := server.RaceFrom(ctx)
	importID := server.ResourceID(ctx)
	stored, err := p.store.ImportContent(ctx, importID, maindb.ContentPlan)
	if err == nil { // the request is repeated under its Idempotency-Key
		return answerOf(importID, stored)
	}
	if !errors.Is(err, race.ErrNotFound) {
		return nil, err
	}
	kind, err := kindFor(server.RoleFrom(ctx), in.Kind)
	if err != nil {
		return nil, err
	}
	options := Options{
		Name: cmp.Or(strings.TrimSpace(in.Name), fileName(in.ContentDisposition)), Kind: kind, Event: in.Event, DateOrder: in.DateOrder,
		Override: strings.TrimSpace(in.Override),
	}
	if options.Mapping, err = parseMapping(in.Mapping); err != nil {
		return nil, err
	}
	read, err := p.read(ctx, r, in.RawBody, options)
	if err != nil {
		return nil, err
	}
	if options.Mapping != nil {
		if err := p.remember(ctx, r.OrganizerID, read); err != nil {
			return nil, err
		}
	}
	file, err := p.resolve(ctx, importID, in.RawBody, read)
	if err != nil {
		return nil, err
	}
	planned, err := p.store.PlanFile(ctx, file.RaceFile)
	if err != nil {
		return nil, p.problem(read, err)
	}
	keptUntil := p.now().UTC().Truncate(time.Second).Add(p.settings.PlanLifetime)
	answer := file.describe(&planned, keptUntil)
	return p.keep(ctx, file, planned, answer, in.RawBody)
}

// mayList reports whether a role may change the start list.
func mayList(role race.Role) bool { return role.Includes(race.Editor) }

// kindFor returns what a caller may take from a file: who may not change the start
// list takes its results.
func kindFor(role race.Role, kind string) (string, error) {
	switch {
	case mayList(role):
		return kind, nil
	case kind == "startlist":
		return "", errMayNotList
	}
	return "results", nil
}

var errMayNotList = huma.Error403Forbidden(`a start list needs the role "editor" in the race: only results can be taken from the file`)

// storedPlan is a plan as it is kept: what was answered, and how to read the file.
type storedPlan struct {
	Options Options         `json:"options"`
	Answer  json.RawMessage `json:"answer"`
}

func answerOf(importID string, stored []byte) (*planOutput, error) {
	var plan storedPlan
	if err := json.Unmarshal(stored, &plan); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	return &planOutput{Body: ImportPlan{ImportID: importID, encoded: plan.Answer}}, nil
}

// keep stores the plan with its file and its rows.
func (p planner) keep(ctx context.Context, file *resolved, planned maindb.FilePlan, answer *ImportPlan, data []byte) (*planOutput, error) {
	body, err := server.Encode(answer)
	if err != nil {
		return nil, err
	}
	body = bytes.TrimSpace(body)
	plan, err := json.Marshal(storedPlan{Options: file.read.options, Answer: body})
	if err != nil {
		return nil, err
	}
	rows, err := encodeRows(file.read.rows)
	if err != nil {
		return nil, err
	}
	err = p.store.SavePlan(ctx, maindb.StoredPlan{
		File: file.RaceFile, Plan: planned, By: server.CallerFrom(ctx).UserID, KeptUntil: answer.KeptUntil,
		Contents: map[maindb.ImportContent][]byte{maindb.ContentFile: data, maindb.ContentPlan: plan, maindb.ContentRows: rows},
	})
	if err != nil {
		return nil, err
	}
	return &planOutput{Body: ImportPlan{ImportID: answer.ImportID, encoded: body}}, nil
}

// fileName returns the name that a Content-Disposition gives a file.
func fileName(disposition string) string {
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil {
		return ""
	}
	name := path.Base(strings.ReplaceAll(params["filename"], `\`, "/"))
	if name == "." || name == "/" || len(name) > 255 {
		return ""
	}
	return strings.Map(race.DropOverride, name)
}

// remember keeps the mapping of a file for others with the same headers.
func (p planner) remember(ctx context.Context, organizerID string, read *reading) error {
	mapping := make(maindb.Mapping, len(read.options.Mapping))
	for header, meaning := range read.options.Mapping {
		if !slices.ContainsFunc(read.file.Columns, func(c racefile.Column) bool { return racefile.HeaderKey(c.Header) == racefile.HeaderKey(header) }) {
			return server.Invalid("query.mapping", "must name headers of the file as it writes them: "+quotedList(headersOf(read.file)))
		}
		mapping[header] = string(meaning)
	}
	return p.store.RememberMapping(ctx, organizerID, shapeOf(read.file), mapping)
}

func headersOf(f *racefile.File) []string {
	const shown = 30
	var headers []string
	for _, c := range f.Columns[:min(len(f.Columns), shown)] {
		headers = append(headers, c.Header)
	}
	return headers
}

// problem returns the answer for a file that cannot be planned.
func (p planner) problem(read *reading, err error) error {
	if errors.Is(err, maindb.ErrNoRankingTime) {
		basis := read.race.Ranking.Basis
		return huma.Error422UnprocessableEntity("the file cannot be used", &huma.ErrorDetail{
			Location: "body",
			Message: "no row has a " + string(basis) + " time, which ranks the race, nor a status that needs none (DNF, DNS, DQ, OVERTIME); the columns are " +
				quotedList(headersOf(read.file)) + `: say by mapping which one it is, for example {"Time":"` + string(basis) + `_time"}`,
		})
	}
	return err
}

// resolved is a file that was read, with the accounts that it concerns.
type resolved struct {
	maindb.RaceFile
	read *reading
	list *imports.ResolvedList
	// listAt has the place in read.rows of each row of list.
	listAt []int
}

// resolve finds the accounts of a file's rows, and the rows whose name is not that of
// the entrant with the bib. Of these, neither entry nor result is taken, unless the
// caller overrides them.
func (p planner) resolve(ctx context.Context, importID string, data []byte, read *reading) (*resolved, error) {
	file := &resolved{read: read, list: &imports.ResolvedList{}}
	inputs, err := json.Marshal(read.options)
	if err != nil {
		return nil, err
	}
	file.RaceFile = maindb.RaceFile{
		Kind: read.kind(), Inputs: inputs, ResultsFile: maindb.ResultsFile{
			ImportID: importID, RaceID: read.race.ID, Name: read.options.Name, Hash: sha256.Sum256(data), Rows: read.results,
		},
	}
	if err := setOverride(&file.ResultsFile, read.options.Override); err != nil {
		return nil, server.Invalid("query.override", err.Error())
	}
	entries, at := read.entries, read.entryAt
	if read.takesResults {
		names, err := p.entrantNames(ctx, read.race.ID)
		if err != nil {
			return nil, err
		}
		file.OtherNames = otherNames(read, names)
		entries, at = file.fittingEntries(names)
	}
	if len(entries) > 0 {
		if file.list, err = p.standIns.Resolve(ctx, read.race.ID, entries); err != nil {
			return nil, err
		}
		file.place(entries, at)
	}
	file.Entries = file.list.Entries
	return file, nil
}

// setOverride reads which rows may be applied against a decision.
func setOverride(file *maindb.ResultsFile, override string) error {
	file.OverrideAll, file.OverrideBibs = strings.EqualFold(override, "all"), nil
	if override == "" || file.OverrideAll {
		return nil
	}
	for bib := range strings.SplitSeq(override, ",") {
		bib = strings.TrimSpace(bib)
		if race.CheckBib(bib) != nil {
			return errors.New("must be all, or bibs separated by commas, for example 344,W16")
		}
		file.OverrideBibs = append(file.OverrideBibs, bib)
	}
	return nil
}

// entrantNames returns the names of those who are entered, by bib key.
func (p planner) entrantNames(ctx context.Context, raceID string) (map[string]string, error) {
	entrants, err := p.store.EntrantsByBib(ctx, raceID)
	if err != nil || len(entrants) == 0 {
		return nil, err
	}
	ids := make([]string, 0, len(entrants))
	for _, id := range entrants {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	runners, err := p.runners.Runners(ctx, ids)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(entrants))
	for key, id := range entrants {
		names[key] = runners[id].Name
	}
	return names, nil
}

func otherNames(read *reading, names map[string]string) map[string]bool {
	other := make(map[string]bool)
	for _, at := range read.resultAt {
		row := &read.rows[at]
		if name, entered := names[race.BibKey(row.Bib)]; entered && !sameName(name, row.Name) {
			other[race.BibKey(row.Bib)] = true
		}
	}
	return other
}

// fittingEntries leaves out the entries of rows whose name does not fit, and the
// names of the others that are entered already: results do not correct how a name is
// written.
func (f *resolved) fittingEntries(names map[string]string) (entries []imports.StartListRow, at []int) {
	for i, entry := range f.read.entries {
		key := race.BibKey(entry.Bib)
		overridden := f.OverrideAll || slices.ContainsFunc(f.OverrideBibs, func(bib string) bool { return race.BibKey(bib) == key })
		switch name, entered := names[key]; {
		case f.OtherNames[key] && !overridden:
			continue
		case entered && name != "" && !f.OtherNames[key]:
			entry.Name = ""
		}
		entries, at = append(entries, entry), append(at, f.read.entryAt[i])
	}
	return entries, at
}

// place notes where the rows of the resolved list are, and the errors of those that
// could not be resolved.
func (f *resolved) place(entries []imports.StartListRow, at []int) {
	next := 0
	for i, entry := range entries {
		if next < len(f.list.Rows) && f.list.Rows[next] == entry {
			f.listAt = append(f.listAt, at[i])
			next++
			continue
		}
		row := &f.read.rows[at[i]]
		j := slices.IndexFunc(f.list.Errors, func(e imports.RowError) bool { return e.Row == entry.Row })
		if j < 0 {
			continue
		}
		wrong := f.list.Errors[j]
		row.Entry, row.Action, row.Message = maindb.ActionError, maindb.ActionError, wrong.Field+" "+wrong.Message
		f.read.errors = append(f.read.errors, racefile.RowError{Sheet: row.Sheet, Row: row.Row, Field: wrong.Field, Message: wrong.Message})
	}
}
