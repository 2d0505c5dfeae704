package maindb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RaceFile is a file that holds a start list, results or both, as it was read. The
// start list comes first: its entrants have the bibs of the results.
type RaceFile struct {
	ResultsFile
	Kind    string         // "start_list", "results" or "both"
	Entries []StartListRow // empty: no start list
	Inputs  []byte         // of everything else that the plan depends on, for its hash
}

// FilePlan is what a file would do to a race.
type FilePlan struct {
	Hash         string // of what it was made from and what it would do, in hexadecimal
	Outcome      Imported
	Results      []PlannedResult // one for each of the file's rows
	Entries      []PlannedRow    // one for each of the file's entries
	Consequences Consequences

	before, after *raceInputs
	list          *startListPlan
	results       *importPlan
}

// PlanFile returns what ApplyFile would do with the file now, and changes nothing.
// It returns race.ErrNotFound, ErrNoRankingTime, and a *race.ConflictError for a
// void race.
func (s *Store) PlanFile(ctx context.Context, file RaceFile) (FilePlan, error) {
	var plan FilePlan
	err := s.inSnapshot(ctx, func(q *gen.Queries) error {
		row, err := q.Race(ctx, file.RaceID)
		r, err := foundRace(file.RaceID, row, err)
		if err != nil {
			return err
		}
		plan, err = planFile(ctx, q, r, file, Change{})
		return err
	})
	if err != nil {
		return FilePlan{}, fmt.Errorf("plan a file for race %s: %w", file.RaceID, err)
	}
	return plan, nil
}

// inSnapshot runs reads that all see the database as it is at the first one.
func (s *Store) inSnapshot(ctx context.Context, read func(q *gen.Queries) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return read(s.queries.WithTx(tx))
}

func planFile(ctx context.Context, q *gen.Queries, r race.Race, file RaceFile, change Change) (FilePlan, error) {
	if r.Status == race.Void {
		return FilePlan{}, errVoid
	}
	before, err := readInputs(ctx, q, r)
	if err != nil {
		return FilePlan{}, err
	}
	invited, err := q.InvitationsOfRace(ctx, r.ID)
	if err != nil {
		return FilePlan{}, fmt.Errorf("read the invitations of race %s: %w", r.ID, err)
	}
	offered, err := q.OfferedPlaces(ctx, r.ID)
	if err != nil {
		return FilePlan{}, fmt.Errorf("count the offers of race %s: %w", r.ID, err)
	}
	plan := FilePlan{before: before, list: newStartListPlan(r, before.entries, int(offered), invited, file.Entries)}
	plan.Entries = plan.list.rows
	listed := before.withEntries(plan.list)
	if plan.results, err = planImport(ctx, q, r, file.ResultsFile, change, listed); err != nil {
		return FilePlan{}, err
	}
	plan.Results, plan.Outcome = plan.results.rows, plan.results.outcome
	plan.after = listed.withRevisions(append(plan.again(), plan.results.revisions...))
	if plan.Consequences, err = consequencesOf(before, plan.after); err != nil {
		return FilePlan{}, err
	}
	plan.Hash, err = plan.hash(file)
	return plan, err
}

// again returns a revision of every record that only the start list affects, so
// that it is credited again.
func (p *FilePlan) again() []revision {
	revised := make(map[string]bool, len(p.results.revisions))
	for _, next := range p.results.revisions {
		revised[next.ID] = true
	}
	keys := make(map[string]bool, len(p.list.revises))
	for _, key := range p.list.revises {
		keys[key] = true
	}
	var again []revision
	for _, row := range p.before.records {
		if keys[row.BibKey] && !row.Removed && !revised[row.RecordID] {
			again = append(again, nextRevision(row, race.BySystem, Change{}))
		}
	}
	return again
}

