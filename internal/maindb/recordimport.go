package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// ImportReason is the reason of a revision by an import whose caller gives none.
const ImportReason = "results file imported"

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
	PlacesMoved      []PlaceMove      `json:"places_moved,omitempty" doc:"The places that change, in the new order; at most 200. Only for an official race, and in a dry run of any race."`
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
		change.Reason = ImportReason
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
