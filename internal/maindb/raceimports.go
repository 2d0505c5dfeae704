package maindb

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RaceImport is a file that was applied to a race.
type RaceImport struct {
	ID         string
	RaceID     string
	Kind       string // "results", "start_list" or "both"
	Status     string // "planned", "applied" or "undone"
	FileName   string // empty: unknown
	FileHash   string // SHA-256, in hexadecimal
	Reason     string
	By         string // user ID
	At         time.Time
	Outcome    Imported
	UndoneBy   string // user ID; empty unless undone
	UndoneAt   time.Time
	UndoReason string
	Hash       string    // of its plan; empty for an import that was not planned
	KeptUntil  time.Time // of the plan, or of the contents of an applied import; zero: no contents are kept
}

// ImportChangedError says that an import cannot be undone because some of what
// it wrote has been changed since.
type ImportChangedError struct {
	Changed []ChangedRecord // the first ones
	Total   int
}

// ChangedRecord is a record, or an entry, that was changed after an import wrote it.
type ChangedRecord struct {
	RecordID      string // empty for an entry
	ParticipantID string // of an entry
	Bib           string
	Revision      int // of a record, the latest
}

func (e *ImportChangedError) Error() string {
	return fmt.Sprintf("%d of the records and entries of the import were changed since", e.Total)
}

// RaceImport returns an import of a race, or race.ErrNotFound.
func (s *Store) RaceImport(ctx context.Context, raceID, importID string) (RaceImport, error) {
	return raceImport(ctx, s.queries, raceID, importID)
}

func raceImport(ctx context.Context, q *gen.Queries, raceID, importID string) (RaceImport, error) {
	row, err := q.RaceImport(ctx, importID, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return RaceImport{}, race.ErrNotFound
	}
	if err != nil {
		return RaceImport{}, fmt.Errorf("read import %s: %w", importID, err)
	}
	return importOf(row)
}

// RaceImports returns up to limit imports of a race, the newest first, older than
// the one with the ID before; an empty before starts with the newest.
func (s *Store) RaceImports(ctx context.Context, raceID, before string, limit int) ([]RaceImport, error) {
	if before == "" {
		before = endOfIDs
	}
	rows, err := s.queries.RaceImportsBefore(ctx, raceID, before, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the imports of race %s: %w", raceID, err)
	}
	imports := make([]RaceImport, len(rows))
	for i, row := range rows {
		if imports[i], err = importOf(row); err != nil {
			return nil, err
		}
	}
	return imports, nil
}

func importOf(row gen.RaceImport) (RaceImport, error) {
	i := RaceImport{
		ID: row.ImportID, RaceID: row.RaceID, Kind: row.Kind, Status: row.Status, FileName: row.FileName,
		FileHash: hex.EncodeToString(row.FileHash), Reason: row.Reason, By: row.ImportedBy, At: row.ImportedAt,
		UndoneBy: row.UndoneBy.String, UndoneAt: row.UndoneAt.Time, UndoReason: row.UndoReason.String,
		Hash: row.PlanHash.String, KeptUntil: row.KeptUntil.Time,
	}
	var err error
	i.Outcome, err = outcomeOf(row)
	return i, err
}