// hash identifies the file, the race as it is, and what the file would change.
func (p *FilePlan) hash(file RaceFile) (string, error) {
	state, err := p.before.hash()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	sum.Write(state[:])
	sum.Write(file.Hash[:])
	sum.Write(file.Inputs)
	type entryDone struct {
		Outcome RowOutcome
		UserID  string
	}
	done := make([]entryDone, len(p.Entries))
	for i, e := range p.Entries {
		done[i] = entryDone{e.Outcome, e.UserID}
	}
	if err := json.NewEncoder(sum).Encode([]any{p.Results, done}); err != nil {
		return "", fmt.Errorf("hash the plan: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// StoredPlan is a plan to keep until it is applied.
type StoredPlan struct {
	File      RaceFile
	Plan      FilePlan
	By        string // user ID
	KeptUntil time.Time
	Contents  map[ImportContent][]byte
}

// ImportContent is something that is kept of an import for a limited time.
type ImportContent string

// The contents of an import.
const (
	ContentFile  ImportContent = "file"  // as it came
	ContentPlan  ImportContent = "plan"  // as it was answered
	ContentRows  ImportContent = "rows"  // as read and planned
	contentRace  ImportContent = "race"  // the settings of the race when the plan was made
	contentUndo  ImportContent = "undo"  // entries before and after a start list
	ContentNames ImportContent = "names" // accounts of stand-ins before it
)

// SavePlan keeps a plan under the import's ID. A plan that is there already stays.
func (s *Store) SavePlan(ctx context.Context, plan StoredPlan) error {
	outcome, err := json.Marshal(storedOutcome{&plan.Plan.Outcome, plan.Plan.Outcome.Refused})
	if err != nil {
		return fmt.Errorf("encode the outcome: %w", err)
	}
	settings, err := json.Marshal(plan.Plan.before.race)
	if err != nil {
		return fmt.Errorf("encode the race: %w", err)
	}
	contents := map[ImportContent][]byte{contentRace: settings}
	maps.Copy(contents, plan.Contents)
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := q.ShareRaceForRecords(ctx, plan.File.RaceID); err != nil {
			return err // the race was deleted in the meantime
		}
		err := q.InsertImportPlan(ctx, gen.InsertImportPlanParams{
			ImportID: plan.File.ImportID, RaceID: plan.File.RaceID, Kind: plan.File.Kind, FileName: plan.File.Name,
			FileHash: plan.File.Hash[:], ImportedBy: plan.By, ImportedAt: s.now(), Outcome: outcome,
			PlanHash: nullString(plan.Plan.Hash), KeptUntil: sql.NullTime{Time: plan.KeptUntil, Valid: true},
		})
		if err != nil {
			return err
		}
		return putContents(ctx, tx, plan.File.ImportID, plan.File.RaceID, contents)
	})
	switch {
	case mysql.IsDuplicate(err):
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return race.ErrNotFound
	case err != nil:
		return fmt.Errorf("keep the plan of import %s: %w", plan.File.ImportID, err)
	}
	return nil
}

// StalePlanError says that a race is no longer what a plan was made from.
type StalePlanError struct {
	Changed []PlanChange // the first ones
	Total   int
}

// PlanChange is something that changed since a plan was made.
type PlanChange struct {
	Location string // as the API calls it
	Message  string
}

func (e *StalePlanError) Error() string {
	return "the race has changed since the plan was made: make a new plan"
}

// Applied is what an import did.
type Applied struct {
	Import  RaceImport
	Plan    FilePlan
	Already bool // an earlier call did it; Plan is empty
}

// ApplyFile does what the plan of the file with that hash says, all in one
// transaction: on the file as the caller wants it applied, which differs from the
// planned one in the rows that it overrides, or is the same. Names
// are the accounts of stand-ins that the caller has corrected, as they were before.
// An import that is applied already is returned as it is. Errors: race.ErrNotFound,
// *StalePlanError, *race.InvalidError when the reason is missing,
// *race.ConflictError for an import that is undone, for a void race and for an
// official one.
func (s *Store) ApplyFile(ctx context.Context, file, wanted RaceFile, hash string, names []byte, keptUntil time.Time, change Change) (Applied, error) {
	var done Applied
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		done = Applied{}
		r, err := lockRace(ctx, q, file.RaceID)
		if err != nil {
			return err
		}
		row, err := q.LockRaceImport(ctx, file.ImportID, file.RaceID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read the import: %w", err)
		}
		if row.Status != "planned" {
			if done.Import, err = importOf(row); err == nil && row.Status == "undone" {
				return &race.ConflictError{Message: "the import was undone: send the file again for a new plan"}
			}
			done.Already = true
			return err
		}
		if done.Plan, err = s.planAgain(ctx, q, r, row, file, wanted, hash, change); err != nil {
			return err
		}
		if r.Status == race.Official && !wanted.Official && done.Plan.writes() {
			return &race.ConflictError{Field: "official", Message: "the standings of the race are official: apply with official true and a reason"}
		}
		if change.Reason == "" {
			change.Reason = ImportReason
		}
		if err := s.carryOutPlan(ctx, tx, &done.Plan, change, names); err != nil {
			return err
		}
		done.Plan.Outcome.ImportID = file.ImportID
		done.Import, err = s.noteApplied(ctx, q, row, &done.Plan, change, keptUntil)
		return err
	})
	if err != nil {
		return Applied{}, fmt.Errorf("apply import %s: %w", file.ImportID, err)
	}
	return done, nil
}

