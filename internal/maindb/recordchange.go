package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
}

// apply returns r with the patch on it, or everything that is wrong with that.
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

// PatchRecord corrects a record whose latest revision is expected and puts the
// new revision on its way; a patch that changes nothing makes none, and changed
// is false. A record that moves to a bib which another one holds waits for it
// (HoldsBib is false). A bib that it gives up goes to the record that waits
// longest. Errors: race.ErrNotFound, race.ErrStale, *race.InvalidError,
// *race.ConflictError for a removed record.
func (s *Store) PatchRecord(ctx context.Context, raceID, recordID string, expected int, patch RecordPatch, change Change) (record race.Record, changed bool, err error) {
	err = s.changeRecord(ctx, raceID, recordID, expected, func(q *gen.Queries, row gen.OfficialRecord) error {
		record, changed = recordOf(row), false
		if record.Removed {
			return &race.ConflictError{Message: "the record was removed: post a new one"}
		}
		result, err := patch.apply(record.Result)
		if err != nil || result == record.Result {
			return err
		}
		changed = true
		record.Result = result
		record, err = s.advance(ctx, q, row, record, change)
		return err
	})
	if err != nil {
		return race.Record{}, false, err
	}
	return record, changed, nil
}

// RemoveRecord takes back a record whose latest revision is expected: its last
// revision says so, and its bib goes to the record that waits longest for it.
// Of a record removed already nothing changes, and removed is false. Errors:
// race.ErrNotFound, race.ErrStale.
func (s *Store) RemoveRecord(ctx context.Context, raceID, recordID string, expected int, change Change) (record race.Record, removed bool, err error) {
	err = s.changeRecord(ctx, raceID, recordID, expected, func(q *gen.Queries, row gen.OfficialRecord) error {
		record, removed = recordOf(row), false
		if record.Removed {
			return nil
		}
		removed = true
		record.Removed = true
		var err error
		record, err = s.advance(ctx, q, row, record, change)
		return err
	})
	if err != nil {
		return race.Record{}, false, err
	}
	return record, removed, nil
}

// changeRecord calls change with the record in a transaction that holds the
// race, if its latest revision is expected.
func (s *Store) changeRecord(ctx context.Context, raceID, recordID string, expected int, change func(*gen.Queries, gen.OfficialRecord) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := holdRace(ctx, q, raceID); err != nil {
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
		return change(q, row)
	})
}

// advance writes the next revision of old, which makes it r, and hands on the
// bib that it gives up. The transaction holds the race.
func (s *Store) advance(ctx context.Context, q *gen.Queries, old gen.OfficialRecord, r race.Record, change Change) (race.Record, error) {
	now, key := s.now(), race.BibKey(r.Result.Bib)
	r.Revision++
	waitingSince := old.WaitingSince
	switch {
	case r.Removed:
		r.HoldsBib, waitingSince = false, sql.NullTime{}
	case key != old.BibKey:
		free, err := bibIsFree(ctx, q, r.RaceID, key)
		if err != nil {
			return race.Record{}, err
		}
		r.HoldsBib, waitingSince = free, sql.NullTime{Time: now, Valid: !free}
	}
	if err := store(ctx, q, r, waitingSince, change, now); err != nil {
		return race.Record{}, err
	}
	if old.HeldBib.Valid && !(r.HoldsBib && key == old.BibKey) {
		if err := handOver(ctx, q, old, now); err != nil {
			return race.Record{}, err
		}
	}
	return r, nil
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

// handOver gives the bib that giver held to the record that waits longest for
// it, if one does.
func handOver(ctx context.Context, q *gen.Queries, giver gen.OfficialRecord, now time.Time) error {
	row, err := q.RecordWaitingLongest(ctx, giver.RaceID, giver.BibKey)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find who waits for a bib: %w", err)
	}
	heir := recordOf(row)
	heir.Revision++
	heir.HoldsBib = true
	return store(ctx, q, heir, sql.NullTime{}, Change{
		By:     race.SystemActor,
		Reason: fmt.Sprintf("bib %s is free: record %s has given it up", heir.Result.Bib, giver.RecordID),
	}, now)
}

// store writes a record as its new revision has it, and sends that off.
func store(ctx context.Context, q *gen.Queries, r race.Record, waitingSince sql.NullTime, change Change, now time.Time) error {
	key := race.BibKey(r.Result.Bib)
	err := q.UpdateRecord(ctx, gen.UpdateRecordParams{
		Revision: count32(r.Revision), Bib: r.Result.Bib, BibKey: key,
		HeldBib: sql.NullString{String: key, Valid: r.HoldsBib}, WaitingSince: waitingSince,
		GunMs: nullTime(r.Result.Gun), NetMs: nullTime(r.Result.Net),
		Status: string(r.Result.Status), FinishSequence: nullSequence(r.Result.Sequence),
		Removed: r.Removed, UpdatedAt: now, RecordID: r.ID,
	})
	if err != nil {
		return fmt.Errorf("update record %s: %w", r.ID, err)
	}
	return sendOff(ctx, q, r, change, now)
}