// UndoImport gives every record that an import changed its former result, and
// removes those that it added, by new revisions; entries that it made are deleted,
// and those that it changed get back what they said. An import that is already undone
// is returned unchanged, with undone false. A hash is that of a plan, and the undoing is
// refused with a *StalePlanError when the race has changed since. Errors: race.ErrNotFound,
// *ImportChangedError when a record was changed since, except by the system or by
// imports that are undone, or when an entry was, *race.ConflictError for a void race,
// for a plan that was not applied, and for a start list whose undoing is no longer
// possible.
func (s *Store) UndoImport(ctx context.Context, raceID, importID, hash string, change Change) (i RaceImport, undone bool, err error) {
	err = s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		undone = false
		if _, err := holdLiveRace(ctx, q, raceID); err != nil {
			return err
		}
		if i, err = raceImport(ctx, q, raceID, importID); err != nil || i.Status == "undone" {
			return err
		}
		if i.Status == "planned" {
			return &race.ConflictError{Message: "the import is planned, not applied: there is nothing to undo"}
		}
		if err := checkHash(ctx, q, raceID, hash); err != nil {
			return err
		}
		if err := s.undo(ctx, tx, i, change); err != nil {
			return err
		}
		undone = true
		i.Status, i.UndoneBy, i.UndoneAt, i.UndoReason = "undone", change.By, s.now().UTC().Truncate(time.Microsecond), change.Reason
		err := q.UndoRaceImport(ctx, gen.UndoRaceImportParams{
			UndoneBy: nullString(i.UndoneBy), UndoneAt: sql.NullTime{Time: i.UndoneAt, Valid: true},
			UndoReason: nullString(i.UndoReason), ImportID: importID,
		})
		if err != nil {
			return fmt.Errorf("note that import %s is undone: %w", importID, err)
		}
		return writeChanges(ctx, tx, s.now(), race.Change{
			Action: "import.undone", RaceID: raceID, Subject: race.Subject{Kind: "import", ID: importID}, Reason: change.Reason,
			Before: map[string]string{"status": "applied"}, After: map[string]string{"status": "undone"},
		})
	})
	return i, undone, err
}

// checkHash returns a *StalePlanError unless the race is what a plan with that hash
// was made from. An empty hash is any.
func checkHash(ctx context.Context, q *gen.Queries, raceID, hash string) error {
	if hash == "" {
		return nil
	}
	r, err := lockRace(ctx, q, raceID)
	if err != nil {
		return err
	}
	in, err := readInputs(ctx, q, r)
	if err != nil {
		return err
	}
	now, err := in.hash()
	if err == nil && hex.EncodeToString(now[:]) != hash {
		return &StalePlanError{}
	}
	return err
}

func (s *Store) undo(ctx context.Context, tx *sql.Tx, i RaceImport, change Change) error {
	rows, err := s.queries.WithTx(tx).ImportedRecords(ctx, nullString(i.ID), i.RaceID)
	if err != nil {
		return fmt.Errorf("read what import %s wrote: %w", i.ID, err)
	}
	splits, err := readSplits(ctx, s.queries.WithTx(tx), i.RaceID)
	if err != nil {
		return err
	}
	change.Reason = fit("import undone: " + change.Reason)
	var changed ImportChangedError
	startList, err := s.startListToUndo(ctx, s.queries.WithTx(tx), i, &changed)
	if err != nil {
		return err
	}
	var added []gen.OfficialRecord
	revisions := make([]revision, 0, len(rows))
	for _, row := range rows {
		record := row.OfficialRecord
		if row.ChangedSince {
			list(&changed.Changed, &changed.Total,
				ChangedRecord{RecordID: record.RecordID, Bib: record.Bib, Revision: int(record.Revision)})
			continue
		}
		next := nextRevision(record, race.ByUndo, change)
		next.importID = i.ID
		if row.BeforeRevision.Valid {
			next.Result = resultOf(row.BeforeBib.String, row.BeforeGunMs, row.BeforeNetMs, row.BeforeStatus.String, row.BeforeSequence)
			next.Decided, next.TimeConfirmed = row.BeforeDecided.Bool, row.BeforeTimeConfirmed.Bool
			if before := splits[record.RecordID].at(int(row.BeforeRevision.Int32)); !maps.Equal(before, splits[record.RecordID].latest()) {
				next.splits = before
			}
		} else {
			next.Removed, next.HoldsBib, next.waitingSince = true, false, sql.NullTime{}
			if record.HeldBib.Valid {
				added = append(added, record)
			}
		}
		revisions = append(revisions, next)
	}
	if changed.Total > 0 {
		return &changed
	}
	if err := writeRevisions(ctx, tx, revisions, s.now()); err != nil {
		return err
	}
	if err := s.handOver(ctx, tx, added, s.now()); err != nil {
		return err
	}
	return s.undoStartList(ctx, tx, i.RaceID, startList)
}

