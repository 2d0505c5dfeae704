package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RecordPatch holds what a correction changes. Nil leaves a value as it is; a
// pointer to zero clears a time or a sequence.
type RecordPatch struct {
	Bib      *string
	Gun      *race.Time
	Net      *race.Time
	Status   *race.ResultStatus
	Sequence *int
	// Splits are readings by the key of their timing point; zero clears one, and those
	// that are not named stay.
	Splits race.Splits

	// ConfirmTime confirms the times that the record has after the patch, even if
	// they are implausible; a pointer to false withdraws a confirmation.
	ConfirmTime *bool
}

// apply returns r with the patch applied, or everything that is wrong with the
// outcome.
func (p RecordPatch) apply(r race.Result) (race.Result, error) {
	r.Bib = or(p.Bib, r.Bib)
	r.Gun = or(p.Gun, r.Gun)
	r.Net = or(p.Net, r.Net)
	r.Status = or(p.Status, r.Status)
	r.Sequence = or(p.Sequence, r.Sequence)
	if wrong := r.Check(); len(wrong) > 0 {
		return race.Result{}, &race.InvalidError{Fields: wrong}
	}
	return r, nil
}

func or[T any](changed *T, old T) T {
	if changed == nil {
		return old
	}
	return *changed
}

// PatchRecord corrects a record whose latest revision is expected and puts the new
// revision into the outbox. A patch that changes nothing makes no revision, and
// changed is false. A record that moves to a bib which another record holds waits
// for it (HoldsBib is false). A bib that it gives up goes to the record that has
// waited longest. Errors: race.ErrNotFound, race.ErrStale, *race.InvalidError,
// *race.ConflictError for a removed record.
func (s *Store) PatchRecord(ctx context.Context, raceID, recordID string, expected int, patch RecordPatch, change Change) (record race.Record, changed bool, err error) {
	err = s.changeRecord(ctx, raceID, recordID, expected, func(tx *sql.Tx, row gen.OfficialRecord) error {
		record, changed = recordOf(row), false
		if record.Removed {
			return &race.ConflictError{Message: "the record was removed: post a new one"}
		}
		result, err := patch.apply(record.Result)
		if err != nil {
			return err
		}
		next := nextRevision(row, race.ByHand, change)
		next.Correct(result)
		next.TimeConfirmed, next.Decided = or(patch.ConfirmTime, next.TimeConfirmed), true
		if next.splits, err = patchedSplits(ctx, s.queries.WithTx(tx), next.Record, patch); err != nil {
			return err
		}
		if result == record.Result && next.TimeConfirmed == record.TimeConfirmed && next.splits == nil {
			return nil
		}
		changed = true
		if record, err = s.advance(ctx, tx, row, next); err != nil {
			return err
		}
		return writeChanges(ctx, tx, s.now(), recordChange("record.corrected", recordStateOf(recordOf(row)), record, change))
	})
	if err != nil {
		return race.Record{}, false, err
	}
	return record, changed, nil
}

// RecordAt is a record as somebody has seen it.
type RecordAt struct {
	ID       string
	Revision int // the latest
}

