package maindb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

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
	if decided.Removed {
		p.note("", ActionKept, kept.Message)
		return
	}
	p.note("", ActionKept, kept.inFull())
}

// inFull returns the message with what the record says.
func (k *KeptRow) inFull() string {
	var says []string
	for _, field := range append([]string{"bib"}, resultFields...) {
		if value := k.Stands[field]; value != "" {
			says = append(says, field+" "+value)
		}
	}
	return k.Message + "; the record says " + strings.Join(says, ", ")
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
