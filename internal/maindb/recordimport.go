package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// importReason is the reason of a revision by an import whose caller gives none.
const importReason = "results file imported"

// ErrNoRankingTime says that no row of a file states the time that ranks the race
// although finishers would be left without one, or that no row states anything at
// all.
var ErrNoRankingTime = errors.New("the file has no ranking time")

// maxListed is how many rows of each kind an import's outcome lists.
const maxListed = 200

// ResultsFile is a results file and how to apply it.
type ResultsFile struct {
	ImportID string // of the new import; the ID of an existing import returns the outcome of that one
	RaceID   string
	Rows     []race.ResultRow // checked, each with a bib of its own
	Name     string           // empty: unknown
	Hash     [sha256.Size]byte
	// Official lets the file change a race whose standings are official. It needs
	// a reason.
	Official bool
	// OverrideAll, or the bibs of single rows, let the file change what a person
	// has decided. It needs a reason.
	OverrideAll  bool
	OverrideBibs []string
	// OtherNames has the rows, by bib key, that name somebody else than the entrant
	// with the bib. They are left out unless the file may override.
	OtherNames map[string]bool
	// RetryOf is when the request was first sent that this one repeats; zero for a
	// request of its own. A repeated one does not undo what a later file brought.
	RetryOf time.Time
}

// Imported is the outcome of an import of a results file, or of its dry run. Each
// list holds the first rows of its kind, and its total how many there are.
type Imported struct {
	ImportID         string           `json:"import_id,omitempty" doc:"For undoing it. Left out when nothing was written."`
	Added            int              `json:"added" doc:"Records posted."`
	Changed          int              `json:"changed" doc:"Records that got a new revision."`
	Unchanged        int              `json:"unchanged" doc:"Rows that say what the record already says."`
	Changes          []FieldChange    `json:"changes" nullable:"false" doc:"What changes in records that exist, field by field; at most 200."`
	ChangesTotal     int              `json:"changes_total"`
	Cleared          []ClearedField   `json:"cleared" nullable:"false" doc:"Values that a - in the file cleared; at most 200."`
	ClearedTotal     int              `json:"cleared_total"`
	Kept             []KeptRow        `json:"kept" nullable:"false" doc:"Rows that were not applied because a person decided otherwise; at most 200. Override them by all or by bib."`
	KeptTotal        int              `json:"kept_total"`
	UnknownBib       []BibRow         `json:"unknown_bib" nullable:"false" doc:"Rows whose bib nobody is entered with, applied or not; at most 200."`
	UnknownTotal     int              `json:"unknown_bib_total"`
	Implausible      []ImplausibleRow `json:"implausible" nullable:"false" doc:"Rows whose record has an implausible time: it is kept, but neither ranked nor credited until it is corrected or confirmed; at most 200."`
	ImplausibleTotal int              `json:"implausible_total"`
	Official         bool             `json:"official,omitempty" doc:"The standings are official: only official=true with a reason lets the file change them."`
	PlacesMoved      []PlaceMove      `json:"places_moved,omitempty" doc:"Of an official race, and in a dry run of any race: the places that change, in the new order; at most 200."`
	PlacesTotal      int              `json:"places_moved_total,omitempty"`
	Consequences     *Consequences    `json:"consequences,omitempty" doc:"What the import leads to. Of a dry run."`
	// Readings at timing points.
	SplitsLeftOut      []SplitLeftOut `json:"splits_left_out,omitempty" doc:"Readings at timing points that cannot be right; the rest of their rows is applied; at most 200."`
	SplitsLeftOutTotal int            `json:"splits_left_out_total,omitempty"`
	UnknownPoints      []string       `json:"unknown_points,omitempty" nullable:"false" doc:"What the file calls splits that belong to no timing point of the race: they are not kept. Set its timing_points first."`

	Refused []RefusedRow `json:"-"` // rows that contradict what is known

	OtherName      []BibRow `json:"name_mismatch,omitempty" doc:"Rows whose name is not that of the entrant with the bib: they were not applied; at most 200."`
	OtherNameTotal int      `json:"name_mismatch_total,omitempty"`
}