// SwapBibs gives each of two records of a race the bib of the other, as two corrections
// would, in one transaction. Both records must hold their bibs, and no other record may
// wait for one of them. Errors: race.ErrNotFound, race.ErrStale, *race.ConflictError.
func (s *Store) SwapBibs(ctx context.Context, raceID string, one, other RecordAt, change Change) error {
	return s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := holdLiveRace(ctx, q, raceID); err != nil {
			return err
		}
		var rows [2]gen.OfficialRecord
		for i, at := range []RecordAt{one, other} {
			row, err := q.Record(ctx, at.ID, raceID)
			switch {
			case errors.Is(err, sql.ErrNoRows):
				return race.ErrNotFound
			case err != nil:
				return fmt.Errorf("read record %s: %w", at.ID, err)
			case int(row.Revision) != at.Revision:
				return race.ErrStale
			case row.Removed || !row.HeldBib.Valid:
				return &race.ConflictError{Message: "both records must hold their bibs: one was removed, or waits for its bib"}
			}
			rows[i] = row
		}
		if rows[0].BibKey == rows[1].BibKey {
			return &race.ConflictError{Message: "a record cannot swap bibs with itself"}
		}
		waiting, err := q.RecordsWaiting(ctx, raceID, []string{rows[0].BibKey, rows[1].BibKey})
		if err != nil {
			return fmt.Errorf("find the records that wait for two bibs: %w", err)
		}
		if len(waiting) > 0 {
			return &race.ConflictError{Message: "another record waits for one of the bibs: correct that one first"}
		}
		// The first record waits for its new bib until the second gives it up.
		for i, row := range rows {
			next := nextRevision(row, race.ByHand, change)
			next.Result.Bib, next.Decided = rows[1-i].Bib, true
			after, err := s.advance(ctx, tx, row, next)
			if err != nil {
				return err
			}
			if err := writeChanges(ctx, tx, s.now(), recordChange("record.corrected", recordStateOf(recordOf(row)), after, change)); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveRecord removes a record whose latest revision is expected: it gets a last
// revision that says so, and its bib goes to the record that has waited longest for
// it. A record that is already removed is left unchanged, and removed is false.
// Errors: race.ErrNotFound, race.ErrStale.
func (s *Store) RemoveRecord(ctx context.Context, raceID, recordID string, expected int, change Change) (record race.Record, removed bool, err error) {
	err = s.changeRecord(ctx, raceID, recordID, expected, func(tx *sql.Tx, row gen.OfficialRecord) error {
		record, removed = recordOf(row), false
		if record.Removed {
			return nil
		}
		removed = true
		next := nextRevision(row, race.ByHand, change)
		next.Removed, next.Decided = true, true
		var err error
		if record, err = s.advance(ctx, tx, row, next); err != nil {
			return err
		}
		return writeChanges(ctx, tx, s.now(), recordChange("record.removed", recordStateOf(recordOf(row)), record, change))
	})
	if err != nil {
		return race.Record{}, false, err
	}
	return record, removed, nil
}

// recordChange is a result that was posted (before is nil) or somebody's decision about
// a record. The revisions of a file are logged as one import.
func recordChange(action string, before any, after race.Record, change Change) race.Change {
	return race.Change{
		Action: action, RaceID: after.RaceID, Subject: race.Subject{Kind: "record", ID: after.ID},
		Before: before, After: recordStateOf(after), Reason: change.Reason, PrivateNote: change.PrivateNote,
	}
}

// changeRecord calls change with the record in a transaction that holds the
// race, if its latest revision is expected.
func (s *Store) changeRecord(ctx context.Context, raceID, recordID string, expected int, change func(*sql.Tx, gen.OfficialRecord) error) error {
	return s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := holdLiveRace(ctx, q, raceID); err != nil {
			return err
		}
		row, err := q.Record(ctx, recordID, raceID)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return race.ErrNotFound
		case err != nil:
			return fmt.Errorf("read record %s: %w", recordID, err)
		case int(row.Revision) != expected:
			return race.ErrStale
		}
		return change(tx, row)
	})
}

// advance writes the next revision of old and hands over the bib that it gives up.
// The transaction must hold the race.
func (s *Store) advance(ctx context.Context, tx *sql.Tx, old gen.OfficialRecord, next revision) (race.Record, error) {
	q, now, key := s.queries.WithTx(tx), s.now(), race.BibKey(next.Result.Bib)
	switch {
	case next.Removed:
		next.HoldsBib, next.waitingSince = false, sql.NullTime{}
	case key != old.BibKey:
		free, err := bibIsFree(ctx, q, next.RaceID, key)
		if err != nil {
			return race.Record{}, err
		}
		next.HoldsBib, next.waitingSince = free, sql.NullTime{Time: now, Valid: !free}
	}
	if err := writeRevisions(ctx, tx, []revision{next}, now); err != nil {
		return race.Record{}, err
	}
	if old.HeldBib.Valid && !(next.HoldsBib && key == old.BibKey) {
		if err := s.handOver(ctx, tx, []gen.OfficialRecord{old}, now); err != nil {
			return race.Record{}, err
		}
	}
	return next.Record, nil
}

func bibIsFree(ctx context.Context, q *gen.Queries, raceID, key string) (bool, error) {
	_, err := q.RecordHoldingBib(ctx, raceID, nullString(key))
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("find the holder of a bib: %w", err)
	}
	return false, nil
}