// CheckPlan returns the plan that ApplyFile would carry out now, and the errors
// that it would return, and changes nothing.
func (s *Store) CheckPlan(ctx context.Context, file, wanted RaceFile, hash string) (FilePlan, error) {
	var plan FilePlan
	err := s.inSnapshot(ctx, func(q *gen.Queries) error {
		row, err := q.Race(ctx, file.RaceID)
		r, err := foundRace(file.RaceID, row, err)
		if err != nil {
			return err
		}
		stored, err := q.RaceImport(ctx, file.ImportID, file.RaceID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read the import: %w", err)
		}
		plan, err = s.planAgain(ctx, q, r, stored, file, wanted, hash, Change{})
		return err
	})
	return plan, err
}

// planAgain makes the plan again, and that of the file as the caller wants it applied
// if it overrides other rows.
func (s *Store) planAgain(ctx context.Context, q *gen.Queries, r race.Race, stored gen.RaceImport, file, wanted RaceFile, hash string, change Change) (FilePlan, error) {
	if hash != stored.PlanHash.String {
		return FilePlan{}, &race.ConflictError{Field: "hash", Message: "must be the hash of the import's plan"}
	}
	if change.Reason == "" {
		change.Reason = ImportReason
	}
	plan, err := planFile(ctx, q, r, file, change)
	if err != nil {
		return FilePlan{}, err
	}
	if plan.Hash != hash {
		return FilePlan{}, s.staleness(ctx, q, stored, &plan)
	}
	if wanted.OverrideAll != file.OverrideAll || !slices.Equal(wanted.OverrideBibs, file.OverrideBibs) {
		return planFile(ctx, q, r, wanted, change)
	}
	return plan, nil
}

func (p *FilePlan) writes() bool {
	return len(p.results.revisions)+len(p.list.writes)+len(p.list.displaced)+len(p.list.invites)+len(p.list.uninvites) > 0
}

// staleness finds what has changed since a plan was made.
func (s *Store) staleness(ctx context.Context, q *gen.Queries, stored gen.RaceImport, now *FilePlan) error {
	stale := &StalePlanError{}
	settings, err := contentOf(ctx, q, stored.ImportID, contentRace)
	if err != nil {
		return err
	}
	var old race.Race
	if err := json.Unmarshal(settings, &old); err != nil {
		return fmt.Errorf("read the race that the plan was made for: %w", err)
	}
	r := now.before.race
	for _, name := range append(append(creditSettings(old, r), placeSettings(old, r)...),
		changedOf(setting{"status", old.Status != r.Status}, setting{"capacity", old.Capacity != r.Capacity})...) {
		list(&stale.Changed, &stale.Total, PlanChange{"race." + name, "has been changed since"})
	}
	for i := range now.before.records {
		if row := &now.before.records[i]; !row.UpdatedAt.Before(stored.ImportedAt) {
			list(&stale.Changed, &stale.Total, PlanChange{
				"official-records/" + row.RecordID, fmt.Sprintf("bib %s has been changed since: it is at revision %d", row.Bib, row.Revision),
			})
		}
	}
	for i := range now.before.entries {
		if e := &now.before.entries[i]; !e.updatedAt.Before(stored.ImportedAt) {
			list(&stale.Changed, &stale.Total, PlanChange{
				"participants/" + e.ID, fmt.Sprintf("the entry with bib %s has been made or changed since", cmp.Or(e.Bib, "(none)")),
			})
		}
	}
	if stale.Total == 0 {
		list(&stale.Changed, &stale.Total, PlanChange{"race", "entries, the names of entrants, or records have been changed since"})
	}
	return stale
}