// BibRow is a row of a file.
type BibRow struct {
	Row int    `json:"row"`
	Bib string `json:"bib"`
}

// FieldChange is one field of a record that a row changes.
type FieldChange struct {
	BibRow
	RecordID string `json:"record_id"`
	Field    string `json:"field" example:"gun_time"`
	Before   string `json:"before" doc:"Empty: there was no value."`
	After    string `json:"after" doc:"Empty: there is no value."`
}

// ClearedField is one field of a record that a row clears.
type ClearedField struct {
	BibRow
	Field  string `json:"field"`
	Before string `json:"before"`
}

// KeptRow is a row that was not applied because a person decided otherwise.
type KeptRow struct {
	BibRow
	RecordID string            `json:"record_id"`
	Says     map[string]string `json:"says" doc:"What the file says, by field; - where it clears the value."`
	Stands   map[string]string `json:"stands" doc:"What the record says, by field."`
	Message  string            `json:"message" example:"kept: decided by hand"`
}

// SplitLeftOut is a reading of a row that cannot be right.
type SplitLeftOut struct {
	BibRow
	Point   string `json:"point"`
	Message string `json:"message" example:"the reading at 15 km (1:05:00) is later than the finish (1:04:00)"`
}

// ImplausibleRow is a row whose record has an implausible time.
type ImplausibleRow struct {
	BibRow
	Message string `json:"message" doc:"Why, and what to write instead."`
}

// RefusedRow is a row that contradicts what the record says.
type RefusedRow struct {
	Row   int
	Wrong []race.FieldError
}

func list[T any](items *[]T, total *int, item T) {
	*total++
	if len(*items) < maxListed {
		*items = append(*items, item)
	}
}

// ImportResults updates the records of a race from a results file, all in one
// transaction: a bib without a record gets one, and the record that holds a bib is
// changed to what the row says. What a person has decided is kept, unless the file
// may override it. A file that changes something is stored as an import, which can
// be undone; importing under the ID of an existing import changes nothing and
// returns its outcome. Errors: race.ErrNotFound, *race.InvalidError when the reason
// is missing, ErrNoRankingTime, *race.ConflictError for a void race, for an
// official one that the file would change without being allowed to, and for a
// repeated request that another file has overtaken.
func (s *Store) ImportResults(ctx context.Context, file ResultsFile, change Change) (Imported, error) {
	overrides := file.OverrideAll || len(file.OverrideBibs) > 0
	if (file.Official || overrides) && change.Reason == "" {
		return Imported{}, &race.InvalidError{Fields: []race.FieldError{{
			Field: "reason", Message: "is needed to change official standings or to override what a person has decided",
		}}}
	}
	if change.Reason == "" {
		change.Reason = importReason
	}
	var done Imported
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		r, err := lockRace(ctx, q, file.RaceID)
		if err != nil {
			return err
		}
		row, err := q.RaceImport(ctx, file.ImportID, file.RaceID)
		if err == nil {
			done, err = outcomeOf(row)
			return err
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read the import: %w", err)
		}
		if r.Status == race.Void {
			return errVoid
		}
		plan, err := planImport(ctx, q, r, file, change, nil)
		if err != nil {
			return err
		}
		done = plan.outcome
		if len(plan.revisions) == 0 {
			return nil
		}
		if err := checkOvertaken(ctx, q, file); err != nil {
			return err
		}
		if r.Status == race.Official {
			if err := plan.movePlaces(ctx, q, false); err != nil {
				return err
			}
		}
		done = plan.outcome
		if r.Status == race.Official && !file.Official {
			return &race.ConflictError{Field: "official", Message: fmt.Sprintf(
				"the standings of the race are official, and the file would add %d records and change %d: "+
					"send official=true with a reason to import it anyway; dry_run=true shows the places that would move",
				done.Added, done.Changed)}
		}
		done.ImportID = file.ImportID
		return s.carryOut(ctx, tx, plan, r.Status, &done)
	})
	if err != nil {
		return Imported{}, fmt.Errorf("import results of race %s: %w", file.RaceID, err)
	}
	return done, nil
}

