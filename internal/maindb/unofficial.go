package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// CreateUnofficialRecord adds a runner's own record under the ID in r and returns
// it as stored. When the runner already has a record with that ID, an earlier call
// created it, and that one is returned unchanged. It returns race.ErrLeft.
func (s *Store) CreateUnofficialRecord(ctx context.Context, r race.UnofficialRecord) (race.UnofficialRecord, error) {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		if err := holdAccount(ctx, q, r.UserID); err != nil {
			return err
		}
		err := q.InsertUnofficialRecord(ctx, gen.InsertUnofficialRecordParams{
			UnofficialRecordID: r.ID, UserID: r.UserID, RecordDate: r.Date.Midnight(), DistanceMm: int64(r.Distance),
			TimeMs: int64(r.Time), Title: r.Title, Note: r.Note, CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return err
		}
		return s.logUnofficial(ctx, tx, "unofficial_record.created", r.UserID, r.ID)
	})
	if err != nil && !mysql.IsDuplicate(err) {
		return race.UnofficialRecord{}, fmt.Errorf("create unofficial record %s: %w", r.ID, err)
	}
	return s.UnofficialRecord(ctx, r.UserID, r.ID)
}

// UnofficialRecord returns one of a runner's own records, or race.ErrNotFound,
// also when the record is somebody else's.
func (s *Store) UnofficialRecord(ctx context.Context, userID, id string) (race.UnofficialRecord, error) {
	row, err := s.queries.UnofficialRecord(ctx, id, userID)
	return foundUnofficial(id, row, err)
}

// UnofficialPosition is the position of a record in the list of a runner's own: by
// date, the newest first, then by ID. The zero value is before the first.
type UnofficialPosition struct {
	Date race.Date
	ID   string
}

// ListUnofficialRecords returns up to limit of a runner's own records after a
// position, the newest first.
func (s *Store) ListUnofficialRecords(ctx context.Context, userID string, after UnofficialPosition, limit int) ([]race.UnofficialRecord, error) {
	date, id := endOfDates, endOfIDs
	if after.ID != "" {
		date, id = after.Date.Midnight(), after.ID
	}
	rows, err := s.queries.UnofficialRecordsBefore(ctx, gen.UnofficialRecordsBeforeParams{
		UserID: userID, RecordDate: date, UnofficialRecordID: id, Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list unofficial records: %w", err)
	}
	records := make([]race.UnofficialRecord, len(rows))
	for i, row := range rows {
		records[i] = unofficialOf(row)
	}
	return records, nil
}

// UpdateUnofficialRecord lets edit change one of a runner's own records and returns
// the updated one. It returns race.ErrNotFound as UnofficialRecord does, or the
// error of edit. edit may run more than once.
func (s *Store) UpdateUnofficialRecord(ctx context.Context, userID, id string, edit func(*race.UnofficialRecord) error) (updated race.UnofficialRecord, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := holdAccount(ctx, q, userID); err != nil {
			return err
		}
		row, err := q.LockUnofficialRecord(ctx, id, userID)
		if updated, err = foundUnofficial(id, row, err); err != nil {
			return err
		}
		if err := edit(&updated); err != nil {
			return err
		}
		err = q.UpdateUnofficialRecord(ctx, gen.UpdateUnofficialRecordParams{
			RecordDate: updated.Date.Midnight(), DistanceMm: int64(updated.Distance), TimeMs: int64(updated.Time),
			Title: updated.Title, Note: updated.Note, UpdatedAt: s.now(), UnofficialRecordID: id,
		})
		if err != nil {
			return fmt.Errorf("update unofficial record %s: %w", id, err)
		}
		return s.logUnofficial(ctx, tx, "unofficial_record.changed", userID, id)
	})
	return updated, err
}

// DeleteUnofficialRecord removes one of a runner's own records, or returns
// race.ErrNotFound as UnofficialRecord does.
func (s *Store) DeleteUnofficialRecord(ctx context.Context, userID, id string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		deleted, err := s.queries.WithTx(tx).DeleteUnofficialRecord(ctx, id, userID)
		if err != nil {
			return fmt.Errorf("delete unofficial record %s: %w", id, err)
		}
		if deleted == 0 {
			return race.ErrNotFound
		}
		return s.logUnofficial(ctx, tx, "unofficial_record.deleted", userID, id)
	})
}

// logUnofficial logs a change of a runner's own record without what it says: all of it is
// personal, and erased with the account.
func (s *Store) logUnofficial(ctx context.Context, tx *sql.Tx, action, userID, id string) error {
	return writeChanges(ctx, tx, s.now(), race.Change{
		Action: action, Subject: race.Subject{Kind: "unofficial_record", ID: id}, AboutID: userID,
	})
}

func foundUnofficial(id string, row gen.UnofficialRecord, err error) (race.UnofficialRecord, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return race.UnofficialRecord{}, race.ErrNotFound
	}
	if err != nil {
		return race.UnofficialRecord{}, fmt.Errorf("read unofficial record %s: %w", id, err)
	}
	return unofficialOf(row), nil
}

func unofficialOf(row gen.UnofficialRecord) race.UnofficialRecord {
	return race.UnofficialRecord{
		ID: row.UnofficialRecordID, UserID: row.UserID, Date: race.DateOf(row.RecordDate),
		Distance: race.Distance(row.DistanceMm), Time: race.Time(row.TimeMs),
		Title: row.Title, Note: row.Note, CreatedAt: row.CreatedAt,
	}
}