// carryOutPlan writes what the plan says. The transaction must hold the race.
func (s *Store) carryOutPlan(ctx context.Context, tx *sql.Tx, plan *FilePlan, change Change, names []byte) error {
	q, now, r := s.queries.WithTx(tx), s.now(), plan.before.race
	if err := s.writeStartList(ctx, tx, plan.list); err != nil {
		return err
	}
	if again := plan.again(); len(again) > 0 {
		ids := make([]string, len(again))
		for i, next := range again {
			ids[i] = next.ID
		}
		if err := reviseAgain(ctx, tx, ids, "start list corrected", now); err != nil {
			return err
		}
	}
	if plan.Outcome.Added > 0 {
		if err := startResults(ctx, q, r.ID, r.Status, now); err != nil {
			return err
		}
	}
	for i := range plan.results.revisions {
		plan.results.revisions[i].Change = change
	}
	if err := writeRevisions(ctx, tx, plan.results.revisions, now); err != nil {
		return err
	}
	undo, err := json.Marshal(plan.undoing())
	if err != nil {
		return fmt.Errorf("encode what the start list changes: %w", err)
	}
	contents := map[ImportContent][]byte{contentUndo: undo}
	if len(names) > 0 {
		contents[ContentNames] = names
	}
	if err := putContents(ctx, tx, plan.results.file.ImportID, r.ID, contents); err != nil {
		return err
	}
	done := plan.Outcome
	logged := map[string]int{"added": done.Added, "changed": done.Changed, "unchanged": done.Unchanged, "kept": done.KeptTotal}
	if len(plan.Entries) > 0 {
		logged["entries_written"] = len(plan.list.writes)
	}
	return writeChanges(ctx, tx, now, race.Change{
		Action: "import.applied", RaceID: r.ID, Subject: race.Subject{Kind: "import", ID: plan.results.file.ImportID}, Reason: change.Reason, After: logged,
	})
}

// noteApplied marks an import as applied.
func (s *Store) noteApplied(ctx context.Context, q *gen.Queries, row gen.RaceImport, plan *FilePlan, change Change, keptUntil time.Time) (RaceImport, error) {
	outcome, err := json.Marshal(storedOutcome{&plan.Outcome, plan.Outcome.Refused})
	if err != nil {
		return RaceImport{}, fmt.Errorf("encode the outcome: %w", err)
	}
	row.Status, row.Reason, row.ImportedBy, row.Outcome = "applied", change.Reason, change.By, outcome
	row.ImportedAt = s.now().UTC().Truncate(time.Microsecond)
	err = q.ApplyRaceImport(ctx, gen.ApplyRaceImportParams{
		Reason: row.Reason, ImportedBy: row.ImportedBy, ImportedAt: row.ImportedAt, Outcome: outcome,
		KeptUntil: sql.NullTime{Time: keptUntil, Valid: true}, ImportID: row.ImportID,
	})
	if err != nil {
		return RaceImport{}, fmt.Errorf("note that the import is applied: %w", err)
	}
	return importOf(row)
}

// undoing is what undoing a start list needs.
type undoing struct {
	Entries []entryChange `json:"entries"`
	Invited []invitation  `json:"invited"`
}

// invitation is one that a start list made.
type invitation struct{ BibKey, LoginHash string }

// entryChange is an entry before and after a start list; nil: there is none.
type entryChange struct {
	Before *storedEntry `json:"before,omitempty"`
	After  *storedEntry `json:"after,omitempty"`
}

type storedEntry struct {
	race.Participant
	AgeStated, Listed bool
}

func stored(e entry) *storedEntry { return &storedEntry{e.Participant, e.ageStated, e.listed} }

// undoing returns what the start list changes, for undoing it.
func (p *FilePlan) undoing() undoing {
	earlier := make(map[string]entry, len(p.before.entries))
	for _, e := range p.before.entries {
		earlier[e.ID] = e
	}
	done := undoing{Entries: []entryChange{}, Invited: []invitation{}}
	for _, row := range p.list.invites {
		done.Invited = append(done.Invited, invitation{race.BibKey(row.Bib), row.LoginHash})
	}
	for _, id := range p.list.displaced {
		done.Entries = append(done.Entries, entryChange{Before: stored(earlier[id])})
	}
	for _, e := range p.list.writes {
		change := entryChange{After: stored(e)}
		if old, known := earlier[e.ID]; known {
			change.Before = stored(old)
		}
		done.Entries = append(done.Entries, change)
	}
	return done
}

// entryTexts returns the fields of an entry that a start list states.
func entryTexts(e entry) map[string]string {
	age := ""
	if e.Age != race.UnknownAge {
		age = strconv.Itoa(e.Age)
	}
	return map[string]string{"bib": e.Bib, "sex": string(e.Sex), "age": age, "field": string(e.Field), "team": e.Team, "runner": e.UserID}
}

// beforeOf returns the fields that differ, as they were.
func beforeOf(old, next entry) map[string]string {
	before, after := entryTexts(old), entryTexts(next)
	for field, value := range before {
		if after[field] == value {
			delete(before, field)
		}
	}
	if _, other := before["runner"]; other {
		before["runner"] = "another runner"
	}
	return before
}