// PreviewImport returns what ImportResults would do now if it were allowed to, and
// changes nothing.
func (s *Store) PreviewImport(ctx context.Context, file ResultsFile) (Imported, error) {
	r, err := s.Race(ctx, file.RaceID)
	if err != nil {
		return Imported{}, err
	}
	if r.Status == race.Void {
		return Imported{}, errVoid
	}
	plan, err := planImport(ctx, s.queries, r, file, Change{}, nil)
	if err == nil && len(plan.revisions) > 0 {
		err = plan.movePlaces(ctx, s.queries, true)
	}
	if err != nil {
		return Imported{}, fmt.Errorf("preview results of race %s: %w", file.RaceID, err)
	}
	return plan.outcome, nil
}

// checkOvertaken refuses a repeated request when another file was imported after
// it was first sent: it would put back what that file corrected.
func checkOvertaken(ctx context.Context, q *gen.Queries, file ResultsFile) error {
	if file.RetryOf.IsZero() {
		return nil
	}
	overtaken, err := q.HasImportSince(ctx, file.RaceID, file.RetryOf)
	if err != nil {
		return fmt.Errorf("look for later imports: %w", err)
	}
	if overtaken {
		return &race.ConflictError{Message: "another file was imported after this request was first sent: " +
			"send this one with a new Idempotency-Key if it is to count now"}
	}
	return nil
}

// carryOut writes the plan and stores the import. The transaction must hold the
// race.
func (s *Store) carryOut(ctx context.Context, tx *sql.Tx, plan *importPlan, status race.Status, done *Imported) error {
	q, now := s.queries.WithTx(tx), s.now()
	if done.Added > 0 {
		if err := startResults(ctx, q, plan.race.ID, status, now); err != nil {
			return err
		}
	}
	if err := writeRevisions(ctx, tx, plan.revisions, now); err != nil {
		return err
	}
	outcome, err := json.Marshal(storedOutcome{done, done.Refused})
	if err != nil {
		return fmt.Errorf("encode the outcome: %w", err)
	}
	err = q.InsertRaceImport(ctx, gen.InsertRaceImportParams{
		ImportID: plan.file.ImportID, RaceID: plan.race.ID, FileName: plan.file.Name, FileHash: plan.file.Hash[:],
		Reason: plan.change.Reason, ImportedBy: plan.change.By, ImportedAt: now, Outcome: outcome,
	})
	if err != nil {
		return fmt.Errorf("store the import: %w", err)
	}
	return writeChanges(ctx, tx, now, race.Change{
		Action: "import.applied", RaceID: plan.race.ID, Subject: race.Subject{Kind: "import", ID: plan.file.ImportID}, Reason: plan.change.Reason,
		After: map[string]int{"added": done.Added, "changed": done.Changed, "unchanged": done.Unchanged, "kept": done.KeptTotal},
	})
}

// storedOutcome is an import's outcome as stored.
type storedOutcome struct {
	*Imported
	Refused []RefusedRow `json:"refused,omitempty"`
}

func outcomeOf(row gen.RaceImport) (Imported, error) {
	var done Imported
	stored := storedOutcome{Imported: &done}
	if err := json.Unmarshal(row.Outcome, &stored); err != nil {
		return Imported{}, fmt.Errorf("read the outcome of import %s: %w", row.ImportID, err)
	}
	done.Refused = stored.Refused
	return done, nil
}

// importPlan is what a results file does to the records of a race.
type importPlan struct {
	race      race.Race
	file      ResultsFile
	change    Change
	override  map[string]bool // bib keys
	revisions []revision
	outcome   Imported
	speaks    bool // some row states something
	timed     bool // some row states the time that ranks, or clears a value
	timeless  bool // some finisher would be left without that time

	rows     []PlannedResult               // as the file has them
	held     map[string]gen.OfficialRecord // by bib key; nil: those that the file names are read from the database
	entrants map[string]*entry
	decided  map[string]gen.OfficialRecord // by the bib keys that files knew them by; nil: not read yet
	splits   map[string]splitsHistory      // by record
}

