package maindb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// importReason is why an import corrected a record, unless its caller says.
const importReason = "results file imported"

// Imported counts what became of the rows of a results file.
type Imported struct {
	Added     int // records posted
	Changed   int // records that got a new revision
	Unchanged int // rows that say what the record says already
}

// ImportResults brings the records of a race up to a results file: a bib
// without a record gets one, a record that says otherwise gets a new revision,
// all in one transaction. A row is matched with the record that holds its bib,
// and replaces the whole result. The results must be checked already and each
// have a bib of its own. Errors: race.ErrNotFound.
func (s *Store) ImportResults(ctx context.Context, raceID string, results []race.Result, change Change) (Imported, error) {
	if change.Reason == "" {
		change.Reason = importReason
	}
	var plan *importPlan
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		if plan, err = planImport(ctx, q, raceID, results); err != nil {
			return err
		}
		return s.carryOut(ctx, tx, plan, status, change)
	})
	if err != nil {
		return Imported{}, fmt.Errorf("import results of race %s: %w", raceID, err)
	}
	return plan.outcome(), nil
}

// PreviewImport returns what ImportResults would do now, and does nothing.
func (s *Store) PreviewImport(ctx context.Context, raceID string, results []race.Result) (Imported, error) {
	plan, err := planImport(ctx, s.queries, raceID, results)
	if err != nil {
		return Imported{}, fmt.Errorf("preview results of race %s: %w", raceID, err)
	}
	return plan.outcome(), nil
}

// importPlan is what a results file changes.
type importPlan struct {
	raceID    string
	added     []race.Record
	changed   []race.Record // as their next revision has them
	unchanged int
}

func (p *importPlan) outcome() Imported {
	return Imported{Added: len(p.added), Changed: len(p.changed), Unchanged: p.unchanged}
}

// planImport reads the records that hold the bibs of the file, and no others.
func planImport(ctx context.Context, q *gen.Queries, raceID string, results []race.Result) (*importPlan, error) {
	plan := &importPlan{raceID: raceID}
	seen := make(map[string]bool, len(results))
	for part := range slices.Chunk(results, chunk) {
		keys := make([]string, len(part))
		for i, result := range part {
			keys[i] = race.BibKey(result.Bib)
			if seen[keys[i]] {
				return nil, fmt.Errorf("bib %s is there twice", keys[i])
			}
			seen[keys[i]] = true
		}
		rows, err := q.RecordsHoldingBibs(ctx, raceID, keys)
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		holders := make(map[string]race.Record, len(rows))
		for _, row := range rows {
			holders[row.BibKey] = recordOf(row)
		}
		for i, result := range part {
			if err := plan.take(result, holders[keys[i]]); err != nil {
				return nil, err
			}
		}
	}
	return plan, nil
}

// take decides what one row does to the record that holds its bib, if any. A
// bib that is only written differently, 007 for 7, is no change.
func (p *importPlan) take(result race.Result, known race.Record) error {
	if known.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make a record ID: %w", err)
		}
		p.added = append(p.added, race.Record{
			ID: id.String(), RaceID: p.raceID, Revision: 1, Result: result, HoldsBib: true,
		})
		return nil
	}
	result.Bib = known.Result.Bib
	if result == known.Result {
		p.unchanged++
		return nil
	}
	known.Result = result
	known.Revision++
	p.changed = append(p.changed, known)
	return nil
}

// carryOut writes the plan. The transaction holds the race.
func (s *Store) carryOut(ctx context.Context, tx *sql.Tx, plan *importPlan, status race.Status, change Change) error {
	q, now := s.queries.WithTx(tx), s.now()
	if status == race.Scheduled && len(plan.added) > 0 {
		if err := q.StartResults(ctx, now, plan.raceID); err != nil {
			return fmt.Errorf("make the race provisional: %w", err)
		}
	}
	for records := range slices.Chunk(plan.added, chunk) {
		if err := insertRecords(ctx, tx, records, now); err != nil {
			return err
		}
		if err := sendOffAll(ctx, tx, records, change, now); err != nil {
			return err
		}
	}
	for records := range slices.Chunk(plan.changed, chunk) {
		if err := sendOffAll(ctx, tx, records, change, now); err != nil {
			return err
		}
		ids := make([]string, len(records))
		for i, r := range records {
			ids[i] = r.ID
		}
		if err := execFor(ctx, tx, applyRevisions, ids); err != nil {
			return fmt.Errorf("update records: %w", err)
		}
	}
	return nil
}

// applyRevisions brings records up to the revision just written for them. Bibs
// stay as they are.
const applyRevisions = `UPDATE
    JSON_TABLE(?, '$[*]' COLUMNS (record_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) AS revised
STRAIGHT_JOIN official_record AS r FORCE INDEX (PRIMARY) ON r.record_id = revised.record_id
STRAIGHT_JOIN official_record_revision AS v FORCE INDEX (PRIMARY)
    ON v.record_id = revised.record_id AND v.revision = r.revision + 1
SET r.revision = v.revision, r.gun_ms = v.gun_ms, r.net_ms = v.net_ms, r.status = v.status,
    r.finish_sequence = v.finish_sequence, r.updated_at = v.changed_at`

func insertRecords(ctx context.Context, tx *sql.Tx, records []race.Record, now time.Time) error {
	const into = `INSERT INTO official_record
    (record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, finish_sequence, removed,
     created_at, updated_at) VALUES `
	return insertRows(ctx, tx, into, records, func(args []any, r race.Record) []any {
		key := race.BibKey(r.Result.Bib)
		return append(args, r.ID, r.RaceID, r.Revision, r.Result.Bib, key, key,
			nullTime(r.Result.Gun), nullTime(r.Result.Net), string(r.Result.Status),
			nullSequence(r.Result.Sequence), r.Removed, now, now)
	})
}

// sendOffAll does for many records what sendOff does for one.
func sendOffAll(ctx context.Context, tx *sql.Tx, records []race.Record, change Change, now time.Time) error {
	const intoRevisions = `INSERT INTO official_record_revision
    (record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at) VALUES `
	err := insertRows(ctx, tx, intoRevisions, records, func(args []any, r race.Record) []any {
		return append(args, r.ID, r.Revision, r.Result.Bib, nullTime(r.Result.Gun), nullTime(r.Result.Net),
			string(r.Result.Status), nullSequence(r.Result.Sequence), r.Removed, change.Reason, change.By, now)
	})
	if err != nil {
		return err
	}
	const intoOutbox = `INSERT INTO outbox (race_id, record_id, revision, created_at, tracelink) VALUES `
	link := traceOf(ctx)
	return insertRows(ctx, tx, intoOutbox, records, func(args []any, r race.Record) []any {
		return append(args, r.RaceID, r.ID, r.Revision, now, link)
	})
}
