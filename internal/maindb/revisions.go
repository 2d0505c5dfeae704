package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// chunk is how many rows one multi-row statement has: enough to make the cost of
// round trips negligible, few enough to stay far below max_allowed_packet.
const chunk = 1000

// Change says who writes a revision and why.
type Change struct {
	By     string // user ID of the organizer, or race.SystemActor
	Reason string // at most 500 characters, public; may be empty for a first revision

	// PrivateNote is for those who run the race; at most 2,000 characters. It is kept
	// in the change log.
	PrivateNote string
}

// A revision is a record as of its next revision.
type revision struct {
	race.Record
	Change
	origin       race.Origin
	importID     string       // the import that makes or undoes it; empty: none does
	splits       race.Splits  // its readings from this revision on; nil: as they were
	waitingSince sql.NullTime // when the record began to wait for its bib; NULL: it does not wait
}

// writeRevisions is the only way to write revisions with a result: it writes the
// immutable revision, the updated record, and the outbox row by which it is
// credited. Revision 1 adds the record. The transaction must hold the race, or
// share it if all are first revisions. No two revisions may be of the same record,
// and none may claim a bib that another gives up.
func writeRevisions(ctx context.Context, tx *sql.Tx, revisions []revision, now time.Time) error {
	for part := range slices.Chunk(revisions, chunk) {
		var added, advanced []revision
		for _, r := range part {
			if r.Revision == 1 {
				added = append(added, r)
			} else {
				advanced = append(advanced, r)
			}
		}
		if err := insertRecords(ctx, tx, added, now); err != nil {
			return err
		}
		if err := insertRevisions(ctx, tx, part, now); err != nil {
			return err
		}
		if err := advanceRecords(ctx, tx, advanced); err != nil {
			return err
		}
	}
	return nil
}

func insertRecords(ctx context.Context, tx *sql.Tx, added []revision, now time.Time) error {
	const into = `INSERT INTO official_record
    (record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, finish_sequence, removed,
     decided, created_at, updated_at) VALUES `
	return insertRows(ctx, tx, into, added, func(args []any, r revision) []any {
		key := race.BibKey(r.Result.Bib)
		return append(args, r.ID, r.RaceID, r.Revision, r.Result.Bib, key, key,
			nullTime(r.Result.Gun), nullTime(r.Result.Net), string(r.Result.Status),
			nullSequence(r.Result.Sequence), r.Removed, r.Decided, now, now)
	})
}

func insertRevisions(ctx context.Context, tx *sql.Tx, revisions []revision, now time.Time) error {
	const intoRevisions = `INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, time_confirmed,
     reason, changed_by, changed_at, origin, decided, import_id) VALUES `
	err := insertRows(ctx, tx, intoRevisions, revisions, func(args []any, r revision) []any {
		return append(args, r.ID, r.Revision, r.Result.Bib, nullTime(r.Result.Gun), nullTime(r.Result.Net),
			string(r.Result.Status), nullSequence(r.Result.Sequence), r.Removed, r.TimeConfirmed,
			r.Reason, r.By, now, string(r.origin), r.Decided, nullString(r.importID))
	})
	if err != nil {
		return err
	}
	if err := insertSplits(ctx, tx, revisions); err != nil {
		return err
	}
	const intoOutbox = `INSERT INTO outbox (race_id, record_id, revision, created_at, traceparent, tracelink) VALUES `
	trace := traceOf(ctx)
	return insertRows(ctx, tx, intoOutbox, revisions, func(args []any, r revision) []any {
		parent, link := trace, sql.NullString{}
		if r.importID != "" { // an import makes many at once: see OutboxRow
			parent, link = link, trace
		}
		return append(args, r.RaceID, r.ID, r.Revision, now, parent, link)
	})
}

// advancedRecord holds the columns of a record that are not copied from its new
// revision.
type advancedRecord struct {
	RecordID     string  `json:"record_id"`
	Revision     int     `json:"revision"`
	BibKey       string  `json:"bib_key"`
	HeldBib      *string `json:"held_bib,omitempty"`
	WaitingSince *string `json:"waiting_since,omitempty"`
}

const advanceStatement = `UPDATE
    JSON_TABLE(?, '$[*]' COLUMNS (
        record_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.record_id',
        revision INT PATH '$.revision',
        bib_key VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$.bib_key',
        held_bib VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$.held_bib',
        waiting_since DATETIME(6) PATH '$.waiting_since')) AS next
STRAIGHT_JOIN official_record AS r FORCE INDEX (PRIMARY) ON r.record_id = next.record_id
STRAIGHT_JOIN official_record_revision AS v FORCE INDEX (PRIMARY)
    ON v.record_id = next.record_id AND v.revision = next.revision
SET r.revision = v.revision, r.bib = v.bib, r.bib_key = next.bib_key, r.held_bib = next.held_bib,
    r.waiting_since = next.waiting_since, r.gun_ms = v.gun_ms, r.net_ms = v.net_ms, r.status = v.status,
    r.finish_sequence = v.finish_sequence, r.removed = v.removed, r.decided = v.decided,
    r.time_confirmed = v.time_confirmed, r.updated_at = v.changed_at`