// RowAction says what a plan does with a row of a file, or what hinders it.
type RowAction string

// The actions of a plan. Rows with the first three are applied, and so are those
// with an implausible time or a bib that nobody is entered with.
const (
	ActionAdded       RowAction = "added"
	ActionChanged     RowAction = "changed"
	ActionUnchanged   RowAction = "unchanged"
	ActionImplausible RowAction = "implausible"
	ActionUnknownBib  RowAction = "unknown_bib"
	ActionKept        RowAction = "kept"
	ActionOtherName   RowAction = "name_mismatch"
	ActionError       RowAction = "error"
	ActionSkipped     RowAction = "skipped"
)

// PlannedResult is what a plan does with the result of a row.
type PlannedResult struct {
	Action  RowAction         // what a person should know of the row first
	Does    RowAction         // added, changed or unchanged; empty: the row is left out
	Before  map[string]string // the fields that change, as they are now
	Message string            // why the row is left out, or what is odd about it
	Warning string            // which of its splits are left out
	// StatusStays is the record's status, other than a finish, where the row has a time
	// and states no status.
	StatusStays race.ResultStatus
}

// planImport plans a file of results for a race as it is in state. Without a state
// it reads the records that hold the bibs of the file, and no others.
func planImport(ctx context.Context, q *gen.Queries, r race.Race, file ResultsFile, change Change, state *raceInputs) (*importPlan, error) {
	p := &importPlan{
		race: r, file: file, change: change, rows: make([]PlannedResult, 0, len(file.Rows)), override: make(map[string]bool, len(file.OverrideBibs)),
		revisions: make([]revision, 0, len(file.Rows)),
		outcome: Imported{
			Changes: []FieldChange{}, Cleared: []ClearedField{}, Kept: []KeptRow{}, UnknownBib: []BibRow{}, Implausible: []ImplausibleRow{},
			Official: r.Status == race.Official,
		},
	}
	for _, bib := range file.OverrideBibs {
		p.override[race.BibKey(bib)] = true
	}
	if state != nil {
		p.entrants, p.held = state.entrants, state.holders()
	} else {
		var err error
		if p.entrants, err = enteredBibs(ctx, q, r.ID); err != nil {
			return nil, err
		}
	}
	if len(r.Course.Points) > 0 {
		var err error
		if p.splits, err = readSplits(ctx, q, r.ID); err != nil {
			return nil, err
		}
	}
	seen := make(map[string]bool, len(file.Rows))
	for part := range slices.Chunk(file.Rows, chunk) {
		if err := p.take(ctx, q, part, seen); err != nil {
			return nil, err
		}
	}
	if len(file.Rows) > 0 && !p.speaks || p.timeless && !p.timed {
		return nil, ErrNoRankingTime
	}
	return p, nil
}

// movePlaces works out whose place the plan changes, and all other consequences if
// they are wanted. It ranks the whole race twice, so that an import into a race that
// is not official does without.
func (p *importPlan) movePlaces(ctx context.Context, q *gen.Queries, all bool) error {
	before, err := readInputs(ctx, q, p.race)
	if err != nil {
		return err
	}
	c, err := consequencesOf(before, before.withRevisions(p.revisions))
	if err != nil {
		return err
	}
	if all {
		p.outcome.Consequences = &c
	}
	if live := slices.ContainsFunc(before.records, func(row gen.OfficialRecord) bool { return !row.Removed }); live {
		p.outcome.PlacesMoved, p.outcome.PlacesTotal = c.Moves, c.PlacesMoved
	}
	return nil
}

