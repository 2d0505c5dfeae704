package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// LatestRevision is the latest revision of a record, removed records included.
type LatestRevision struct {
	RecordID  string
	RaceID    string
	Revision  int
	ChangedAt time.Time
}

// LatestRevisions returns up to limit records that were last changed before the
// given time, in the order of that change and their ID. It starts after after: the
// last one of the previous page or, for the first page, just a time.
func (s *Store) LatestRevisions(ctx context.Context, after LatestRevision, before time.Time, limit int) ([]LatestRevision, error) {
	rows, err := s.queries.LatestRevisions(ctx, gen.LatestRevisionsParams{
		AfterTime: after.ChangedAt, AfterRecord: after.RecordID, ChangedBefore: before,
		Limit: int32(limit), //nolint:gosec // a page
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest revisions: %w", err)
	}
	revisions := make([]LatestRevision, len(rows))
	for i, row := range rows {
		revisions[i] = LatestRevision{
			RecordID: row.RecordID, RaceID: row.RaceID, Revision: int(row.Revision), ChangedAt: row.UpdatedAt,
		}
	}
	return revisions, nil
}

// Requeue puts the records' latest revisions into the outbox again and returns how
// many it added. A record is skipped if the revision given for it is still waiting
// there.
func (s *Store) Requeue(ctx context.Context, lost []LatestRevision) (added int, err error) {
	if len(lost) == 0 {
		return 0, nil
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		queries := s.queries.WithTx(tx)
		missing, err := notInOutbox(ctx, queries, lost)
		if err != nil || len(missing) == 0 {
			added = 0
			return err
		}
		count, err := queries.RequeueRecords(ctx, s.now(), traceOf(ctx), missing)
		added = int(count)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("requeue %d records: %w", len(lost), err)
	}
	return added, nil
}

// notInOutbox returns the IDs of those records whose revision is not in the
// outbox.
func notInOutbox(ctx context.Context, queries *gen.Queries, lost []LatestRevision) ([]string, error) {
	ids := make([]string, len(lost))
	for i, l := range lost {
		ids[i] = l.RecordID
	}
	rows, err := queries.OutboxOfRecords(ctx, ids)
	if err != nil {
		return nil, err
	}
	waiting := make(map[gen.OutboxOfRecordsRow]bool, len(rows))
	for _, row := range rows {
		waiting[row] = true
	}
	missing := ids[:0]
	for _, l := range lost {
		if !waiting[gen.OutboxOfRecordsRow{RecordID: l.RecordID, Revision: int32(l.Revision)}] { //nolint:gosec // the revisions of a record are few
			missing = append(missing, l.RecordID)
		}
	}
	return missing, nil
}

// RaiseAbove gives each of the records of a race, removed ones too, a revision
// above the one that the ledger holds, with an unchanged result, and returns how
// many it revised. ahead is the ledger's revision by record ID; a record whose
// revision is above that by now is left alone. The new revisions are then credited
// by the ordinary path. It returns race.ErrNotFound when there is no such race.
func (s *Store) RaiseAbove(ctx context.Context, raceID string, ahead map[string]int) (raised int, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		raised = 0
		q := s.queries.WithTx(tx)
		if _, err := holdRace(ctx, q, raceID); err != nil {
			return err
		}
		for ids := range slices.Chunk(slices.Sorted(maps.Keys(ahead)), chunk) {
			rows, err := q.RecordsByID(ctx, raceID, ids)
			if err != nil {
				return err
			}
			var revisions []revision
			for _, row := range rows {
				ledger := ahead[row.RecordID]
				if int(row.Revision) > ledger {
					continue
				}
				next := nextRevision(row, race.BySystem, Change{
					By: race.SystemActor, Reason: fmt.Sprintf("the ledger is ahead: it holds revision %d of what main_db has lost", ledger),
				})
				next.Revision = ledger + 1
				revisions = append(revisions, next)
			}
			if err := writeRevisions(ctx, tx, revisions, s.now()); err != nil {
				return err
			}
			raised += len(revisions)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("raise %d records of race %s above the ledger: %w", len(ahead), raceID, err)
	}
	return raised, nil
}

// IsReadOnly reports whether the server refuses writes, as a replica does: rows
// that it lacks may not have been replicated yet.
func (s *Store) IsReadOnly(ctx context.Context) (readOnly bool, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT @@GLOBAL.read_only").Scan(&readOnly); err != nil {
		return false, fmt.Errorf("check whether main_db is a replica: %w", err)
	}
	return readOnly, nil
}

// AuditPosition returns where a check of the audit last stopped; the zero value
// means the beginning.
func (s *Store) AuditPosition(ctx context.Context, check string) (LatestRevision, error) {
	row, err := s.queries.AuditPosition(ctx, check)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return LatestRevision{}, fmt.Errorf("read where check %s stopped: %w", check, err)
	}
	return LatestRevision{ChangedAt: row.ChangedAt, RecordID: row.RecordID}, nil
}

// SetAuditPosition keeps where a check of the audit stopped.
func (s *Outcomes) SetAuditPosition(ctx context.Context, check string, at LatestRevision) error {
	if err := s.queries.SetAuditPosition(ctx, check, at.ChangedAt, at.RecordID); err != nil {
		return fmt.Errorf("keep where check %s stopped: %w", check, err)
	}
	return nil
}

// OutboxIsEmpty reports whether every revision has been sent to the queue.
func (s *Store) OutboxIsEmpty(ctx context.Context) (bool, error) {
	rows, err := s.queries.OutboxHasRows(ctx)
	if err != nil {
		return false, fmt.Errorf("check the outbox: %w", err)
	}
	return !rows, nil
}

// LateOutbox returns how many revisions have waited in the outbox since before
// the given time, and up to limit of them, the oldest first.
func (s *Store) LateOutbox(ctx context.Context, before time.Time, limit int) (rows int, oldest []Unsent, err error) {
	count, err := s.queries.LateOutbox(ctx, before)
	if err != nil {
		return 0, nil, fmt.Errorf("count late outbox rows: %w", err)
	}
	late, err := s.queries.OldestLateOutbox(ctx, before, count32(limit))
	if err != nil {
		return 0, nil, fmt.Errorf("read late outbox rows: %w", err)
	}
	for _, row := range late {
		oldest = append(oldest, Unsent{
			OutboxRow: OutboxRow{ID: row.OutboxID, RaceID: row.RaceID, RecordID: row.RecordID, Revision: int(row.Revision)},
			CreatedAt: row.CreatedAt,
		})
	}
	return int(count), oldest, nil
}