// advanceRecords updates records to the revisions just written for them.
func advanceRecords(ctx context.Context, tx *sql.Tx, revisions []revision) error {
	if len(revisions) == 0 {
		return nil
	}
	records := make([]advancedRecord, len(revisions))
	for i, r := range revisions {
		records[i] = advancedRecord{RecordID: r.ID, Revision: r.Revision, BibKey: race.BibKey(r.Result.Bib)}
		if r.HoldsBib {
			records[i].HeldBib = &records[i].BibKey
		}
		if r.waitingSince.Valid {
			since := r.waitingSince.Time.UTC().Format("2006-01-02 15:04:05.000000")
			records[i].WaitingSince = &since
		}
	}
	if err := execFor(ctx, tx, advanceStatement, records); err != nil {
		return fmt.Errorf("update %d records: %w", len(records), err)
	}
	return nil
}

// reviseAgain gives each of the records a new revision with the same result, so
// that its points are computed again. It is for changes that affect points without
// changing results. The transaction must hold the race.
func reviseAgain(ctx context.Context, tx *sql.Tx, recordIDs []string, reason string, now time.Time) error {
	for ids := range slices.Chunk(recordIDs, chunk) {
		text, err := json.Marshal(ids)
		if err != nil {
			return fmt.Errorf("list %d records: %w", len(ids), err)
		}
		list := string(text) // MySQL takes no binary string for JSON
		for _, step := range []struct {
			statement string
			args      []any
		}{
			{`INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, time_confirmed,
     reason, changed_by, changed_at, origin, decided)
SELECT r.record_id, r.revision + 1, r.bib, r.gun_ms, r.net_ms, r.status, r.finish_sequence, r.removed, r.time_confirmed,
       ?, ?, ?, ?, r.decided
FROM ` + revisedRecords, []any{reason, race.SystemActor, now, string(race.BySystem), list}},
			{`INSERT INTO outbox (race_id, record_id, revision, created_at, tracelink)
SELECT r.race_id, r.record_id, r.revision + 1, ?, ? FROM ` + revisedRecords, []any{now, traceOf(ctx), list}},
			{`UPDATE ` + revisedRecords + ` SET r.revision = r.revision + 1, r.updated_at = ?`, []any{list, now}},
		} {
			if _, err := tx.ExecContext(ctx, step.statement, step.args...); err != nil {
				return fmt.Errorf("revise %d records: %w", len(ids), err)
			}
		}
	}
	return nil
}

// revisedRecords reads and locks exactly the records in a list of IDs.
const revisedRecords = `JSON_TABLE(?, '$[*]' COLUMNS (record_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) AS revised
STRAIGHT_JOIN official_record AS r FORCE INDEX (PRIMARY) ON r.record_id = revised.record_id`

// reviseRace gives every live record of a race a new revision and returns how many
// it revised. The transaction must hold the race.
func (s *Store) reviseRace(ctx context.Context, tx *sql.Tx, raceID, reason string) (int, error) {
	ids, err := s.queries.WithTx(tx).LiveRecordsOfRace(ctx, raceID)
	if err != nil {
		return 0, fmt.Errorf("list the records of race %s: %w", raceID, err)
	}
	return len(ids), reviseAgain(ctx, tx, ids, reason, s.now())
}

// reviseBibs gives every live record with one of those bibs a new revision,
// including those that wait for the bib, and returns how many it revised. The
// transaction must hold the race.
func (s *Store) reviseBibs(ctx context.Context, tx *sql.Tx, raceID string, bibKeys []string, reason string) (int, error) {
	q := s.queries.WithTx(tx)
	var ids []string
	for keys := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(bibKeys))), chunk) {
		found, err := q.LiveRecordsOfBibs(ctx, raceID, keys)
		if err != nil {
			return 0, fmt.Errorf("list the records of %d bibs: %w", len(keys), err)
		}
		ids = append(ids, found...)
	}
	slices.Sort(ids)
	return len(ids), reviseAgain(ctx, tx, ids, reason, s.now())
}

// firstRevision returns the first revision of a new record.
func firstRevision(raceID, recordID string, result race.Result, origin race.Origin, change Change) revision {
	return revision{
		Record: race.Record{ID: recordID, RaceID: raceID, Revision: 1, Result: result, HoldsBib: true},
		Change: change, origin: origin,
	}
}

// nextRevision returns the next revision of a record, with nothing changed yet.
func nextRevision(row gen.OfficialRecord, origin race.Origin, change Change) revision {
	r := revision{Record: recordOf(row), Change: change, origin: origin, waitingSince: row.WaitingSince}
	r.Revision++
	return r
}