// take plans a part of the file's rows; seen has the bib keys of the parts before.
func (p *importPlan) take(ctx context.Context, q *gen.Queries, part []race.ResultRow, seen map[string]bool) error {
	keys := make([]string, len(part))
	for i, row := range part {
		keys[i] = race.BibKey(row.Bib)
		if seen[keys[i]] {
			return fmt.Errorf("bib %s is there twice", keys[i])
		}
		seen[keys[i]] = true
	}
	holders, err := p.holders(ctx, q, keys)
	if err != nil {
		return err
	}
	for i, row := range part {
		p.rows = append(p.rows, PlannedResult{})
		if p.file.OtherNames[keys[i]] && !p.overrides(keys[i]) {
			list(&p.outcome.OtherName, &p.outcome.OtherNameTotal, BibRow{row.Row, row.Bib})
			p.note("", ActionOtherName, "the name is not that of the entrant with the bib: "+
				"correct the bib, or override the row if the entrant is the one whom it names")
			continue
		}
		if _, entered := p.entrants[keys[i]]; !entered {
			list(&p.outcome.UnknownBib, &p.outcome.UnknownTotal, BibRow{row.Row, row.Bib})
			p.note("", ActionUnknownBib, "nobody is entered with the bib: the result is recorded, and has neither place nor points until somebody is")
		}
		p.speaks = p.speaks || row.Gun != nil || row.Net != nil || row.Status != nil || row.Sequence != nil || len(row.Splits) > 0
		p.timed = p.timed || p.race.Ranking.RankingTime(row.Stated()) != 0
		if holder, held := holders[keys[i]]; held {
			p.correct(row, holder)
		} else if err := p.add(ctx, q, keys[i], row); err != nil {
			return err
		}
	}
	return nil
}

// note says what the plan does with the row at hand. What was noted first stands:
// a row with an unknown bib that is added is shown as one with an unknown bib.
func (p *importPlan) note(does, action RowAction, message string) {
	row := &p.rows[len(p.rows)-1]
	if does != "" {
		row.Does = does
	}
	if row.Action == "" || action == ActionKept || action == ActionError {
		row.Action, row.Message = action, message
	}
}

func (p *importPlan) holders(ctx context.Context, q *gen.Queries, keys []string) (map[string]gen.OfficialRecord, error) {
	if p.held != nil {
		return p.held, nil
	}
	rows, err := q.RecordsHoldingBibs(ctx, p.race.ID, keys)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	holders := make(map[string]gen.OfficialRecord, len(rows))
	for _, row := range rows {
		holders[row.BibKey] = row
	}
	return holders, nil
}

// correct decides how a row changes the record that holds its bib. A bib that is
// only written differently, 007 for 7, is not a change.
func (p *importPlan) correct(row race.ResultRow, holder gen.OfficialRecord) {
	next := nextRevision(holder, race.ByFile, p.change)
	known := next.Result
	if holder.Decided && row.Status == nil && known.Status != race.Finished && p.race.Ranking.RankingTime(row.Stated()) != 0 {
		// A file of times alone lists those who finished. Of somebody whom a person
		// took out it therefore says something else than what was decided.
		row.Status = new(race.Finished)
	}
	if row.Status == nil && known.Status != race.Finished && p.race.Ranking.RankingTime(row.Stated()) != 0 {
		p.rows[len(p.rows)-1].StatusStays = known.Status
	}
	result, wrong := row.Apply(known)
	same, stays := len(wrong) == 0 && result == known, holder.Decided && !p.overrides(holder.BibKey)
	if same || len(wrong) == 0 && !stays {
		next.splits = p.splitsAfter(row, holder.RecordID, result, stays)
	}
	switch {
	case same && next.splits == nil:
		p.outcome.Unchanged++
		p.checkTime(row, next.Record)
		p.note(ActionUnchanged, ActionUnchanged, "")
		return
	case !same && stays:
		p.keep(row, holder)
		return
	case len(wrong) > 0:
		p.refuse(row, wrong)
		return
	}
	next.Correct(result)
	next.Decided, next.importID = next.Decided && same, p.file.ImportID // splits alone leave what a person decided
	p.revise(next)
	p.checkTime(row, next.Record)
	p.outcome.Changed++
	p.note(ActionChanged, ActionChanged, "")
	p.listChanges(row, next, known, result)
}

