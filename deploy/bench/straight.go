package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// acceptedTables are what an accepted row is written to, with the columns that
// an import sets.
var acceptedTables = []struct{ name, columns string }{
	{"official_record", "record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, finish_sequence, removed, created_at, updated_at"},
	{"official_record_revision", "record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at"},
	{"outbox", "race_id, record_id, revision, created_at"},
}

// withTables makes tables like those of an import for as long as use runs, with
// one file of rows in them: the tables of an import have had rows too, and a
// table file's first growth is slow.
func (b *bench) withTables(ctx context.Context, rows int, use func() error) (err error) {
	for _, table := range acceptedTables {
		err := b.exec(ctx, "DROP TABLE IF EXISTS bench_"+table.name, "CREATE TABLE bench_"+table.name+" LIKE "+table.name)
		if err != nil {
			return err
		}
	}
	defer func() {
		for _, table := range acceptedTables {
			err = errors.Join(err, b.exec(ctx, "DROP TABLE bench_"+table.name))
		}
	}()
	if _, err := b.insertStraight(ctx, rows); err != nil {
		return err
	}
	return use()
}

// insertStraight writes rows into these tables, in one transaction as an import
// does, by statements of 1,000 rows each.
func (b *bench) insertStraight(ctx context.Context, rows int) (took time.Duration, err error) {
	raceID, now := uuid.NewString(), time.Now()
	ids := make([]string, rows)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7()).String()
	}
	began := time.Now()
	tx, err := b.mainDB.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	bib := 0
	for part := range slices.Chunk(ids, 1000) {
		var values [3][]any
		for _, id := range part {
			bib++
			name := fmt.Sprint(bib)
			values[0] = append(values[0], id, raceID, 1, name, name, name, 9_000_000, 8_990_000, "OK", nil, false, now, now)
			values[1] = append(values[1], id, 1, name, 9_000_000, 8_990_000, "OK", nil, false, "results file imported", raceID, now)
			values[2] = append(values[2], raceID, id, 1, now)
		}
		for i, table := range acceptedTables {
			if err := insertMany(ctx, tx, "bench_"+table.name, table.columns, len(part), values[i]); err != nil {
				return 0, err
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("insert straight: %w", err)
	}
	return time.Since(began), nil
}

// execer is a transaction or a pool.
type execer interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
}

// insertMany inserts rows by one statement.
func insertMany(ctx context.Context, to execer, table, columns string, rows int, values []any) error {
	row := "(" + strings.Repeat(",?", strings.Count(columns, ",")+1)[1:] + ")"
	statement := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.Repeat(","+row, rows)[1:]
	if _, err := to.ExecContext(ctx, statement, values...); err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", rows, table, err)
	}
	return nil
}

// exec runs statements in main_db.
func (b *bench) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := b.mainDB.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
