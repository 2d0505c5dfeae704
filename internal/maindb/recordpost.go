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

// Change says who writes a revision and why.
type Change struct {
	By     string // user ID of the organizer, or race.SystemActor
	Reason string // at most 500 characters; may be empty for a first revision
}

// postAttempts is how often a bib may be given up between finding it held and
// asking by whom.
const postAttempts = 5

// PostRecord adds a record with its first revision and puts it on its way. The
// first record of a race makes the race provisional. A record of the race that
// already has the ID is returned as it is, with added false. Errors:
// race.ErrNotFound without such a race, *race.ConflictError when another record
// holds the bib.
func (s *Store) PostRecord(ctx context.Context, raceID, recordID string, result race.Result, change Change) (record race.Record, added bool, err error) {
	posted := race.Record{ID: recordID, RaceID: raceID, Revision: 1, Result: result, HoldsBib: true}
	for range postAttempts {
		err := s.post(ctx, shareRace, posted, change)
		if errors.Is(err, errScheduled) { // once in the life of a race
			err = s.post(ctx, holdRace, posted, change)
		}
		if err == nil {
			return posted, true, nil
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

func (s *Store) post(ctx context.Context, hold holder, r race.Record, change Change) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		status, err := hold(ctx, q, r.RaceID)
		if err != nil {
			return err
		}
		err = q.InsertRecord(ctx, gen.InsertRecordParams{
			RecordID: r.ID, RaceID: r.RaceID, Revision: count32(r.Revision),
			Bib: r.Result.Bib, BibKey: race.BibKey(r.Result.Bib), HeldBib: nullString(race.BibKey(r.Result.Bib)),
			GunMs: nullTime(r.Result.Gun), NetMs: nullTime(r.Result.Net),
			Status: string(r.Result.Status), FinishSequence: nullSequence(r.Result.Sequence),
			CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return fmt.Errorf("insert record: %w", err)
		}
		if status == race.Scheduled {
			if err := q.StartResults(ctx, now, r.RaceID); err != nil {
				return fmt.Errorf("make race %s provisional: %w", r.RaceID, err)
			}
		}
		return sendOff(ctx, q, r, change, now)
	})
}

// sendOff writes the revision that a record has just got, and its outbox row.
func sendOff(ctx context.Context, q *gen.Queries, r race.Record, change Change, now time.Time) error {
	err := q.InsertRevision(ctx, gen.InsertRevisionParams{
		RecordID: r.ID, Revision: count32(r.Revision), Bib: r.Result.Bib,
		GunMs: nullTime(r.Result.Gun), NetMs: nullTime(r.Result.Net),
		Status: string(r.Result.Status), FinishSequence: nullSequence(r.Result.Sequence),
		Removed: r.Removed, Reason: change.Reason, ChangedBy: change.By, ChangedAt: now,
	})
	if err != nil {
		return fmt.Errorf("insert revision: %w", err)
	}
	err = q.InsertOutbox(ctx, gen.InsertOutboxParams{
		RaceID: r.RaceID, RecordID: r.ID, Revision: count32(r.Revision), CreatedAt: now, Traceparent: traceOf(ctx),
	})
	if err != nil {
		return fmt.Errorf("insert outbox row: %w", err)
	}
	return nil
}

// bibConflict names the record that holds the bib; nil when none does.
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
