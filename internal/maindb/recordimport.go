package maindb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

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
	change.File = true
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
		if plan, err = planImport(ctx, q, raceID, results, change); err != nil {
			return err
		}
		return s.carryOut(ctx, tx, plan, status)
	})
	if err != nil {
		return Imported{}, fmt.Errorf("import results of race %s: %w", raceID, err)
	}
	return plan.outcome(), nil
}

// PreviewImport returns what ImportResults would do now, and does nothing.
func (s *Store) PreviewImport(ctx context.Context, raceID string, results []race.Result) (Imported, error) {
	plan, err := planImport(ctx, s.queries, raceID, results, Change{})
	if err != nil {
		return Imported{}, fmt.Errorf("preview results of race %s: %w", raceID, err)
	}
	return plan.outcome(), nil
}

// importPlan is what a results file changes.
type importPlan struct {
	raceID    string
	change    Change
	added     []revision
	changed   []revision
	unchanged int
}

func (p *importPlan) outcome() Imported {
	return Imported{Added: len(p.added), Changed: len(p.changed), Unchanged: p.unchanged}
}

// planImport reads the records that hold the bibs of the file, and no others.
func planImport(ctx context.Context, q *gen.Queries, raceID string, results []race.Result, change Change) (*importPlan, error) {
	plan := &importPlan{raceID: raceID, change: change}
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
		holders := make(map[string]gen.OfficialRecord, len(rows))
		for _, row := range rows {
			holders[row.BibKey] = row
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
func (p *importPlan) take(result race.Result, holder gen.OfficialRecord) error {
	if holder.RecordID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make a record ID: %w", err)
		}
		p.added = append(p.added, firstRevision(p.raceID, id.String(), result, p.change))
		return nil
	}
	next := nextRevision(holder, p.change)
	result.Bib = next.Result.Bib
	if result == next.Result {
		p.unchanged++
		return nil
	}
	next.Correct(result)
	p.changed = append(p.changed, next)
	return nil
}

// carryOut writes the plan. The transaction holds the race.
func (s *Store) carryOut(ctx context.Context, tx *sql.Tx, plan *importPlan, status race.Status) error {
	now := s.now()
	if len(plan.added) > 0 {
		if err := startResults(ctx, s.queries.WithTx(tx), plan.raceID, status, now); err != nil {
			return err
		}
	}
	if err := writeRevisions(ctx, tx, plan.added, now); err != nil {
		return err
	}
	return writeRevisions(ctx, tx, plan.changed, now)
}