// startListToUndo returns what a start list changed, and lists the entries that have
// been changed since.
func (s *Store) startListToUndo(ctx context.Context, q *gen.Queries, i RaceImport, changed *ImportChangedError) (done undoing, err error) {
	if i.Kind == "results" {
		return done, nil
	}
	text, err := contentOf(ctx, q, i.ID, contentUndo)
	if errors.Is(err, race.ErrNotFound) {
		return done, &race.ConflictError{Message: "the import can no longer be undone: what the start list said before is kept for a limited time"}
	}
	if err != nil {
		return done, err
	}
	if err := json.Unmarshal(text, &done); err != nil {
		return done, fmt.Errorf("read what import %s changed: %w", i.ID, err)
	}
	changes := done.Entries
	now, err := entriesOf(ctx, q, i.RaceID)
	if err != nil {
		return done, err
	}
	byID, byBib := make(map[string]entry, len(now)), make(map[string]string, len(now))
	for _, e := range now {
		byID[e.ID] = e
		byBib[e.bibKey] = e.ID
	}
	ours := make(map[string]bool, len(changes))
	for _, c := range changes {
		if c.After != nil {
			ours[c.After.ID] = true
		}
	}
	for _, c := range changes {
		if c.After != nil {
			if e, there := byID[c.After.ID]; !there || *stored(e) != *c.After {
				list(&changed.Changed, &changed.Total, ChangedRecord{ParticipantID: c.After.ID, Bib: c.After.Bib})
				continue
			}
		}
		if c.Before == nil || c.Before.Bib == "" {
			continue
		}
		if holder, held := byBib[race.BibKey(c.Before.Bib)]; held && !ours[holder] {
			list(&changed.Changed, &changed.Total, ChangedRecord{ParticipantID: holder, Bib: c.Before.Bib})
		}
	}
	return done, nil
}

// undoStartList puts entries back and withdraws invitations that nobody has accepted.
func (s *Store) undoStartList(ctx context.Context, tx *sql.Tx, raceID string, done undoing) error {
	undone := &startListPlan{race: race.Race{ID: raceID}}
	if len(done.Invited) > 0 {
		invited, err := s.queries.WithTx(tx).InvitationsOfRace(ctx, raceID)
		if err != nil {
			return fmt.Errorf("read the invitations of race %s: %w", raceID, err)
		}
		ours := make(map[invitation]bool)
		for _, inv := range done.Invited {
			ours[inv], ours[invitation{inv.BibKey, sealedLogin(raceID, inv.LoginHash)}] = true, true
		}
		for _, inv := range invited {
			waits := inv.State == string(race.Invited) || inv.State == string(race.Declined) // the organizer sees no difference
			if waits && ours[invitation{inv.BibKey, inv.LoginHash.String}] {
				undone.uninvites = append(undone.uninvites, inv.ClaimID)
			}
		}
	}
	for _, c := range done.Entries {
		if c.After != nil {
			undone.revises = append(undone.revises, race.BibKey(c.After.Bib))
			undone.releases = append(undone.releases, c.After.ID)
			if c.Before == nil {
				undone.displaced = append(undone.displaced, c.After.ID)
			}
		}
		if c.Before != nil {
			e := entry{Participant: c.Before.Participant, ageStated: c.Before.AgeStated, listed: c.Before.Listed}
			e.bibKey = race.BibKey(e.Bib)
			undone.writes = append(undone.writes, e)
			if e.bibKey != "" {
				undone.revises = append(undone.revises, e.bibKey)
			}
		}
	}
	if err := s.writeStartList(ctx, tx, undone); err != nil {
		return err
	}
	_, err := s.reviseBibsOf(ctx, tx, raceID, undone.revises)
	return err
}

// fit cuts a reason to the length that a revision can hold.
func fit(reason string) string {
	if characters := []rune(reason); len(characters) > maxReason {
		return string(characters[:maxReason])
	}
	return reason
}

// maxReason is how many characters the reason of a revision may have.
const maxReason = 500