// handOver gives each bib that the givers, all of one race, held to the record
// that has waited longest for it, if there is one.
func (s *Store) handOver(ctx context.Context, tx *sql.Tx, givers []gen.OfficialRecord, now time.Time) error {
	q := s.queries.WithTx(tx)
	for part := range slices.Chunk(givers, chunk) {
		keys, giverOf := make([]string, len(part)), make(map[string]string, len(part))
		for i, giver := range part {
			keys[i], giverOf[giver.BibKey] = giver.BibKey, giver.RecordID
		}
		waiting, err := q.RecordsWaiting(ctx, part[0].RaceID, keys)
		if err != nil {
			return fmt.Errorf("find the records that wait for %d bibs: %w", len(keys), err)
		}
		var heirs []revision
		for _, row := range waiting { // ordered by how long they have waited, the longest first
			giver, free := giverOf[row.BibKey]
			if !free {
				continue
			}
			delete(giverOf, row.BibKey)
			heir := nextRevision(row, race.BySystem, Change{
				By:     race.SystemActor,
				Reason: fmt.Sprintf("bib %s is free: record %s has given it up", row.Bib, giver),
			})
			heir.HoldsBib, heir.waitingSince = true, sql.NullTime{}
			heirs = append(heirs, heir)
		}
		if err := writeRevisions(ctx, tx, heirs, now); err != nil {
			return err
		}
	}
	return nil
}

// postAttempts is how often PostRecord tries again when a bib was held, but was
// given up before the record that held it could be read.
const postAttempts = 5

// PostRecord adds a record with its first revision and puts it into the outbox. The
// first record of a race makes the race provisional. A record of the race that
// already has the ID is returned unchanged, with added false. Errors:
// race.ErrNotFound when there is no such race, *race.ConflictError when another
// record holds the bib or the race is void.
//
// A posted result counts like one in a file, since timing software posts too; only
// a disqualification with a reason counts as a person's decision.
func (s *Store) PostRecord(ctx context.Context, raceID, recordID string, result race.Result, change Change) (record race.Record, added bool, err error) {
	return s.PostRecordWithSplits(ctx, raceID, recordID, result, nil, change)
}

// PostRecordWithSplits is PostRecord with readings at timing points, which the
// caller has checked.
func (s *Store) PostRecordWithSplits(ctx context.Context, raceID, recordID string, result race.Result, splits race.Splits, change Change) (record race.Record, added bool, err error) {
	posted := firstRevision(raceID, recordID, result, race.ByPost, change)
	if len(splits) > 0 {
		posted.splits = splits
	}
	if result.Status == race.Disqualified && change.Reason != "" {
		posted.origin, posted.Decided = race.ByHand, true
	}
	for range postAttempts {
		err := s.post(ctx, shareRace, posted, change)
		if errors.Is(err, errScheduled) { // once per race
			err = s.post(ctx, holdLiveRace, posted, change)
		}
		if err == nil {
			return posted.Record, true, nil
		}
		if !mysql.IsDuplicate(err) {
			return race.Record{}, false, err
		}
		existing, err := s.Record(ctx, raceID, recordID)
		if err == nil || !errors.Is(err, race.ErrNotFound) {
			return existing, false, err
		}
		if err := s.bibConflict(ctx, raceID, result.Bib); err != nil {
			return race.Record{}, false, err
		}
	}
	return race.Record{}, false, fmt.Errorf("record %s: its bib or its ID is in use", recordID)
}

func (s *Store) post(ctx context.Context, hold holder, r revision, change Change) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		status, err := hold(ctx, q, r.RaceID)
		if err != nil {
			return err
		}
		if err := writeRevisions(ctx, tx, []revision{r}, now); err != nil {
			return err
		}
		if err := writeChanges(ctx, tx, now, recordChange("record.posted", nil, r.Record, change)); err != nil {
			return err
		}
		return startResults(ctx, q, r.RaceID, status, now)
	})
}

// startResults makes a race provisional when it gets its first record. The
// transaction must hold the race, which is still scheduled.
func startResults(ctx context.Context, q *gen.Queries, raceID string, status race.Status, now time.Time) error {
	if status != race.Scheduled {
		return nil
	}
	if err := q.StartResults(ctx, now, raceID); err != nil {
		return fmt.Errorf("make race %s provisional: %w", raceID, err)
	}
	if err := q.QueueOpenDraw(ctx, now, raceID); err != nil {
		return fmt.Errorf("end the draw of race %s: %w", raceID, err)
	}
	return nil
}

// bibConflict returns an error that names the record that holds the bib, nil when
// none does.
func (s *Store) bibConflict(ctx context.Context, raceID, bib string) error {
	recordID, err := s.queries.RecordHoldingBib(ctx, raceID, nullString(race.BibKey(bib)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the holder of a bib: %w", err)
	}
	return &race.ConflictError{
		Field:   "bib",
		Message: fmt.Sprintf("bib %s already has the record %s: correct that one", bib, recordID),
	}
}