// listChanges lists what a row changes of the result of a record.
func (p *importPlan) listChanges(row race.ResultRow, next revision, known, result race.Result) {
	cleared := row.Cleared()
	before, after := textsOf(known), textsOf(result)
	changed := make(map[string]string)
	p.listSplits(row, next, changed)
	for i, field := range resultFields {
		if before[i] == after[i] {
			continue
		}
		changed[field] = before[i]
		at := BibRow{row.Row, known.Bib}
		list(&p.outcome.Changes, &p.outcome.ChangesTotal,
			FieldChange{BibRow: at, RecordID: next.ID, Field: field, Before: before[i], After: after[i]})
		if slices.Contains(cleared, field) {
			// Cleared on purpose: the column is known, and the record had a value.
			p.timed = p.timed || field == string(p.race.Ranking.Basis)+"_time"
			list(&p.outcome.Cleared, &p.outcome.ClearedTotal, ClearedField{BibRow: at, Field: field, Before: before[i]})
		}
	}
}

// add decides what happens to a row whose bib no record holds. A record that a
// person has removed, or moved to another bib, is not added again.
func (p *importPlan) add(ctx context.Context, q *gen.Queries, key string, row race.ResultRow) error {
	if p.decided == nil {
		var err error
		if p.decided, err = decidedByBib(ctx, q, p.race.ID); err != nil {
			return err
		}
	}
	if decided, known := p.decided[key]; known && !p.overrides(key) {
		p.keep(row, decided)
		return nil
	}
	result, wrong := row.Apply(race.Result{Bib: row.Bib, Status: race.Finished})
	if len(wrong) > 0 {
		p.refuse(row, wrong)
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a record ID: %w", err)
	}
	first := firstRevision(p.race.ID, id.String(), result, race.ByFile, p.change)
	first.importID = p.file.ImportID
	first.splits = p.splitsAfter(row, first.ID, result, false)
	p.revise(first)
	p.checkTime(row, first.Record)
	p.outcome.Added++
	p.note(ActionAdded, ActionAdded, "")
	return nil
}

// splitsAfter returns the readings of a record once a row is applied, nil if they
// stay as they are. Readings that cannot be right are listed and left out; those
// that a person has decided stay.
func (p *importPlan) splitsAfter(row race.ResultRow, recordID string, result race.Result, decided bool) race.Splits {
	known := p.splits[recordID].latest()
	splits := maps.Clone(known)
	for _, reading := range row.Splits {
		point, found := race.FindPoint(p.race.Course.Points, reading.Point)
		switch _, stands := known[point.Key]; {
		case reading.Time == 0 || decided && stands:
		case found:
			splits[point.Key] = reading.Time
		case !slices.Contains(p.outcome.UnknownPoints, reading.Point) && len(p.outcome.UnknownPoints) < maxListed:
			p.outcome.UnknownPoints = append(p.outcome.UnknownPoints, reading.Point)
		}
	}
	if result.Status == race.DidNotStart {
		splits = race.Splits{}
	}
	splits, wrong := splits.KeepRight(p.race, result)
	for _, fault := range wrong {
		at := &p.rows[len(p.rows)-1]
		at.Warning = strings.TrimPrefix(at.Warning+"; "+fault.Message+": left out", "; ")
		list(&p.outcome.SplitsLeftOut, &p.outcome.SplitsLeftOutTotal, SplitLeftOut{BibRow{row.Row, row.Bib}, fault.Point.Name, fault.Message})
	}
	if maps.Equal(splits, known) {
		return nil
	}
	return splits
}

// listSplits lists the readings that a row changes, among the fields that change.
func (p *importPlan) listSplits(row race.ResultRow, next revision, changed map[string]string) {
	p.rows[len(p.rows)-1].Before = changed
	if next.splits == nil {
		return
	}
	known := p.splits[next.ID].latest()
	for _, point := range p.race.Course.Points {
		before, after := known[point.Key], next.splits[point.Key]
		if before == after {
			continue
		}
		field := "splits." + point.Name
		changed[field] = before.String()
		list(&p.outcome.Changes, &p.outcome.ChangesTotal, FieldChange{
			BibRow: BibRow{row.Row, next.Result.Bib}, RecordID: next.ID, Field: field, Before: before.String(), After: after.String(),
		})
	}
}

// refuse lists a row that contradicts what is known.
func (p *importPlan) refuse(row race.ResultRow, wrong []race.FieldError) {
	p.outcome.Refused = append(p.outcome.Refused, RefusedRow{row.Row, wrong})
	p.note("", ActionError, wrong[0].Field+" "+wrong[0].Message)
}

// checkTime lists a row if it leaves its record with an implausible time that
// nobody has confirmed.
func (p *importPlan) checkTime(row race.ResultRow, r race.Record) {
	facts := scoring.Facts{Race: p.race, Record: r}
	if entrant, known := p.entrants[race.BibKey(r.Result.Bib)]; known {
		facts.Entrant = &entrant.Participant
	}
	if message := facts.Implausible(); message != "" {
		p.note("", ActionImplausible, message)
		list(&p.outcome.Implausible, &p.outcome.ImplausibleTotal, ImplausibleRow{BibRow{row.Row, row.Bib}, message})
	}
}

func (p *importPlan) revise(next revision) {
	p.revisions = append(p.revisions, next)
	if next.Result.Status == race.Finished && p.race.Ranking.RankingTime(next.Result) == 0 {
		p.timeless = true
	}
}

func (p *importPlan) overrides(bibKey string) bool { return p.file.OverrideAll || p.override[bibKey] }

// keep lists a row that is not applied because a person decided about the record.
func (p *importPlan) keep(row race.ResultRow, decided gen.OfficialRecord) {
	kept := KeptRow{
		BibRow: BibRow{row.Row, row.Bib}, RecordID: decided.RecordID,
		Says: map[string]string{}, Stands: map[string]string{}, Message: "kept: decided by hand",
	}
	said := textsOf(row.Stated())
	stated := []bool{row.Gun != nil, row.Net != nil, row.Status != nil, row.Sequence != nil}
	stands := textsOf(recordOf(decided).Result)
	for i, field := range resultFields {
		if stated[i] {
			if kept.Says[field] = said[i]; said[i] == "" {
				kept.Says[field] = "-"
			}
		}
		if stands[i] != "" {
			kept.Stands[field] = stands[i]
		}
	}
	switch {
	case decided.Removed:
		kept.Message += ", the record was removed"
	case race.BibKey(row.Bib) != decided.BibKey:
		kept.Message += ", the record was given another bib"
		kept.Stands["bib"] = decided.Bib
	}
	list(&p.outcome.Kept, &p.outcome.KeptTotal, kept)
	p.note("", ActionKept, kept.Message)
}

// resultFields are the fields of a result that a file states, in the order of
// textsOf.
var resultFields = []string{"gun_time", "net_time", "status", "sequence"}

func textsOf(r race.Result) [4]string {
	sequence := ""
	if r.Sequence != 0 {
		sequence = strconv.Itoa(r.Sequence)
	}
	return [4]string{r.Gun.String(), r.Net.String(), string(r.Status), sequence}
}

// enteredBibs returns who is entered with each bib of a race, by bib key, with what
// plausible times depend on.
func enteredBibs(ctx context.Context, q *gen.Queries, raceID string) (map[string]*entry, error) {
	rows, err := q.EnteredBibs(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read the bibs of race %s: %w", raceID, err)
	}
	entrants := make(map[string]*entry, len(rows))
	for _, row := range rows {
		entrants[row.BibKey.String] = &entry{Participant: race.Participant{
			UserID: row.UserID, Sex: race.Sex(row.Sex), Field: race.Field(row.Field),
		}}
	}
	return entrants, nil
}

// decidedByBib returns the records of a race that a person has decided, by the keys
// of the bibs that files and timing software gave them.
func decidedByBib(ctx context.Context, q *gen.Queries, raceID string) (map[string]gen.OfficialRecord, error) {
	rows, err := q.DecidedRecordsWithBibs(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read the decisions of race %s: %w", raceID, err)
	}
	decided := make(map[string]gen.OfficialRecord, len(rows))
	for _, row := range rows {
		decided[race.BibKey(row.HadBib)] = row.OfficialRecord
	}
	return decided, nil
}
